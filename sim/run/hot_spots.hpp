#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// Collects what walks cost by address and ranks it. A table with linear probing, for there may be
/// as many addresses as pages, and each walk adds.
class HotSpots {
 public:
  void add(std::uint64_t address, std::uint64_t cycles) { add({address, 1, cycles}); }
  /// What another collected, too.
  void add(const HotSpots& more) {
    for (const HotSpot& spot : more.spots_) {
      if (spot.walks != 0) add(spot);
    }
  }
  void clear() { *this = {}; }
  /// Has the host bring what adding to `address` will read.
  void prefetch(std::uint64_t address) const {
    __builtin_prefetch(&spots_[first_place_of(address)]);
  }

  /// The `count` most expensive, most cycles first, equals by lower address.
  std::vector<HotSpot> top(std::size_t count) const;

 private:
  static constexpr std::size_t kFirstSize = 1024;

  void add(const HotSpot& more) {
    HotSpot* spot = &place_of(more.address);
    if (spot->walks == 0) [[unlikely]] {
      if (2 * used_ >= spots_.size()) {
        grow();
        spot = &place_of(more.address);
      }
      ++used_;
      spot->address = more.address;
    }
    spot->walks += more.walks;
    spot->walk_cycles += more.walk_cycles;
  }
  std::size_t first_place_of(std::uint64_t address) const {
    constexpr std::uint64_t kGoldenRatio = 0x9E37'79B9'7F4A'7C15;
    return (address * kGoldenRatio) >> shift_;
  }
  /// Where the address is, or would be.
  HotSpot& place_of(std::uint64_t address) {
    std::size_t at = first_place_of(address);
    while (spots_[at].walks != 0 && spots_[at].address != address) {
      at = (at + 1) & (spots_.size() - 1);
    }
    return spots_[at];
  }
  void grow();

  std::vector<HotSpot> spots_ = std::vector<HotSpot>(kFirstSize);  ///< without walks: empty
  unsigned shift_ = 64u - std::countr_zero(kFirstSize);            ///< of the hash, to an index
  std::size_t used_ = 0;
};

}  // namespace eptsim::sim
