#pragma once

#include "sim/sweep/aggregate.hpp"

namespace eptsim::sim::sweep {

/// So many lines can be told apart.
inline constexpr std::size_t kMostLines = 8;

/// Lines over the axis `along`, of numbers, one for each value of the axis `by`, or one for all:
/// the means, and around them how far the points spread. `id`: of the drawing, once in a page.
report::Html series_plot(const Results& results, std::size_t plot, std::size_t along,
                         std::optional<std::size_t> by, const std::string& id);

}  // namespace eptsim::sim::sweep
