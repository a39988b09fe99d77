#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"
#include "sim/sweep/grid.hpp"

namespace eptsim::sim::sweep {

/// What has come of a sweep so far: a row for each place of its grid, with the axes and the columns
/// that the sweep asks for. Depends on nothing but what was run.
class Results {
 public:
  Results(const Sweep& sweep, const Grid& grid);

  /// Takes the stats document of a point that is done.
  void add(std::size_t point, const Json& document);
  /// A point that was attempted in vain.
  void add_failed(std::size_t point) { points_[point].failed = true; }

  const Sweep& sweep() const { return sweep_; }
  const Grid& grid() const { return grid_; }
  bool done(std::size_t point) const { return !points_[point].columns.empty(); }
  std::size_t count_done() const;
  /// Of sweep().columns and of sweep().plots, by their numbers; null where there is none, and for
  /// what isn't done.
  const Json& column(std::size_t point, std::size_t number) const;
  const Json& plot(std::size_t point, std::size_t number) const;
  /// Wall-clock time that the point took; nothing if it isn't done.
  std::optional<double> seconds(std::size_t point) const { return points_[point].seconds; }

  /// results.csv: a line for each row, empty where it isn't done.
  std::string csv() const;
  /// results.json: docs/schema/sweep.schema.json.
  Json json() const;

 private:
  struct OfPoint {
    std::vector<Json> columns;  ///< empty: not done
    std::vector<Json> plots;
    std::optional<double> seconds;
    bool failed = false;
  };

  const Sweep& sweep_;
  const Grid& grid_;
  std::vector<OfPoint> points_;
};

/// A line of a CSV file, without its end: what has commas or quotes in it is quoted.
std::string csv_line(const std::vector<std::string>& cells);
/// A number, or what isn't there, in a cell.
std::string csv_cell(const Json& number);

}  // namespace eptsim::sim::sweep
