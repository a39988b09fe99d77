#pragma once

#include "sim/sweep/aggregate.hpp"

namespace eptsim::sim::sweep {

/// A table with a cell for each pair of values, the warmer the higher its mean. Without `columns`
/// there is one column.
report::Html heat_map(const Results& results, const Grounds& grounds);

}  // namespace eptsim::sim::sweep
