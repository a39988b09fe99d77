#pragma once

#include <atomic>

#include "sim/cli/command.hpp"
#include "sim/sweep/point_folder.hpp"

namespace eptsim::sim::sweep {

/// Runs `point` in this process, which does so once, and leaves the results in its folder. Standard
/// error goes to the folder's log from here on. A point that is done, or that another process
/// gets done meanwhile, isn't run: one process at a time is at work in a folder.
///
/// Throws InputError where nothing could be measured, Interrupted once `stop` is set.
Status attempt(const Point& point, const PointFolder& folder, const std::atomic<bool>& stop);

}  // namespace eptsim::sim::sweep
