#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/cycle.hpp"
#include "mmu_model/memory/line_array.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// The miss-status holding registers of a cache: each follows a line on its way, and a miss takes
/// the one that is free first.
class MissRegisters {
 public:
  explicit MissRegisters(unsigned count) : free_from_(count) {}

  /// The register that is free first; it is free from `free_from()` of it.
  std::size_t next() const {
    return static_cast<std::size_t>(std::ranges::min_element(free_from_) - free_from_.begin());
  }
  Cycle free_from(std::size_t which) const { return free_from_[which]; }
  void hold(std::size_t which, Cycle until) { free_from_[which] = until; }

 private:
  std::vector<Cycle> free_from_;
};

/// One cache: its lines, what it counts, and what is on its way to it.
struct Cache {
  Cache(const MemoryCacheSettings& settings, std::uint64_t seed)
      : lines(settings, seed), misses(settings.mshrs), hit_cycles(settings.hit_cycles) {}

  MemoryCacheCounters& counted(AccessOrigin origin) {
    return counters.by_origin[static_cast<std::size_t>(origin)];
  }

  LineArray lines;
  MissRegisters misses;
  unsigned hit_cycles;
  MemoryCounters::Level counters;
};

}  // namespace eptsim::mmu
