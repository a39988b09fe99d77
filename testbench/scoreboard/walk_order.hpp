#pragma once

#include "mmu_model/walk/translate.hpp"
#include "testbench/scoreboard/difference.hpp"

namespace eptsim::tb {

/// What a walk says of itself and the oracle doesn't: for which guest entry each EPT entry was
/// read, and which entry decided. Both follow from the order of the references of a walk within one
/// page. `swaps_failed`: then an entry may have been judged again with a value that no reference
/// shows.
void compare_order(const mmu::Recording& recording, const mmu::Outcome& outcome, bool swaps_failed,
                   Differences& differences);

}  // namespace eptsim::tb
