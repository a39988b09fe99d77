#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/cycle.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::sim {

/// What a machine's walker makes of a translation whose references are known: it is the machine's
/// first access, so TLBs, structure caches, nested TLB and data caches are empty. What the walk
/// itself brings there spares it later references, or serves them.
struct MachineWalk {
  /// The reads of an entry, as the walker made them. A walk that is refused by what a structure
  /// cache knows is made anew without, so there may be two.
  struct Read {
    std::vector<mmu::MemoryLevel> served_by;  ///< in order
    mmu::Cycle cycles = 0;                    ///< of all
  };
  /// For each reference of the recording; nothing where a structure cache spared it.
  std::vector<std::optional<Read>> reads;
  std::uint64_t references = 0;
  mmu::Cycle cycles = 0;
  mmu::Cycle update_cycles = 0;  ///< of those: to set accessed and dirty flags, and to write logs
};

/// `recording` is of the same request, context and `memory`, with every cache off. Writes go to
/// `memory`.
MachineWalk walk_on_machine(const mmu::MachineSettings& machine, const mmu::WalkContext& context,
                            const mmu::Request& request, const mmu::Recording& recording,
                            arch::PhysicalMemory& memory);

}  // namespace eptsim::sim
