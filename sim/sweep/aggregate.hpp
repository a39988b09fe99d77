#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sim/report/html.hpp"
#include "sim/report/table.hpp"
#include "sim/sweep/results.hpp"

namespace eptsim::sim::sweep {

/// A number over several rows.
struct Mean {
  double mean = 0;
  double least = 0;
  double most = 0;
  std::size_t rows = 0;
};

/// The number of sweep().plots[plot] over the rows that have the given values on some axes, as far
/// as they are done. Nothing if there is none.
struct At {
  std::size_t axis;
  std::size_t value;
};
std::optional<Mean> mean_of(const Results& results, std::size_t plot, const std::vector<At>& at);

/// The axes that have more than one value.
std::vector<std::size_t> varied_axes(const Sweep& sweep);

/// A number of a column, for people: "12,345", "2.65", "3.1 %".
std::string shown(const Column& column, double value);
std::string shown(const Column& column, const Json& number);

/// What stands behind a drawing: a mean for each pair of values.
struct Grounds {
  std::size_t plot = 0;
  std::size_t rows = 0;                ///< an axis
  std::optional<std::size_t> columns;  ///< another; nothing if only one is varied
};
/// Those numbers as a table, folded away.
report::Html table_behind(const Results& results, const Grounds& grounds);

}  // namespace eptsim::sim::sweep
