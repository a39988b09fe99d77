#pragma once

#include <string>
#include <vector>

#include "sim/run/simulation.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// Every field of a result, a line each.
std::string text_of(const RunResult& result);

/// Runs in a process of its own, for there is one kernel a process. Returns the result as text.
std::string run_apart(const RunSettings& settings, const std::vector<Record>& records);

}  // namespace eptsim::sim
