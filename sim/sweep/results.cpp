#include "sim/sweep/results.hpp"

#include <algorithm>

#include "sim/version.hpp"

namespace eptsim::sim::sweep {
namespace {

constexpr int kSchemaVersion = 1;
const Json kNone = nullptr;

constexpr std::string_view name(Axis::Kind kind) {
  switch (kind) {
    case Axis::Kind::kMachine: return "machine";
    case Axis::Kind::kScheme: return "scheme";
    case Axis::Kind::kTrace: return "trace";
    case Axis::Kind::kSetting: return "setting";
    case Axis::Kind::kVariant: return "variant";
  }
  return "?";
}

Json axis_object(const Axis& axis) {
  Json values = Json::array();
  for (const Value& value : axis.values) {
    if (value.number) {
      values.push_back(*value.number);
    } else {
      values.push_back(value.name);
    }
  }
  return {{"name", axis.name}, {"kind", name(axis.kind)}, {"values", std::move(values)}};
}

}  // namespace

Results::Results(const Sweep& sweep, const Grid& grid)
    : sweep_(sweep), grid_(grid), points_(grid.points.size()) {}

void Results::add(std::size_t point, const Json& document) {
  OfPoint& of = points_[point];
  of = {};
  for (const Column& column : sweep_.columns) of.columns.push_back(column.of(document));
  for (const Column& column : sweep_.plots) of.plots.push_back(column.of(document));
  of.seconds = document.at("host").at("wall_seconds").get<double>();
}

std::size_t Results::count_done() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(points_, [](const OfPoint& of) { return !of.columns.empty(); }));
}

const Json& Results::column(std::size_t point, std::size_t number) const {
  return done(point) ? points_[point].columns[number] : kNone;
}

const Json& Results::plot(std::size_t point, std::size_t number) const {
  return done(point) ? points_[point].plots[number] : kNone;
}

std::string Results::csv() const {
  std::vector<std::string> cells = {"point"};
  for (const Axis& axis : sweep_.axes) cells.push_back(axis.name);
  for (const Column& column : sweep_.columns) cells.push_back(column.name);
  std::string text = csv_line(cells) + "\n";
  for (const Row& row : grid_.rows) {
    cells = {grid_.points[row.point].id};
    for (std::size_t axis = 0; axis < sweep_.axes.size(); ++axis) {
      cells.push_back(sweep_.axes[axis].values[row.at[axis]].name);
    }
    for (std::size_t i = 0; i < sweep_.columns.size(); ++i) {
      cells.push_back(csv_cell(column(row.point, i)));
    }
    text += csv_line(cells) + "\n";
  }
  return text;
}

Json Results::json() const {
  Json all = {{"schema_version", kSchemaVersion}, {"eptsim_version", kVersion}};
  if (!sweep_.title.empty()) all["title"] = sweep_.title;
  for (const Axis& axis : sweep_.axes) all["axes"].push_back(axis_object(axis));
  for (const Column& column : sweep_.columns) {
    all["columns"].push_back({{"name", column.name}, {"unit", column.unit}, {"help", column.help}});
  }
  Json& rows = all["rows"] = Json::array();
  for (const Row& row : grid_.rows) {
    Json axes = Json::array();
    Json columns = Json::array();
    for (std::size_t axis = 0; axis < sweep_.axes.size(); ++axis) {
      const Value& value = sweep_.axes[axis].values[row.at[axis]];
      axes.push_back(value.number ? Json(*value.number) : Json(value.name));
    }
    for (std::size_t i = 0; i < sweep_.columns.size(); ++i) {
      columns.push_back(column(row.point, i));
    }
    const OfPoint& of = points_[row.point];
    rows.push_back({{"point", grid_.points[row.point].id},
                    {"state", done(row.point) ? "done"
                              : of.failed     ? "failed"
                                              : "open"},
                    {"axes", std::move(axes)},
                    {"columns", std::move(columns)}});
  }
  return all;
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) line += ',';
    if (cell.find_first_of(",\"\n\r") == std::string::npos) {
      line += cell;
      continue;
    }
    line += '"';
    for (const char letter : cell) line += letter == '"' ? "\"\"" : std::string(1, letter);
    line += '"';
  }
  return line;
}

std::string csv_cell(const Json& number) { return number.is_null() ? "" : number.dump(); }

}  // namespace eptsim::sim::sweep
