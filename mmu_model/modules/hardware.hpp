#pragma once

#include <memory>
#include <systemc>

#include "mmu_model/dram.hpp"
#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/modules/memory_module.hpp"
#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/walker_module.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The translation hardware of one machine with one core, wired up: MMU ─► walker ─► memory. A
/// core has a TranslationPort, bound to `mmu().core`. Any number of machines may stand in one
/// simulation.
class Hardware final : public sc_core::sc_module {
 public:
  /// `walker`: a ModelWalker of `settings.walker`, or any other unit that is made to it.
  Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings,
           std::unique_ptr<WalkerUnit> walker);

  const Timeline& timeline() const { return timeline_; }
  Dram& dram() { return dram_; }
  MemoryHierarchy& memory_hierarchy() { return hierarchy_; }
  MmuModule& mmu() { return mmu_; }

  const WalkerCounters& walker_counters() const { return walker_.counters(); }
  /// Of TLBs, walker and memory hierarchy, while no walk is under way.
  void reset_counters();

 private:
  Timeline timeline_;
  Dram dram_;
  MemoryHierarchy hierarchy_;
  MmuModule mmu_;
  WalkerModule walker_;
  MemoryModule memory_;
};

}  // namespace eptsim::mmu
