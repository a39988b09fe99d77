#pragma once

#include <array>
#include <cstdint>
#include <map>

/// What the modelled hardware counts. Plain numbers that the units add to; names, units and
/// printing are the application's business (sim/statistics).
namespace eptsim::mmu {

struct TlbCounters {
  std::uint64_t accesses = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
};

/// One of the places of a two-dimensional walk: [guest_level][ept_level] as in Place.
struct PlaceCounters {
  std::uint64_t references = 0;
  std::uint64_t cycles = 0;  ///< from issue to the next step: what memory here held up the walk
};

struct WalkerCounters {
  std::uint64_t walks = 0;
  std::uint64_t references = 0;
  std::uint64_t guest_references = 0;
  std::uint64_t ept_references = 0;
  std::uint64_t flag_updates = 0;  ///< compare-and-swaps for accessed and dirty flags
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
};

}  // namespace eptsim::mmu
