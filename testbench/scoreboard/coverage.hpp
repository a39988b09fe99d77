#pragma once

#include <array>
#include <cstdint>

#include "mmu_model/walk/outcome.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

inline constexpr unsigned kOutcomes =
    static_cast<unsigned>(mmu::OutcomeKind::kGeneralProtection) + 1;
inline constexpr unsigned kReasons = static_cast<unsigned>(mmu::Reason::kSppMisconfiguration) + 1;

/// What the walks of a run have met.
struct Coverage {
  /// What a planted fault came to.
  struct Planted {
    std::uint64_t walks = 0;
    std::uint64_t decided = 0;  ///< the walk ended at the fault's place
  };

  std::uint64_t walks = 0;
  std::uint64_t refused_contexts = 0;
  std::uint64_t stores = 0;  ///< walks with a store from outside
  std::uint64_t swaps = 0;
  std::uint64_t failed_swaps = 0;
  std::array<std::uint64_t, kOutcomes> outcomes{};
  std::array<std::uint64_t, kReasons> reasons{};
  /// [outcome][guest level][EPT level]: the place at which it was decided.
  std::array<std::array<std::array<std::uint64_t, 6>, 6>, kOutcomes> places{};
  std::array<Planted, kFaultKinds> planted{};
  /// [guest page][EPT page] of translations: 0 none, else the leaf's level.
  std::array<std::array<std::uint64_t, 4>, 4> pages{};
  /// [access][user]
  std::array<std::array<std::uint64_t, 2>, 4> accesses{};
  std::array<std::uint64_t, 64> references{};  ///< walks by their number of references

  void count(const TestCase& test, const mmu::Outcome& outcome, unsigned reference_count);
};

}  // namespace eptsim::tb
