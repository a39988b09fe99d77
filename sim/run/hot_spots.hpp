#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// Collects what walks cost by address and ranks it. A table with linear probing, for there may be
/// as many addresses as pages, and each walk adds.
///
/// It remembers so many addresses at most, whatever the footprint: when there is no room for one
/// more, the half that cost least is forgotten. So what it ranks is exact until then; later a cost
/// may lack what its address had cost when it was forgotten, and all of them together lack
/// `forgotten_cycles`.
class HotSpots {
 public:
  /// 1 GiB of 4 KiB pages.
  static constexpr std::size_t kMostRemembered = std::size_t{1} << 18;

  HotSpots() : HotSpots(kMostRemembered) {}
  /// `most_remembered`: a power of two, at least 2.
  explicit HotSpots(std::size_t most_remembered)
      : most_remembered_(most_remembered),
        spots_(std::min(kFirstSize, 2 * most_remembered)),
        shift_(shift_of(spots_.size())) {}

  void add(std::uint64_t address, std::uint64_t cycles) { add({address, 1, cycles}); }
  void add(const HotSpot& more) {
    HotSpot* spot = &place_of(more.address);
    if (spot->walks == 0) [[unlikely]] {
      if (2 * used_ >= spots_.size()) {
        make_room();
        spot = &place_of(more.address);
      }
      ++used_;
      spot->address = more.address;
    }
    spot->walks += more.walks;
    spot->walk_cycles += more.walk_cycles;
  }
  /// What another collected, too.
  void add(const HotSpots& more);
  void clear() { *this = HotSpots(most_remembered_); }
  /// Has the host bring what adding to `address` will read.
  void prefetch(std::uint64_t address) const {
    __builtin_prefetch(&spots_[first_place_of(address)]);
  }

  /// The `count` most expensive, most cycles first, equals by lower address.
  std::vector<HotSpot> top(std::size_t count) const;
  /// Walk cycles of addresses that were forgotten.
  std::uint64_t forgotten_cycles() const { return forgotten_cycles_; }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    std::vector<HotSpot> spots;
    if constexpr (Archive::is_saving::value) {
      std::ranges::copy_if(spots_, std::back_inserter(spots),
                           [](const HotSpot& spot) { return spot.walks != 0; });
      std::ranges::sort(spots, {}, &HotSpot::address);
    }
    archive(spots);
    if constexpr (Archive::is_loading::value) {
      clear();
      for (const HotSpot& spot : spots) add(spot);
    }
    archive(forgotten_cycles_);
  }

 private:
  static constexpr std::size_t kFirstSize = 1024;

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
  static unsigned shift_of(std::size_t size) {
    return 64u - static_cast<unsigned>(std::countr_zero(size));
  }
  void make_room();
  void forget_half();
  void fill(std::size_t size, const std::vector<HotSpot>& spots);
  std::vector<HotSpot> remembered() const;

  std::size_t most_remembered_;
  std::vector<HotSpot> spots_;  ///< without walks: empty
  unsigned shift_;              ///< of the hash, to an index
  std::size_t used_ = 0;
  std::uint64_t forgotten_cycles_ = 0;
};

}  // namespace eptsim::sim
