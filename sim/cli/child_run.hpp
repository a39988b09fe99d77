#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "sim/cli/command.hpp"
#include "sim/cli/run_options.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// A run in a process of its own: SystemC has one kernel a process, and a command may want several
/// runs.
struct ChildRun {
  Status status = Status::kInterrupted;
  std::optional<Json> document;  ///< the stats document; none if nothing could be measured
};

/// Runs `requests` in child processes, `jobs` at a time, begun in their order, and gives what came
/// of each, in that order too. A run that could measure nothing ends it all: none is begun after
/// it, as once `stop` is set, which stops those under way. One never begun counts as interrupted.
///
/// What the runs say of errors goes to standard error when all have ended, in their order, each
/// line once. The first of those under way shows its progress. Throws std::runtime_error if a child
/// ends in no orderly way.
std::vector<ChildRun> run_in_children(const std::vector<RunRequest>& requests, unsigned jobs,
                                      const std::atomic<bool>& stop);

}  // namespace eptsim::sim
