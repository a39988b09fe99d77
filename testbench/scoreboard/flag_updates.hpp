#pragma once

#include <cstdint>

#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/scoreboard/coverage_table.hpp"

namespace eptsim::tb {

/// A compare-and-swap that was to set flags of an entry.
struct FlagUpdate {
  mmu::Place place;
  std::uint8_t size = 8;
  bool accessed = false;
  bool dirty = false;
  bool failed = false;  ///< another had changed the entry
};

/// `found`: what the swap found.
FlagUpdate flag_update_of(const mmu::MemoryRequest& swap, std::uint64_t found);

/// Updates by the place of the entry, by flag, and by whether the swap succeeded.
CoverageTable flag_update_table();
/// `times`: 0 if it doesn't count.
void count(CoverageTable& flag_updates, const FlagUpdate& update, unsigned times = 1);

}  // namespace eptsim::tb
