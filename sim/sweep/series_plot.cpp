#include "sim/sweep/series_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "sim/report/drawing.hpp"
#include "sim/report/lines.hpp"

namespace eptsim::sim::sweep {

using report::across;
using report::axis_text;
using report::element;
using report::Html;
using report::kAxisHeight;
using report::kPlotHeight;
using report::kPlotTop;

namespace {

/// A line: its means by the values of the axis, in the order of their numbers.
struct Series {
  std::string kind;
  std::string label;
  std::vector<std::optional<Mean>> means;
};

std::vector<std::size_t> in_order(const Axis& axis) {
  std::vector<std::size_t> values(axis.values.size());
  std::iota(values.begin(), values.end(), std::size_t{0});
  std::ranges::sort(values, {}, [&](std::size_t value) { return axis.values[value].number; });
  return values;
}

class Plot {
 public:
  Plot(const Column& column, const Axis& along, std::vector<std::size_t> order, double highest)
      : column_(column), along_(along), order_(std::move(order)), highest_(highest) {}

  Html line(const Series& series) const {
    std::string points;
    for (std::size_t i = 0; i < series.means.size(); ++i) {
      if (!series.means[i]) continue;
      points += fmt::format("{}{:.3f},{:.3f}", points.empty() ? "" : " ", 1000 * at(i),
                            height(series.means[i]->mean));
    }
    return report::plot_line(series.kind, points);
  }

  /// With what they are, where a pointer rests on them.
  Html dots(const Series& series) const {
    Html dots;
    for (std::size_t i = 0; i < series.means.size(); ++i) {
      if (!series.means[i]) continue;
      const Mean& mean = *series.means[i];
      std::string title =
          fmt::format("{}{} {}: {}", series.label.empty() ? "" : series.label + ", ", along_.name,
                      along_.values[order_[i]].name, shown(column_, mean.mean));
      if (mean.rows > 1) {
        title += fmt::format(", from {} to {} over {} points", shown(column_, mean.least),
                             shown(column_, mean.most), mean.rows);
      }
      dots += element("circle",
                      {{"class", series.kind},
                       {"cx", across(at(i))},
                       {"cy", fmt::format("{:.1f}", kPlotTop + height(mean.mean))},
                       {"r", "4"}},
                      element("title", title));
    }
    return dots;
  }

  Html axis() const {
    Html texts;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      texts += axis_text(at(i), along_.values[order_[i]].name);
    }
    return texts;
  }

 private:
  double at(std::size_t i) const {
    return (static_cast<double>(i) + 0.5) / static_cast<double>(order_.size());
  }
  double height(double value) const { return kPlotHeight * (1 - value / highest_); }

  const Column& column_;
  const Axis& along_;
  std::vector<std::size_t> order_;
  double highest_;
};

}  // namespace

Html series_plot(const Results& results, std::size_t plot, std::size_t along,
                 std::optional<std::size_t> by, const std::string& id) {
  const Sweep& sweep = results.sweep();
  const Column& column = sweep.plots[plot];
  const Axis& axis = sweep.axes[along];
  const std::vector<std::size_t> order = in_order(axis);
  std::vector<Series> all;
  double highest = 0;
  for (std::size_t i = 0; i < (by ? sweep.axes[*by].values.size() : 1); ++i) {
    Series series{fmt::format("run-{}", i), by ? sweep.axes[*by].values[i].name : "", {}};
    for (const std::size_t value : order) {
      std::vector<At> at = {{along, value}};
      if (by) at.push_back({*by, i});
      series.means.push_back(mean_of(results, plot, at));
      if (series.means.back()) highest = std::max(highest, series.means.back()->mean);
    }
    all.push_back(std::move(series));
  }
  if (highest == 0) highest = 1;

  const bool percent = shown(column, 0.5).ends_with('%');
  const report::Scale scale(percent ? 100 * highest : highest, 5);
  const double top = percent ? 100 * highest : highest;
  const Plot drawn(column, axis, order, highest);
  Html lines;
  Html dots;
  Html legend;
  for (const Series& series : all) {
    lines += drawn.line(series);
    dots += drawn.dots(series);
    if (by) legend += report::line_legend_entry(series.kind, series.label);
  }
  std::string description =
      fmt::format("A line of the means of {} over {}", column.name, axis.name);
  if (by) description += fmt::format(" for each {}", sweep.axes[*by].name);
  description += "; the table below has the numbers.";
  const Html svg =
      report::drawing({id, fmt::format("{} by {}", column.name, axis.name), description},
                      kPlotTop + kPlotHeight + kAxisHeight, "plot",
                      report::grid(top, scale) + report::plot_box(lines) + dots +
                          report::grid_numbers(top, scale) + drawn.axis());
  const std::string unit = percent              ? " in percent"
                           : column.unit == "1" ? ""
                                                : ", " + column.unit + "s";
  return element("p", {{"class", "plot-title"}}, column.name + unit + " by " + axis.name) + svg +
         (legend.empty() ? Html() : element("div", {{"class", "legends"}}, legend) + "\n");
}

}  // namespace eptsim::sim::sweep
