#include "sim/report/columns.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {
namespace {

constexpr std::size_t kMostAxisTexts = 9;

}  // namespace

Html columns(const Described& what, const Columns& content) {
  std::uint64_t highest = 1;
  for (const Columns::Series& series : content.series) {
    for (const std::uint64_t value : series.values) highest = std::max(highest, value);
  }
  // A place is a slot of the page's width, with a little air around its columns.
  const double slot = 1 / static_cast<double>(content.places.size());
  const double column = slot * 0.8 / static_cast<double>(content.series.size());

  const auto real_highest = static_cast<double>(highest);
  const Scale scale(real_highest, 4, 1);
  Html drawn = grid(real_highest, scale);
  for (std::size_t i = 0; i < content.series.size(); ++i) {
    const Columns::Series& series = content.series[i];
    for (std::size_t place = 0; place < content.places.size(); ++place) {
      const std::uint64_t value = series.values.at(place);
      if (value == 0) continue;
      // One that is there is seen.
      const double height = std::max(kPlotHeight * ratio(value, highest), 2.0);
      const double x = slot * (static_cast<double>(place) + 0.1) + column * static_cast<double>(i);
      drawn += element("rect",
                       {{"class", "fill " + series.kind},
                        {"x", across(x)},
                        {"y", pixels(kPlotTop + kPlotHeight - height)},
                        {"width", across(column)},
                        {"height", pixels(height)}},
                       element("title", fmt::format("{}: {} {}", series.label, grouped(value),
                                                    content.places[place].words)));
    }
  }
  drawn += grid_numbers(real_highest, scale);
  std::size_t step = 1;
  while (content.places.size() > step * kMostAxisTexts) step *= 2;
  for (std::size_t place = 0; place < content.places.size(); place += step) {
    const double at = slot * (static_cast<double>(place) + 0.5);
    const bool at_the_edge = at > 0.95;
    drawn +=
        axis_text(at_the_edge ? 1 : at, content.places[place].axis, at_the_edge ? "end" : "middle");
  }
  return drawing(what, kPlotTop + kPlotHeight + kAxisHeight, "columns", drawn);
}

}  // namespace eptsim::sim::report
