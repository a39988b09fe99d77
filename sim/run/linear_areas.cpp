#include "sim/run/linear_areas.hpp"

#include <algorithm>
#include <utility>

namespace eptsim::sim {

LinearAreas::LinearAreas(std::vector<LinearArea> areas) {
  std::ranges::sort(areas, {}, &LinearArea::begin);
  for (const LinearArea& area : areas) {
    if (!areas_.empty() && area.begin <= areas_.back().end) {
      areas_.back().end = std::max(areas_.back().end, area.end);
    } else {
      areas_.push_back(area);
    }
  }
}

bool LinearAreas::contain(std::uint64_t begin, std::uint64_t bytes) const {
  if (areas_.empty()) return true;
  // The last that begins at or below.
  const auto above = std::ranges::upper_bound(areas_, begin, {}, &LinearArea::begin);
  if (above == areas_.begin()) return false;
  const LinearArea& area = *std::prev(above);
  return area.end > begin && area.end - begin >= bytes;
}

}  // namespace eptsim::sim
