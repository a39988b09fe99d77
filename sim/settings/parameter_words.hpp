#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "mmu_model/settings.hpp"

/// What words of settings stand for.
namespace eptsim::sim {

inline constexpr std::array kReplacements = {mmu::Replacement::kLru, mmu::Replacement::kTreePlru,
                                             mmu::Replacement::kFifo, mmu::Replacement::kRandom,
                                             mmu::Replacement::kSrrip};
inline constexpr std::array<std::string_view, 5> kReplacementWords = {"lru", "tree-plru", "fifo",
                                                                      "random", "srrip"};

/// The index of `value`, which is the value of the word in its place.
template <typename Values, typename Value>
std::uint64_t index_of(const Values& values, Value value) {
  return static_cast<std::uint64_t>(std::ranges::find(values, value) - values.begin());
}

}  // namespace eptsim::sim
