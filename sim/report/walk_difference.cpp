#include "sim/report/walk_difference.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/table.hpp"
#include "sim/report/walk_places.hpp"

namespace eptsim::sim::report {
namespace {

/// "+10.4", "−3.0", "0.0" where nothing of it would be seen.
std::string signed_number(double value) {
  const std::string size = grouped(std::abs(value), 1);
  if (size == "0.0") return size;
  return (value < 0 ? "\u2212" : "+") + size;
}

/// Cycles per walk in each run.
struct Cost {
  double left = 0;
  double right = 0;
  double difference() const { return right - left; }
  Cost& operator+=(const Cost& more) {
    left += more.left;
    right += more.right;
    return *this;
  }
};

class DifferenceMap {
 public:
  DifferenceMap(const Run& left, const Run& right) : left_(left), right_(right) {
    map_.nested = left.nested() || right.nested();
    for (const Run* run : {&left, &right}) {
      const std::vector<Place> places = places_of(*run);
      map_.add(places);
      for (const Place& place : places) {
        Cost& cost = costs_[{place.guest, place.ept}];
        (run == &left ? cost.left : cost.right) = ratio(place.cycles, run->figures().walks);
      }
    }
    for (const auto& [place, cost] : costs_) most_ = std::max(most_, std::abs(cost.difference()));
    map_.cell = [this](unsigned guest, unsigned ept) { return cell(guest, ept); };
    map_.sum = [this](std::optional<unsigned> guest, std::optional<unsigned> ept) {
      return numbers(sum(guest, ept));
    };
  }

  Html html() const {
    return map_.html(
        fmt::format("Difference of each place, in cycles per walk: what {} costs more "
                    "(+) or less (\u2212) than {}; below, how it went",
                    right_.label(), left_.label()));
  }

  Html table() const {
    Table table("Cycles per walk at each place",
                {{"place", false}, {left_.label()}, {right_.label()}, {"difference"}, {"ratio"}});
    const auto cells = [](const std::string& name, const Cost& cost) -> std::vector<Html> {
      return {name, grouped(cost.left, 1), grouped(cost.right, 1),
              element("b", signed_number(cost.difference())), times(cost.left, cost.right)};
    };
    for (const unsigned guest : map_.guest_levels) {
      for (const unsigned ept : map_.ept_levels) {
        const auto cost = costs_.find({guest, ept});
        if (cost == costs_.end()) continue;
        table.row(cells(place_name({.guest = guest, .ept = ept}, map_.nested), cost->second));
      }
    }
    table.total(cells("all", sum(std::nullopt, std::nullopt)));
    return table.html();
  }

 private:
  static Html numbers(const Cost& cost) {
    return element("b", signed_number(cost.difference())) +
           element("span", grouped(cost.left, 1) + " → " + grouped(cost.right, 1));
  }

  Html cell(unsigned guest, unsigned ept) const {
    const auto cost = costs_.find({guest, ept});
    if (cost == costs_.end()) return element("td", {{"class", "end"}}, "the data");
    const double difference = cost->second.difference();
    const bool same = signed_number(difference) == "0.0";
    const char* const kind = same ? "same" : difference < 0 ? "less" : "more";
    const double heat = most_ > 0 ? std::abs(difference) / most_ : 0;
    return element("td",
                   {{"class", kind},
                    {"style", fmt::format("--heat:{:.3f}", heat)},
                    {"title", place_name({.guest = guest, .ept = ept}, map_.nested)}},
                   numbers(cost->second));
  }

  Cost sum(std::optional<unsigned> guest, std::optional<unsigned> ept) const {
    Cost all;
    for (const auto& [place, cost] : costs_) {
      if ((guest && place.first != *guest) || (ept && place.second != *ept)) continue;
      all += cost;
    }
    return all;
  }

  const Run& left_;
  const Run& right_;
  PlaceMap map_;
  std::map<std::pair<unsigned, unsigned>, Cost> costs_;  ///< by guest and EPT level
  double most_ = 0;
};

}  // namespace

Html walk_difference_map(const Run& left, const Run& right) {
  if (left.figures().walks == 0 || right.figures().walks == 0) return {};
  const DifferenceMap map(left, right);
  return map.html() + folded("The differences as a table", map.table());
}

}  // namespace eptsim::sim::report
