#pragma once

#include <string>

#include "sim/walk/walk_account.hpp"

namespace eptsim::sim {

/// One translation told to a person: each reference of the two-dimensional walk on a line, with its
/// place in the walk and the entry's flags by name, the updates, and the outcome in words: its
/// codes bit by bit, why it came to that, and which bit of which entry would have to change.
/// `colour` for a terminal.
std::string explain(const WalkAccount& account, bool colour);

}  // namespace eptsim::sim
