#pragma once

#include <string>

#include "mmu_model/walk/context.hpp"
#include "sim/image/memory_image.hpp"
#include "sim/walk/walk_answer.hpp"

namespace eptsim::sim {

/// One translation told to a person: each reference of the two-dimensional walk on a line, with its
/// place in the walk and the entry's flags by name, the updates, and the outcome in words: its
/// codes bit by bit, why it came to that, and which bit of which entry would have to change.
/// `image` tells what was read from outside of it. `colour` for a terminal.
std::string explain(const mmu::Context& context, const mmu::Request& request,
                    const WalkAnswer& answer, const MemoryImage& image, bool colour);

}  // namespace eptsim::sim
