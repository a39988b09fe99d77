#pragma once

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "testbench/stimulus/entry_layout.hpp"
#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/random.hpp"

namespace eptsim::tb {

/// A request that `context` allows, and that is not refused before paging, but for the upper bytes
/// of a few that cross a page at the end of the address space.
mmu::Request random_request(Random& random, Features features, const mmu::Context& context,
                            Levels levels);

}  // namespace eptsim::tb
