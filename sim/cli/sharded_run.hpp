#pragma once

#include <atomic>

#include "sim/cli/run_options.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {

/// Runs the one trace of `request` cut into RunRequest::shards parts, each in a process of its own,
/// RunRequest::jobs at a time, and reports them as one run: docs/shards.md. Throws InputError where
/// nothing could be measured, and for runs that can't be cut; std::runtime_error if a part's
/// process ends in no orderly way.
RunReport run_sharded(const RunRequest& request, const std::atomic<bool>& stop);

}  // namespace eptsim::sim
