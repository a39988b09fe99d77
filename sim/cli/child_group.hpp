#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cli/command.hpp"
#include "sim/output/progress.hpp"

namespace eptsim::sim {

/// What a child process does: its exit status. `send` hands bytes to its parent.
using ChildWork =
    std::function<Status(ProgressMode progress, const std::function<void(std::string_view)>& send)>;

/// What came of it.
struct ChildOutput {
  Status status = Status::kInterrupted;
  std::string bytes;
};

/// Does `works` in child processes, `jobs` at a time, begun in their order, and gives what came of
/// each, in that order too. One that sends nothing ends it all: none is begun after it, as once
/// `stop` is set, which stops those under way by SIGTERM. One never begun counts as interrupted.
///
/// What children say on standard error goes there when all have ended, in their order, each line
/// once. The first of those under way shows its progress, if `progress` asks for it. Throws
/// std::runtime_error if a child ends in no orderly way; the others are killed then.
std::vector<ChildOutput> run_children(const std::vector<ChildWork>& works, unsigned jobs,
                                      ProgressMode progress, const std::atomic<bool>& stop);

}  // namespace eptsim::sim
