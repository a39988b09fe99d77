#pragma once

#include <string>

#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// What a stats document says, for people.
std::string summary(const Json& document, Style style);

/// What was run on what: trace, machine, core, caches and seed, a line each.
std::string facts(const Json& document, Style style);

}  // namespace eptsim::sim
