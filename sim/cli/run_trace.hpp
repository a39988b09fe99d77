#pragma once

#include <atomic>

#include "sim/cli/core_traces.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {

/// A run that is about to begin: what its report says already, and its traces.
struct OpenedRun {
  RunReport report;
  CoreTracesOf traces;
};

/// Opens the traces of `request`, which outlives them. Throws InputError.
OpenedRun open_run(const RunRequest& request);

/// Runs `traces` and shows how far that is. Once in a process.
RunResult simulate(const RunSettings& settings, const CoreTracesOf& traces, ProgressMode shown,
                   const std::atomic<bool>& stop);

/// Throws InputError where nothing could be measured, unless the run was interrupted.
void require_measured(const RunReport& report);

/// Of the largest of this process and those that it had.
std::uint64_t peak_memory_bytes();

/// Opens the trace, runs it, and says what came out. Once in a process: there is one SystemC
/// kernel. Throws InputError where nothing could be measured.
RunReport run_trace(const RunRequest& request, const std::atomic<bool>& stop);

/// What a run's end means for the program: its exit status. Says on standard error why it is a
/// partial one.
Status status_of(const RunReport& report);

}  // namespace eptsim::sim
