#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>

#include "mmu_model/memory/memory_level.hpp"

/// What the modelled hardware counts. Plain numbers that the units add to; names, units and
/// printing are the application's business (sim/statistics).
namespace eptsim::mmu {

struct TlbCounters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;

  TlbCounters& operator+=(const TlbCounters& more) {
    accesses += more.accesses;
    hits += more.hits;
    misses += more.misses;
    return *this;
  }
};

/// Accesses of one kind, data or walks, to one level of the memory hierarchy. Hits and misses sum
/// to the accesses.
struct MemoryCacheCounters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;  ///< found the line, arrived
  std::uint64_t misses = 0;
  std::uint64_t merged = 0;      ///< of the misses, those whose line was on its way already
  std::uint64_t writebacks = 0;  ///< dirty lines that left for the next level because of them
};

struct DramCounters {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  // The banked model: each read and write is one of these.
  std::uint64_t row_hits = 0;       ///< to the row that was open
  std::uint64_t row_misses = 0;     ///< to a bank without an open row
  std::uint64_t row_conflicts = 0;  ///< to a bank in which another row was open
};

struct MemoryCounters {
  /// By level: kL1d, kL2, kL3; those of the first two over all cores.
  struct Level {
    std::array<MemoryCacheCounters, 2> by_origin{};  ///< by AccessOrigin
    std::uint64_t invalidations = 0;  ///< lines that another core's write, or a walk's, removed
  };
  std::array<Level, 3> cache{};
  DramCounters dram;
};

/// References by the level that served them.
using LevelCounts = std::array<std::uint64_t, kMemoryLevels>;

/// One of the places of a two-dimensional walk: [guest_level][ept_level] as in Place.
struct PlaceCounters {
  std::uint64_t references = 0;
  std::uint64_t cycles = 0;  ///< from issue to the next step: what memory here held up the walk
  LevelCounts served_by{};
};

/// Of walks as the core asks for them.
struct WalkQueueCounters {
  std::uint64_t merged = 0;    ///< asked for while one that answers them too was under way
  std::uint64_t answered = 0;  ///< the others that were answered
  std::uint64_t cycles = 0;    ///< sum over those, from the request to the core's going on
  unsigned most = 0;           ///< waiting or in flight at a time

  /// Of another core: each has its own queue.
  WalkQueueCounters& operator+=(const WalkQueueCounters& more) {
    merged += more.merged;
    answered += more.answered;
    cycles += more.cycles;
    most = std::max(most, more.most);
    return *this;
  }
};

struct WalkerCounters {
  std::uint64_t walks = 0;
  std::uint64_t references = 0;
  std::uint64_t guest_references = 0;
  std::uint64_t ept_references = 0;
  LevelCounts served_by{};         ///< the references by level
  std::uint64_t flag_updates = 0;  ///< compare-and-swaps for accessed and dirty flags
  std::uint64_t log_restarts = 0;  ///< walks made once more, to set flags and log pages
  std::uint64_t cycles = 0;        ///< sum over walks, of which
  std::uint64_t guest_cycles = 0;  ///< memory held up a walk at a guest entry,
  std::uint64_t ept_cycles = 0;    ///< and at any other place
  std::map<std::uint64_t, std::uint64_t> latency;          ///< cycles of a walk -> walks
  std::map<unsigned, std::uint64_t> references_histogram;  ///< references of a walk -> walks
  std::array<std::array<PlaceCounters, 6>, 6> matrix{};
  /// Look-ups of walks in the walker's caches, by level of the last entry that a hit skips: 2
  /// (PDE), 3 (PDPTE), 4 (PML4E). What the configuration leaves out is never accessed.
  std::array<TlbCounters, 6> combined{};
  std::array<TlbCounters, 6> ept{};
  TlbCounters nested_tlb;

  WalkerCounters& operator+=(const WalkerCounters& more);
};

}  // namespace eptsim::mmu
