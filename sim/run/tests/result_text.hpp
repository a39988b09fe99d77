#pragma once

#include <string>
#include <vector>

#include "sim/run/simulation.hpp"
#include "sim/run/tests/support.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// Every field of a result, a line each.
std::string text_of(const RunResult& result);
std::string text_of(const CoreResult& core);

/// Runs in a process of its own, for there is one kernel a process. Returns the result as text.
std::string run_apart(const RunSettings& settings, const std::vector<Record>& records);
/// The same of several cores.
std::string run_apart(const RunSettings& settings, const Programs& programs);

}  // namespace eptsim::sim
