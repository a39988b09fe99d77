#pragma once

#include <string>

#include "mmu_model/walk/context.hpp"
#include "sim/walk/walk_answer.hpp"

namespace eptsim::sim {

/// One translation told to a person: each reference of the two-dimensional walk on a line, with the
/// entry's flags by name, the updates, and the outcome in words. `colour` for a terminal.
std::string explain(const mmu::Context& context, const mmu::Request& request,
                    const WalkAnswer& answer, bool colour);

}  // namespace eptsim::sim
