#pragma once

#include <string>

#include "sim/input_error.hpp"
#include "sim/run/physical_frames.hpp"

namespace eptsim::sim {

/// The machine's pages have outrun `memory`: `what` found no room, as in "a page of 2M".
InputError out_of_memory(const PhysicalFrames& memory, const std::string& what);

}  // namespace eptsim::sim
