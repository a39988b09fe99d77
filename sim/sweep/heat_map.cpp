#include "sim/sweep/heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/style.hpp"

namespace eptsim::sim::sweep {

using report::Attributes;
using report::element;
using report::Html;

Html heat_map(const Results& results, const Grounds& grounds) {
  const Sweep& sweep = results.sweep();
  const Column& column = sweep.plots[grounds.plot];
  const Axis& rows = sweep.axes[grounds.rows];
  const std::size_t width = grounds.columns ? sweep.axes[*grounds.columns].values.size() : 1;

  std::vector<std::optional<Mean>> means;
  double lowest = 0;
  double highest = 0;
  bool any = false;
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      std::vector<At> at = {{grounds.rows, i}};
      if (grounds.columns) at.push_back({*grounds.columns, j});
      means.push_back(mean_of(results, grounds.plot, at));
      if (!means.back()) continue;
      const double mean = means.back()->mean;
      lowest = any ? std::min(lowest, mean) : mean;
      highest = any ? std::max(highest, mean) : mean;
      any = true;
    }
  }

  Html head = element("td", rows.name);
  for (std::size_t j = 0; j < width; ++j) {
    head += element(
        "th", {{"scope", "col"}},
        grounds.columns ? sweep.axes[*grounds.columns].values[j].name : std::string("mean"));
  }
  Html body;
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    Html row = element("th", {{"scope", "row"}}, rows.values[i].name);
    for (std::size_t j = 0; j < width; ++j) {
      const std::optional<Mean>& mean = means[i * width + j];
      if (!mean) {
        row += element("td", {{"class", "none"}}, "-");
        continue;
      }
      const double heat = highest > lowest ? (mean->mean - lowest) / (highest - lowest) : 0;
      Html cell = element("b", shown(column, mean->mean));
      const std::string least = shown(column, mean->least);
      const std::string most = shown(column, mean->most);
      if (least != most) cell += element("span", least + " to " + most);
      row += element("td", {{"style", fmt::format("--heat:{:.3f}", heat)}}, cell);
    }
    body += element("tr", row) + "\n";
  }
  std::string caption = fmt::format("{} by {}", column.name, rows.name);
  if (grounds.columns) caption += fmt::format(" and {}", sweep.axes[*grounds.columns].name);
  // So many columns that letters would overlap scroll.
  const Attributes attributes = {{"class", "map heat"},
                                 {"style", fmt::format("min-width:{}px", 90 + 76 * width)}};
  return report::scrolling(
      caption, element("table", attributes,
                       element("caption", caption) + "\n" + element("thead", element("tr", head)) +
                           "\n" + element("tbody", body)));
}

}  // namespace eptsim::sim::sweep
