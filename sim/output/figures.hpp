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
  std::uint64_t translation_cycles = 0;
  std::uint64_t exit_cycles = 0;
  std::uint64_t program_cycles = 0;  ///< the rest
  std::uint64_t first_level_hits = 0;
  std::uint64_t second_level_hits = 0;
  std::uint64_t tlb_misses = 0;  ///< accesses that no TLB level had
  std::uint64_t walks = 0;
  /// The walker's caches, in the order in which stats.json has them.
  struct WalkerCache {
    std::string label;
    std::uint64_t accesses = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
  };
  std::vector<WalkerCache> walker_caches;
  double references_per_walk = 0;
  double guest_references_per_walk = 0;
  double ept_references_per_walk = 0;
  double cycles_per_walk = 0;
};

}  // namespace eptsim::sim
