#pragma once

#include <string>
#include <vector>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {

/// What came out of a run in a process of its own, and the checkpoints that it wrote.
struct CheckpointedRun {
  std::string result;  ///< text_of, or "exception: " and what it says
  std::vector<std::string> checkpoints;
};

CheckpointedRun run_with_checkpoints(RunSettings settings, const Programs& programs);

/// The same from `checkpoint` on.
CheckpointedRun run_from(const std::string& checkpoint, RunSettings settings,
                         const Programs& programs);

}  // namespace eptsim::sim
