#pragma once

#include <atomic>
#include <optional>

#include "sim/cli/command.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// A run in a process of its own: SystemC has one kernel a process, and a command may want several
/// runs.
struct ChildRun {
  Status status = Status::kInternal;
  std::optional<Json> document;  ///< the stats document; none if nothing could be measured
};

/// Runs `request` in a child process, and waits for it. The child is stopped too once `stop` is
/// set. The child has said on standard error what
/// went wrong, if anything. Throws std::runtime_error if the child ends in no orderly way.
ChildRun run_in_child(const RunRequest& request, const std::atomic<bool>& stop);

}  // namespace eptsim::sim
