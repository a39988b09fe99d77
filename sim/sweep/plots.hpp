#pragma once

#include "sim/sweep/aggregate.hpp"

/// Drawings of a number over one axis or two; over all others it is averaged.
namespace eptsim::sim::sweep {

/// Lines over an axis of numbers with one for each value of the other axis, or else a heat map.
report::Html plot_over(const Results& results, std::size_t plot, std::size_t axis,
                       std::optional<std::size_t> other);

/// How far each axis moves a number: its means by the values of each.
report::Html effects(const Results& results, std::size_t plot);

}  // namespace eptsim::sim::sweep
