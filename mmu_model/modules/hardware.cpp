#include "mmu_model/modules/hardware.hpp"

#include <string>
#include <utility>

namespace eptsim::mmu {
namespace {

Hardware::Walkers list_of(std::unique_ptr<WalkerUnit> walker) {
  Hardware::Walkers walkers;
  walkers.push_back(std::move(walker));
  return walkers;
}

}  // namespace

Hardware::Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings,
                   std::unique_ptr<WalkerUnit> walker)
    : Hardware(name, settings, list_of(std::move(walker))) {}

Hardware::Hardware(const sc_core::sc_module_name& name, const MachineSettings& settings,
                   Walkers walkers)
    : sc_module(name),
      timeline_(settings.lockstep),
      dram_(settings.dram_bytes),
      hierarchy_(settings.memory, static_cast<unsigned>(walkers.size()), settings.seed),
      memory_("memory", timeline_, dram_, hierarchy_, walkers.size()),
      cores_(walkers.size()) {
  for (std::size_t made = 0; made < cores_.size(); ++made) {
    const std::size_t number = settings.reversed ? cores_.size() - 1 - made : made;
    const std::string suffix = std::to_string(number);
    Core& core = cores_[number];
    core.mmu = std::make_unique<MmuModule>(("mmu" + suffix).c_str(), settings);
    core.walker = std::make_unique<WalkerModule>(("walker" + suffix).c_str(), timeline_,
                                                 std::move(walkers[number]), settings.walker);
    core.mmu->walker.bind(core.walker->requester);
    core.mmu->walker_invalidations.bind(*core.walker);
    core.walker->memory.bind(memory_.requesters[number]);
  }
}

void Hardware::reset_counters() {
  for (Core& core : cores_) {
    core.mmu->tlbs().reset_counters();
    core.walker->reset_counters();
  }
  hierarchy_.reset_counters();
}

}  // namespace eptsim::mmu
