#pragma once

#include <string>

#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// The stats document in `folder`, which `eptsim run --output` wrote. Throws InputError, which says
/// what to do: for a folder without one, or of a comparison or a sweep, JSON that ends early, and a
/// document of another schema version.
Json read_stats(const std::string& folder);

}  // namespace eptsim::sim
