#include "sim/sweep/aggregate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/output/style.hpp"

namespace eptsim::sim::sweep {

using report::element;
using report::Html;
using report::Table;

std::optional<Mean> mean_of(const Results& results, std::size_t plot, const std::vector<At>& at) {
  Mean mean;
  double sum = 0;
  for (const Row& row : results.grid().rows) {
    const bool among =
        std::ranges::all_of(at, [&](const At& place) { return row.at[place.axis] == place.value; });
    if (!among) continue;
    const Json& number = results.plot(row.point, plot);
    if (number.is_null()) continue;
    const double value = number.get<double>();
    mean.least = mean.rows == 0 ? value : std::min(mean.least, value);
    mean.most = mean.rows == 0 ? value : std::max(mean.most, value);
    sum += value;
    ++mean.rows;
  }
  if (mean.rows == 0) return std::nullopt;
  mean.mean = sum / static_cast<double>(mean.rows);
  return mean;
}

std::vector<std::size_t> varied_axes(const Sweep& sweep) {
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < sweep.axes.size(); ++axis) {
    if (sweep.axes[axis].values.size() > 1) axes.push_back(axis);
  }
  return axes;
}

std::string shown(const Column& column, double value) {
  if (column.name.ends_with("share") || column.name.ends_with("hit_rate")) {
    return fmt::format("{:.{}f}\u00a0%", 100 * value, value < 0.1 ? 2 : 1);
  }
  if (value == std::floor(value) && std::abs(value) < 1e15) return grouped(value, 0);
  const double size = std::abs(value);
  return grouped(value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3);
}

std::string shown(const Column& column, const Json& number) {
  return number.is_null() ? "-" : shown(column, number.get<double>());
}

Html table_behind(const Results& results, const Grounds& grounds) {
  const Sweep& sweep = results.sweep();
  const Column& column = sweep.plots[grounds.plot];
  const Axis& rows = sweep.axes[grounds.rows];
  const Axis* const columns = grounds.columns ? &sweep.axes[*grounds.columns] : nullptr;
  std::vector<Table::Column> headings = {{rows.name, false}};
  if (columns != nullptr) headings.push_back({columns->name, false});
  for (const char* heading : {"mean", "least", "most", "points"}) headings.push_back({heading});
  std::string caption = column.name + " by " + rows.name;
  if (columns != nullptr) caption += " and " + columns->name;
  Table table(caption, headings);
  const auto add = [&](const std::vector<std::string>& names, const std::optional<Mean>& mean) {
    std::vector<Html> cells(names.begin(), names.end());
    if (mean) {
      for (const double value : {mean->mean, mean->least, mean->most}) {
        cells.push_back(report::exactly(csv_cell(value), shown(column, value)));
      }
    } else {
      cells.insert(cells.end(), 3, Html("-"));
    }
    cells.emplace_back(grouped(mean ? mean->rows : 0));
    table.row(cells);
  };
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    if (columns == nullptr) {
      add({rows.values[i].name}, mean_of(results, grounds.plot, {{grounds.rows, i}}));
      continue;
    }
    for (std::size_t j = 0; j < columns->values.size(); ++j) {
      add({rows.values[i].name, columns->values[j].name},
          mean_of(results, grounds.plot, {{grounds.rows, i}, {*grounds.columns, j}}));
    }
  }
  return report::folded("The numbers", table.html());
}

}  // namespace eptsim::sim::sweep
