#pragma once

#include <atomic>

#include "sim/cli/run_options.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {

/// Opens the trace, runs it, and says what came out. Once in a process: there is one SystemC
/// kernel. Throws InputError where nothing could be measured.
RunReport run_trace(const RunRequest& request, const std::atomic<bool>& stop);

/// What a run's end means for the program: its exit status. Says on standard error why it is a
/// partial one.
Status status_of(const RunReport& report);

}  // namespace eptsim::sim
