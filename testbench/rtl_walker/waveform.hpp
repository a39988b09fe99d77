#pragma once

#include <string>

#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// Which cycles of a walker go to which file, as FST. They are counted from the walker's first
/// reset on; cycle N lasts from 10 N ns to 10 (N + 1) ns, its inputs change in the middle and its
/// registers at the end. A later reset takes a cycle. In a walker that is reset once, cycles are
/// those of its time_i.
struct Waveform {
  std::string file;  ///< empty: none
  mmu::Cycle first = 0;
  mmu::Cycle last = mmu::kNever;
};

}  // namespace eptsim::tb
