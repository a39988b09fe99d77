#pragma once

#include "sim/report/run.hpp"

namespace eptsim::sim::report {

/// The places of a walk in two dimensions, as papers draw them, in colours by their cycles, with a
/// table of the same numbers. Nothing of a run without walks. `hottest` is what has the darkest
/// colour, in cycles per walk.
Html walk_map(const Run& run, double hottest);

/// The cycles per walk of the place that costs most; 0 without walks.
double hottest_place(const Run& run);

}  // namespace eptsim::sim::report
