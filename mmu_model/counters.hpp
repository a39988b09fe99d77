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
  std::uint64_t cycles = 0;        ///< sum over walks; guest and EPT cycles are its parts, by place
  std::uint64_t guest_cycles = 0;
  std::uint64_t ept_cycles = 0;
  std::map<std::uint64_t, std::uint64_t> latency;          ///< cycles of a walk -> walks
  std::map<unsigned, std::uint64_t> references_histogram;  ///< references of a walk -> walks
  std::array<std::array<PlaceCounters, 6>, 6> matrix{};
};

}  // namespace eptsim::mmu
