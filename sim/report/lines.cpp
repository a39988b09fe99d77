#include "sim/report/lines.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {
namespace {

/// 1,500,000 as "1.5 M", for an axis.
std::string short_number(double value) {
  const char* unit = "";
  for (const char* next : {"\u00a0k", "\u00a0M", "\u00a0G"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:g}{}", value, unit);
}

}  // namespace

Html line_plot(const Described& what, const std::vector<Line>& lines, const std::string& unit) {
  std::uint64_t last = 1;
  double highest = 0;
  for (const Line& line : lines) {
    for (const Line::Step& step : line.steps) {
      last = std::max(last, step.end);
      highest = std::max(highest, step.value);
    }
  }
  if (highest == 0) highest = 1;
  const Scale scale(highest, 5);

  Html drawn;
  for (const Line& line : lines) {
    std::string points;
    std::uint64_t begin = 0;
    for (const Line::Step& step : line.steps) {
      const std::string y = fmt::format("{:.3f}", kPlotHeight * (1 - step.value / highest));
      points += fmt::format("{}{:.3f},{} {:.3f},{}", points.empty() ? "" : " ",
                            1000 * ratio(begin, last), y, 1000 * ratio(step.end, last), y);
      begin = step.end;
    }
    drawn += plot_line(line.kind, points, element("title", line.label));
  }
  Html axis;
  const auto end = static_cast<double>(last);
  const Scale along(end, 5, 1);
  for (const double mark : along.marks) {
    if (mark > 0.75 * end) continue;  // the unit stands there
    axis += axis_text(mark / end, short_number(mark), mark == 0 ? "start" : "middle");
  }
  axis += axis_text(1, unit, "end");
  return drawing(what, kPlotTop + kPlotHeight + kAxisHeight, "plot",
                 grid(highest, scale) + plot_box(drawn) + grid_numbers(highest, scale) + axis);
}

Html line_legend_entry(const std::string& kind, const std::string& label) {
  const Html piece = empty_element(
      "line", {{"class", "line " + kind}, {"x1", "0"}, {"x2", "24"}, {"y1", "6"}, {"y2", "6"}});
  return element("span", {{"class", "legend"}},
                 element("svg",
                         {{"xmlns", "http://www.w3.org/2000/svg"},
                          {"width", "24"},
                          {"height", "12"},
                          {"aria-hidden", "true"}},
                         piece) +
                     element("span", label));
}

}  // namespace eptsim::sim::report
