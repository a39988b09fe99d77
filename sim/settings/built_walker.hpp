#pragma once

#include <string>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// Throws InputError at `place`, an option that asks for the RTL, if no RTL walker is built that is
/// as large as the machine's: with the settings in which the nearest one differs.
void require_built_walker(const Machine& machine, const std::string& place);

}  // namespace eptsim::sim
