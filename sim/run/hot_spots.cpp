#include "sim/run/hot_spots.hpp"

#include <algorithm>
#include <iterator>

namespace eptsim::sim {

void HotSpots::grow() {
  std::vector<HotSpot> old(2 * spots_.size());
  old.swap(spots_);
  --shift_;
  for (const HotSpot& spot : old) {
    if (spot.walks != 0) place_of(spot.address) = spot;
  }
}

std::vector<HotSpot> HotSpots::top(std::size_t count) const {
  std::vector<HotSpot> spots;
  spots.reserve(used_);
  std::ranges::copy_if(spots_, std::back_inserter(spots),
                       [](const HotSpot& spot) { return spot.walks != 0; });
  // A total order over the addresses, so that the table's own order leaves no trace.
  const auto hotter = [](const HotSpot& a, const HotSpot& b) {
    return a.walk_cycles != b.walk_cycles ? a.walk_cycles > b.walk_cycles : a.address < b.address;
  };
  const auto kept = static_cast<std::ptrdiff_t>(std::min(count, spots.size()));
  std::ranges::partial_sort(spots, spots.begin() + kept, hotter);
  spots.resize(static_cast<std::size_t>(kept));
  return spots;
}

}  // namespace eptsim::sim
