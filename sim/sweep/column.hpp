#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"

namespace eptsim::sim::sweep {

/// A number that a point's results are shown by: a statistic, or one that follows from several.
struct Column {
  std::string name;  ///< "walker.walks", "cpi"
  std::string unit;  ///< "cycle", "1"
  std::string help;  ///< one line
  /// From a stats document. Null where there is none: cycles per walk without walks.
  std::function<Json(const Json& document)> of;
};

/// Those that are shown unless the sweep says otherwise.
std::vector<std::string> usual_columns();

/// The column `name`. Throws InputError at `place`, with a hint, if there is none.
Column column_of(const std::string& name, const std::string& place);

}  // namespace eptsim::sim::sweep
