#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mmu_model/modules/hardware.hpp"
#include "sim/run/core.hpp"
#include "sim/run/core_group.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/virtual_machines.hpp"

/// The whole state of a run as bytes: docs/checkpoints.md. Classes with state have a member
/// `serialize`, which writes or reads what changes in them; what follows from settings is made
/// before. The same state gives the same bytes.
namespace eptsim::sim {

/// All that changes in a run.
struct SimulationState {
  mmu::Hardware& hardware;
  VirtualMachines& machines;
  CoreGroup& group;
  const std::vector<std::unique_ptr<Core>>& cores;
  const std::vector<CoreTraces>& traces;  ///< of the cores
};

/// Throws InputError if a run with these settings can't have checkpoints, or not where they are
/// asked for.
void check_checkpoint(const RunSettings& settings);

/// The state of a run whose cores have nothing under way.
std::string checkpoint_of(const RunSettings& settings, const SimulationState& state);

/// Makes `state`, that of a run which hasn't begun, the one of settings.checkpoint.resume. Throws
/// InputError if that is damaged, or of a run whose results would be others.
void resume(const RunSettings& settings, const SimulationState& state);

}  // namespace eptsim::sim
