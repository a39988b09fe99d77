#pragma once

#include <string>

#include "mmu_model/walk/context.hpp"
#include "sim/walk/walk_path.hpp"

namespace eptsim::sim {

/// A paging-structure entry as people read it.
struct EntryWords {
  std::string flags;  ///< "R W X A D WB", "P W U A"; or what it is instead: "not present"
  std::string leads;  ///< "table 0x2000", "2M page guest-physical 0x200000"; may be empty
};

EntryWords entry_in_words(const mmu::Context& context, const Visit& visit);

}  // namespace eptsim::sim
