#pragma once

#include "sim/report/run.hpp"

namespace eptsim::sim::report {

/// What each place of a walk costs more in the right run than in the left one, as a map in two
/// colours with a table of the same numbers. A place that one run hasn't costs nothing there.
/// Nothing unless both walked.
Html walk_difference_map(const Run& left, const Run& right);

}  // namespace eptsim::sim::report
