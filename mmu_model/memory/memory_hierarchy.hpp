#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ept/arch/address.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/cycle.hpp"
#include "mmu_model/memory/cache.hpp"
#include "mmu_model/memory/dram_timing.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/memory/memory_observer.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// An access within one line of 64 bytes: one that crosses into the next is two.
struct CacheAccess {
  arch::Hpa address;
  bool write = false;  ///< stores, read-modify-writes and compare-and-swaps
  MemoryLevel enters_at = MemoryLevel::kL1d;
  AccessOrigin origin = AccessOrigin::kData;
};

struct Service {
  Cycle answered = 0;  ///< the data is there, or the write done: later than the access's cycle
  /// What gave the line. An access to a line on its way has the level that it comes from.
  MemoryLevel served_by = MemoryLevel::kDram;
};

/// Caches and DRAM of a machine: the time of accesses, not the bytes. L1D and L2 are a core's own,
/// L3 and DRAM shared; page walks and data use the same. docs/memory-hierarchy.md says to the cycle
/// what happens.
///
/// An access is answered at the time of the call, for good: what is asked for later never delays
/// it. So calls come in the order of their cycles; those of one cycle come in an order that the
/// caller makes sure of, by requester. Results depend on nothing else.
class MemoryHierarchy {
 public:
  /// `seed`: of random replacement.
  MemoryHierarchy(const MemorySettings& settings, unsigned cores, std::uint64_t seed);

  /// `access.enters_at`: a cache; if that is off, the next that is on.
  Service access(unsigned core, const CacheAccess& access, Cycle cycle) {
    if (access.enters_at == MemoryLevel::kL1d) [[likely]] {
      const std::uint64_t line = line_of(access.address);
      Cache& l1d = cores_[core][0];
      const std::size_t place = l1d.lines.find_again(line);
      if (place != LineArray::kNone && l1d.lines.has_arrived(place, cycle) &&
          (!access.write || may_write(l1d.lines, place))) [[likely]] {
        MemoryCacheCounters& counted = l1d.counted(access.origin);
        ++counted.accesses;
        ++counted.hits;
        l1d.lines.use(line, place);
        if (access.write) l1d.lines.set_dirty(place, true);
        return {cycle + l1d.hit_cycles, MemoryLevel::kL1d};
      }
    }
    return fetch<true>(core, access, cycle);
  }

  /// The same without time: every line has arrived, no miss register or bus is waited for or taken,
  /// and what comes is there at once. Caches, open rows and counters become what a run of
  /// one access after the other would make them. Returns what served it.
  MemoryLevel warm(unsigned core, const CacheAccess& access, Cycle cycle) {
    if (access.enters_at == MemoryLevel::kL1d) [[likely]] {
      const std::uint64_t line = line_of(access.address);
      Cache& l1d = cores_[core][0];
      const std::size_t place = l1d.lines.find_again(line);
      if (place != LineArray::kNone && (!access.write || may_write(l1d.lines, place))) [[likely]] {
        MemoryCacheCounters& counted = l1d.counted(access.origin);
        ++counted.accesses;
        ++counted.hits;
        l1d.lines.use(line, place);
        if (access.write) l1d.lines.set_dirty(place, true);
        return MemoryLevel::kL1d;
      }
    }
    return fetch<false>(core, access, cycle).served_by;
  }

  /// Has the host bring what an access of data to `address` will read.
  void prefetch(unsigned core, arch::Hpa address) const {
    const std::uint64_t line = line_of(address);
    for (const Cache& cache : cores_[core]) cache.lines.prefetch(line);
    l3_.lines.prefetch(line);
  }

  /// An access of which the caches that remember for long take note, the core's second and the
  /// last: nothing is counted, and what its line displaces is gone. That it wrote the last one
  /// knows.
  void touch_large(unsigned core, arch::Hpa address, bool write) {
    if (last_ == nullptr) return;
    const std::uint64_t line = line_of(address);
    if (LineArray& second = cores_[core][1].lines; &second != &last_->lines && !second.is_off()) {
      note(second, line, false);
    }
    note(last_->lines, line, write);
  }

  /// Has the host bring what that will read.
  void prefetch_large(unsigned core, arch::Hpa address) const {
    if (last_ == nullptr) return;
    const std::uint64_t line = line_of(address);
    cores_[core][1].lines.prefetch(line);
    last_->lines.prefetch(line);
  }

  /// System software on `core` has written the line, through no access of its own: the core's
  /// caches have it from `cycle` on, dirty in the first, and no other core's own have it. Nothing
  /// is counted but what has to leave for it.
  void touch(unsigned core, arch::Hpa address, Cycle cycle);

  const MemorySettings& settings() const { return settings_; }

  /// From now on, if not nullptr, told of what takes time: not of what `warm` does.
  void observe(MemoryObserver* observer) { observer_ = observer; }
  MemoryObserver* observer() const { return observer_; }

  MemoryCounters counters() const;
  void reset_counters();

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    for (OwnCaches& own : cores_) archive(own[0], own[1]);
    archive(l3_, dram_);
  }

 private:
  static constexpr std::size_t kOwnCaches = 2;  ///< of a core
  static constexpr std::size_t kCaches = 3;
  using OwnCaches = std::array<Cache, kOwnCaches>;
  /// The caches of one core's accesses, the first first.
  using Path = std::array<Cache*, kCaches>;

  static std::uint64_t line_of(arch::Hpa address) { return address.value() / kLineBytes; }
  Path path_of(unsigned core) { return {&cores_[core][0], &cores_[core][1], &l3_}; }
  static void note(LineArray& lines, std::uint64_t line, bool write) {
    const std::size_t place = lines.find(line);
    if (place == LineArray::kNone) {
      lines.put(line, write);
    } else {
      lines.use(line, place);
      if (write) lines.set_dirty(place, true);
    }
  }
  /// A line that is dirty in one core's own caches is in no other's.
  bool may_write(const LineArray& lines, std::size_t place) const {
    return cores_.size() == 1 || lines.is_dirty(place);
  }

  /// What leaves a cache goes on account of an access, and reaches DRAM, if it does, with it.
  struct Cause {
    AccessOrigin origin;
    Cycle cycle;
    Cycle at_dram;
    bool timed = true;
  };

  Cycle read_dram(std::uint64_t line, const Cause& cause);
  Cycle write_dram(std::uint64_t line, const Cause& cause, Cycle cycle);

  template <bool kTimed>
  Service fetch(unsigned core, const CacheAccess& access, Cycle cycle);
  void fill(const Path& path, std::size_t level, const LineArray::Line& line, const Cause& cause);
  void put_back(const Path& path, std::size_t level, const LineArray::Line& line,
                const Cause& cause);
  void recall(unsigned core, std::size_t levels, std::uint64_t line, bool remove,
              const Cause& cause);
  void recall_from_others(unsigned core, std::uint64_t line, bool remove, const Cause& cause);

  MemorySettings settings_;
  std::array<unsigned, kCaches> to_dram_{};  ///< by level of entry: cycles until DRAM is asked
  std::vector<OwnCaches> cores_;
  Cache l3_;
  Cache* last_ = nullptr;  ///< the last cache that a single core's accesses come to; nullptr: none
  DramTiming dram_;
  MemoryObserver* observer_ = nullptr;
};

}  // namespace eptsim::mmu
