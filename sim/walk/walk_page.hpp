#pragma once

#include <optional>
#include <string>

#include "sim/walk/machine_walk.hpp"
#include "sim/walk/walk_account.hpp"

namespace eptsim::sim {

/// What a machine makes of the walk.
struct OnMachine {
  std::string machine;  ///< its name
  MachineWalk walk;
};

/// One translation drawn: a column for each guest entry that the walk is after, a row for each
/// level of the EPT, every entry in its cell with address, value and flags; with a machine, also
/// what served it and how long that took. A fault is marked at its place. The same in a list, and
/// the outcome in words. One file that needs no other and no network. The same account gives the
/// same bytes.
std::string walk_page(const WalkAccount& account, const std::optional<OnMachine>& on_machine);

}  // namespace eptsim::sim
