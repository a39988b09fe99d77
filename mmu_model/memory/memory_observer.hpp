#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/cycle.hpp"

namespace eptsim::mmu {

/// Sees what walkers ask memory for, and what reaches DRAM. Changes nothing, and may not throw.
class MemoryObserver {
 public:
  virtual ~MemoryObserver() = default;

  /// A walker's request was taken in `cycle`, no earlier than those before it. `write`: a
  /// compare-and-swap too.
  virtual void see_reference(Cycle cycle, arch::Hpa address, bool write) = 0;
  /// DRAM is asked in `cycle` for the line at `line`, or given it, on account of an access of
  /// `origin` in cycle `now`. `now` is no earlier than in calls before, and `cycle` no earlier than
  /// `now`; of `cycle` itself that isn't so.
  virtual void see_line(Cycle now, Cycle cycle, arch::Hpa line, bool write,
                        AccessOrigin origin) = 0;
  /// Counters begin anew: what comes is counted.
  virtual void see_reset() = 0;
};

}  // namespace eptsim::mmu
