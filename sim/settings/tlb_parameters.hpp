#pragma once

#include <string_view>
#include <vector>

#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

/// Adds the settings of one TLB, tlb.`name`.*. It holds all page sizes in one array, or has an
/// array for each, or one for the two smaller: which of them follows from whether `entries`,
/// `entries.4k` and `.2m`, or `entries.4k-2m` are given. `entries.1g` goes with both of the latter.
/// `what`: the TLB in words.
void add_tlb(std::vector<Parameter>& table, std::string_view name, std::string_view what,
             mmu::TlbSettings mmu::MachineSettings::* tlb);

}  // namespace eptsim::sim
