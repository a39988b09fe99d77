#pragma once

#include "mmu_model/walk/translate.hpp"
#include "testbench/scoreboard/difference.hpp"

namespace eptsim::tb {

/// Holds what a translation tells for a TLB (rights, dirty, global, protection key) against the
/// entries that were read: the oracle has no TLB, and says nothing of it. Of walks within one page,
/// in which no swap failed.
void compare_rights_with_entries(const mmu::Context& context, const mmu::Request& request,
                                 const mmu::Recording& recording, const mmu::Outcome& outcome,
                                 Differences& differences);

}  // namespace eptsim::tb
