#pragma once

#include <string>

#include "sim/output/style.hpp"
#include "sim/statistics/statistic.hpp"
#include "testbench/conformance/suite.hpp"

namespace eptsim::sim {

/// The document of `verify --vectors --json`: families, what each voice passed, and failures.
Json vectors_document(const tb::conformance::Report& report);

/// The same for people: a line for each family.
std::string vectors_summary(const tb::conformance::Report& report, Style style);

}  // namespace eptsim::sim
