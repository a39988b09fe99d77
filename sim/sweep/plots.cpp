#include "sim/sweep/plots.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/report/drawing.hpp"
#include "sim/sweep/heat_map.hpp"
#include "sim/sweep/series_plot.hpp"

namespace eptsim::sim::sweep {

using report::across;
using report::element;
using report::empty_element;
using report::Html;

namespace {

/// An axis and its means by its values.
struct Effect {
  std::size_t axis = 0;
  std::vector<std::pair<std::size_t, Mean>> means;  ///< by number of the value, the lowest first
  double least() const { return means.front().second.mean; }
  double most() const { return means.back().second.mean; }
};

std::vector<Effect> effects_of(const Results& results, std::size_t plot) {
  std::vector<Effect> effects;
  for (const std::size_t axis : varied_axes(results.sweep())) {
    Effect effect{.axis = axis, .means = {}};
    for (std::size_t value = 0; value < results.sweep().axes[axis].values.size(); ++value) {
      if (const auto mean = mean_of(results, plot, {{axis, value}})) {
        effect.means.emplace_back(value, *mean);
      }
    }
    if (effect.means.empty()) continue;
    std::ranges::stable_sort(effect.means, {}, [](const auto& one) { return one.second.mean; });
    effects.push_back(std::move(effect));
  }
  std::ranges::stable_sort(effects, std::ranges::greater(),
                           [](const Effect& effect) { return effect.most() - effect.least(); });
  return effects;
}

/// A strip with a dot for each value of the axis, all strips on one scale from 0.
Html strip(const Results& results, std::size_t plot, const Effect& effect, double highest) {
  constexpr int kHeight = 22;
  const Sweep& sweep = results.sweep();
  const auto at = [&](double value) { return 0.01 + 0.98 * (highest > 0 ? value / highest : 0); };
  const std::string middle = std::to_string(kHeight / 2);
  Html content =
      empty_element(
          "line",
          {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", middle}, {"y2", middle}}) +
      empty_element("line", {{"class", "reach"},
                             {"x1", across(at(effect.least()))},
                             {"x2", across(at(effect.most()))},
                             {"y1", middle},
                             {"y2", middle}});
  for (const auto& [value, mean] : effect.means) {
    content += element(
        "circle", {{"class", "run-0"}, {"cx", across(at(mean.mean))}, {"cy", middle}, {"r", "5"}},
        element("title", sweep.axes[effect.axis].values[value].name + ": " +
                             shown(sweep.plots[plot], mean.mean)));
  }
  return element("svg",
                 {{"xmlns", "http://www.w3.org/2000/svg"},
                  {"class", "strip"},
                  {"width", "100%"},
                  {"height", std::to_string(kHeight)},
                  {"aria-hidden", "true"}},
                 content);
}

}  // namespace

Html plot_over(const Results& results, std::size_t plot, std::size_t axis,
               std::optional<std::size_t> other) {
  const Sweep& sweep = results.sweep();
  const auto lines_along = [&](std::size_t along, std::optional<std::size_t> by) {
    return sweep.axes[along].numeric() &&
           (!by || (!sweep.axes[*by].numeric() && sweep.axes[*by].values.size() <= kMostLines));
  };
  const std::string id = fmt::format("plot-{}-{}-{}", plot, axis, other.value_or(axis));
  if (lines_along(axis, other)) {
    return series_plot(results, plot, axis, other, id) + table_behind(results, {plot, axis, other});
  }
  if (other && lines_along(*other, axis)) {
    return series_plot(results, plot, *other, axis, id) +
           table_behind(results, {plot, *other, axis});
  }
  // The one with the longer names heads the rows, where there is room for them.
  const auto letters = [&](std::size_t of) {
    std::size_t sum = 0;
    for (const Value& value : sweep.axes[of].values) sum += value.name.size();
    return sum;
  };
  Grounds grounds{plot, axis, other};
  if (other && letters(*other) > letters(axis)) grounds = {plot, *other, axis};
  return heat_map(results, grounds) + table_behind(results, grounds);
}

Html effects(const Results& results, std::size_t plot) {
  const Sweep& sweep = results.sweep();
  const Column& column = sweep.plots[plot];
  const std::vector<Effect> all = effects_of(results, plot);
  if (all.empty()) return {};
  double highest = 0;
  for (const Effect& effect : all) highest = std::max(highest, effect.most());
  report::Table table("Means of " + column.name + " by the values of each axis",
                      {{"axis", false},
                       {"", false},
                       {"lowest", false},
                       {"its mean"},
                       {"highest", false},
                       {"its mean"}});
  for (const Effect& effect : all) {
    const Axis& axis = sweep.axes[effect.axis];
    table.row({axis.name, strip(results, plot, effect, highest),
               axis.values[effect.means.front().first].name, shown(column, effect.least()),
               axis.values[effect.means.back().first].name, shown(column, effect.most())});
  }
  return element("div", {{"class", "effects"}}, table.html());
}

}  // namespace eptsim::sim::sweep
