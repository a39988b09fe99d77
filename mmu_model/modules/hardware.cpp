#include "mmu_model/modules/hardware.hpp"

#include <utility>

namespace eptsim::mmu {

Hardware::Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings,
                   std::unique_ptr<WalkerUnit> walker)
    : sc_module(name),
      timeline_(settings.lockstep),
      dram_(settings.dram_bytes),
      hierarchy_(settings.memory, 1, settings.seed),
      mmu_("mmu", settings),
      walker_("walker", timeline_, std::move(walker), settings.walker),
      memory_("memory", timeline_, dram_, hierarchy_, 1) {
  mmu_.walker.bind(walker_.requester);
  mmu_.walker_invalidations.bind(walker_);
  walker_.memory.bind(memory_.requesters[0]);
}

void Hardware::reset_counters() {
  mmu_.tlbs().reset_counters();
  walker_.reset_counters();
  hierarchy_.reset_counters();
}

}  // namespace eptsim::mmu
