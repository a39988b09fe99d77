#include "sim/run/hot_spots.hpp"

#include <algorithm>
#include <ranges>

namespace eptsim::sim {

std::vector<HotSpot> HotSpots::top(std::size_t count) const {
  std::vector<HotSpot> spots;
  spots.reserve(costs_.size());
  for (const auto& [address, cost] : costs_) spots.push_back({address, cost.walks, cost.cycles});
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
