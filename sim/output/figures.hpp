#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// Numbers that people look for, from a stats document.
struct Figures {
  explicit Figures(const Json& document);

  std::uint64_t accesses = 0;
  std::uint64_t instructions = 0;
  std::uint64_t cycles = 0;
  std::uint64_t core_cycles = 0;  ///< those of all classes: `cycles`, of each core
  std::uint64_t translation_cycles = 0;
  std::uint64_t exit_cycles = 0;
  std::uint64_t retiring_cycles = 0;
  std::uint64_t data_cycles = 0;
  std::uint64_t other_cycles = 0;
  /// Of TLBs, by accesses: more than those where the window's began anew.
  std::uint64_t lookups = 0;
  std::uint64_t first_level_hits = 0;
  std::uint64_t second_level_hits = 0;
  std::uint64_t tlb_misses = 0;  ///< look-ups that no TLB level had
  std::uint64_t walks = 0;
  /// Of one of the machine's caches.
  struct LookUps {
    std::string label;
    std::uint64_t accesses = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  std::vector<LookUps> walker_caches;  ///< in the order in which stats.json has them
  /// L1D, L2 and L3, data and walks apart, in that order too.
  std::vector<LookUps> memory_caches;
  /// References of walks by the level that served them, the nearest first; none on a machine
  /// without caches.
  struct Served {
    std::string level;  ///< as in stats.json
    std::string label;
    std::uint64_t references = 0;
  };
  std::vector<Served> served_by;
  double references_per_walk = 0;
  double guest_references_per_walk = 0;
  double ept_references_per_walk = 0;
  double cycles_per_walk = 0;
};

}  // namespace eptsim::sim
