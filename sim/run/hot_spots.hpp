#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// Collects what walks cost by address and ranks it.
class HotSpots {
 public:
  void add(std::uint64_t address, std::uint64_t cycles) {
    Cost& cost = costs_[address];
    ++cost.walks;
    cost.cycles += cycles;
  }
  /// What another collected, too.
  void add(const HotSpots& more) {
    for (const auto& [address, cost] : more.costs_) {
      Cost& sum = costs_[address];
      sum.walks += cost.walks;
      sum.cycles += cost.cycles;
    }
  }
  void clear() { costs_.clear(); }

  /// The `count` most expensive, most cycles first, equals by lower address.
  std::vector<HotSpot> top(std::size_t count) const;

 private:
  struct Cost {
    std::uint64_t walks = 0;
    std::uint64_t cycles = 0;
  };
  std::unordered_map<std::uint64_t, Cost> costs_;
};

}  // namespace eptsim::sim
