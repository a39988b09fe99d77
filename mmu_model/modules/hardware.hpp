#pragma once

#include <memory>
#include <systemc>
#include <vector>

#include "mmu_model/dram.hpp"
#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/modules/memory_module.hpp"
#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "mmu_model/modules/walker_module.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The translation hardware of one machine, wired up: for each core an MMU and a walker, and the
/// memory that all share. MMU ─► walker ─► memory. A core has a TranslationPort, bound to its
/// `mmu().core`. Any number of machines may stand in one simulation.
class Hardware final : public sc_core::sc_module {
 public:
  using Walkers = std::vector<std::unique_ptr<WalkerUnit>>;

  /// `walkers`: one for each core, a ModelWalker of `settings.walker`, or any other unit that is
  /// made to it.
  Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings, Walkers walkers);
  /// Of one core.
  Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings,
           std::unique_ptr<WalkerUnit> walker);

  const Timeline& timeline() const { return timeline_; }
  Dram& dram() { return dram_; }
  MemoryHierarchy& memory_hierarchy() { return hierarchy_; }
  unsigned cores() const { return static_cast<unsigned>(cores_.size()); }
  MmuModule& mmu(unsigned core = 0) { return *cores_[core].mmu; }
  WalkerModule& walker(unsigned core = 0) { return *cores_[core].walker; }

  /// Of a machine of one core, not in lockstep, that nothing is simulated beside: the core's thread
  /// drives it, through `port`, and the kernel's clock stands still.
  void leave_to(TranslationPort& port) { port.drive(*cores_.front().walker, memory_); }

  const WalkerCounters& walker_counters(unsigned core = 0) const {
    return cores_[core].walker->counters();
  }
  /// Of TLBs, walkers and memory hierarchy, while no walk is under way.
  void reset_counters();

  /// What changes, for checkpoints: of a machine whose walkers are settled.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(dram_, hierarchy_);
    for (Core& core : cores_) archive(*core.mmu, *core.walker);
  }

 private:
  struct Core {
    std::unique_ptr<MmuModule> mmu;
    std::unique_ptr<WalkerModule> walker;
  };

  Timeline timeline_;
  Dram dram_;
  MemoryHierarchy hierarchy_;
  MemoryModule memory_;
  std::vector<Core> cores_;
};

}  // namespace eptsim::mmu
