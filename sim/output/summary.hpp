#pragma once

#include <string>

#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// What a stats document says, for people.
std::string summary(const Json& document, Style style);

/// A native and a nested run of one trace side by side.
std::string comparison(const Json& native, const Json& nested, Style style);

}  // namespace eptsim::sim
