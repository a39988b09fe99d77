#pragma once

#include <string>

#include "sim/report/html.hpp"
#include "sim/walk/machine_walk.hpp"
#include "sim/walk/walk_account.hpp"

namespace eptsim::sim {

/// The two-dimensional walk as tables, one for each page of the access. `machine`: what it made of
/// the walk, if it is known.
report::Html walk_grids(const WalkAccount& account, const MachineWalk* machine);

/// "L1D", "DRAM, then L1D".
std::string served_by_in_words(const MachineWalk::Read& read);

}  // namespace eptsim::sim
