#include "sim/run/memory_hash.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <new>

namespace eptsim::sim {

static_assert(std::endian::native == std::endian::little);

std::string hash_of_memory(const mmu::Dram& memory) {
  XXH3_state_t* const state = XXH3_createState();
  if (state == nullptr) throw std::bad_alloc();
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> owner(state, &XXH3_freeState);
  XXH3_128bits_reset(state);
  std::array<std::uint64_t, 513> words{};
  for (const arch::Hpa page : memory.resident_pages()) {
    words[0] = page.value();
    for (std::size_t i = 0; i < 512; ++i) words[i + 1] = memory.read64(page + 8 * i);
    if (std::all_of(words.begin() + 1, words.end(), [](std::uint64_t w) { return w == 0; })) {
      continue;
    }
    XXH3_128bits_update(state, words.data(), sizeof words);
  }
  const auto hash = XXH3_128bits_digest(state);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace eptsim::sim
