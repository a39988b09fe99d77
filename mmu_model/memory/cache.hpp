#pragma once

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
/// the one that is free first. They are alike, so only the times are kept, as a heap.
class MissRegisters {
 public:
  explicit MissRegisters(unsigned count) : free_from_(count) {}

  /// From when on the register is free that is free first.
  Cycle next_free_from() const { return free_from_.front(); }
  /// Takes it.
  void hold_next(Cycle until) {
    const std::size_t count = free_from_.size();
    std::size_t at = 0;
    for (std::size_t below = 1; below < count; below = 2 * at + 1) {
      if (below + 1 < count && free_from_[below + 1] < free_from_[below]) ++below;
      if (free_from_[below] >= until) break;
      free_from_[at] = free_from_[below];
      at = below;
    }
    free_from_[at] = until;
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(free_from_);
  }

 private:
  std::vector<Cycle> free_from_;  ///< those at 2n + 1 and 2n + 2 are no sooner than that at n
};

/// One cache: its lines, what it counts, and what is on its way to it.
struct Cache {
  Cache(const MemoryCacheSettings& settings, std::uint64_t seed)
      : lines(settings, seed), misses(settings.mshrs), hit_cycles(settings.hit_cycles) {}

  MemoryCacheCounters& counted(AccessOrigin origin) {
    return counters.by_origin[static_cast<std::size_t>(origin)];
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(lines, misses, counters);
  }

  LineArray lines;
  MissRegisters misses;
  unsigned hit_cycles;
  MemoryCounters::Level counters;
};

}  // namespace eptsim::mmu
