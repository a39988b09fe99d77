#include "sim/run/hot_spots.hpp"

#include <algorithm>
#include <iterator>

namespace eptsim::sim {
namespace {

/// A total order over the addresses, so that the table's own order leaves no trace.
bool hotter(const HotSpot& a, const HotSpot& b) {
  return a.walk_cycles != b.walk_cycles ? a.walk_cycles > b.walk_cycles : a.address < b.address;
}

}  // namespace

void HotSpots::add(const HotSpots& more) {
  // Its spots come in the order of their hashes: a smaller table would take them all at one place.
  const std::size_t size = std::min(more.spots_.size(), 2 * most_remembered_);
  if (size > spots_.size()) fill(size, remembered());
  for (const HotSpot& spot : more.spots_) {
    if (spot.walks != 0) add(spot);
  }
  forgotten_cycles_ += more.forgotten_cycles_;
}

void HotSpots::make_room() {
  if (spots_.size() < 2 * most_remembered_) {
    fill(2 * spots_.size(), remembered());
  } else {
    forget_half();
  }
}

void HotSpots::forget_half() {
  std::vector<HotSpot> spots = remembered();
  const auto middle = spots.begin() + static_cast<std::ptrdiff_t>(spots.size() / 2);
  std::ranges::nth_element(spots, middle, hotter);
  for (auto spot = middle; spot != spots.end(); ++spot) forgotten_cycles_ += spot->walk_cycles;
  spots.erase(middle, spots.end());
  fill(spots_.size(), spots);
}

/// Makes the table one of `size` places with `spots` in it.
void HotSpots::fill(std::size_t size, const std::vector<HotSpot>& spots) {
  spots_.assign(size, {});
  shift_ = shift_of(size);
  used_ = spots.size();
  for (const HotSpot& spot : spots) place_of(spot.address) = spot;
}

std::vector<HotSpot> HotSpots::remembered() const {
  std::vector<HotSpot> spots;
  spots.reserve(used_);
  std::ranges::copy_if(spots_, std::back_inserter(spots),
                       [](const HotSpot& spot) { return spot.walks != 0; });
  return spots;
}

std::vector<HotSpot> HotSpots::top(std::size_t count) const {
  std::vector<HotSpot> spots = remembered();
  const auto kept = static_cast<std::ptrdiff_t>(std::min(count, spots.size()));
  std::ranges::partial_sort(spots, spots.begin() + kept, hotter);
  spots.resize(static_cast<std::size_t>(kept));
  return spots;
}

}  // namespace eptsim::sim
