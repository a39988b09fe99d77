#pragma once

#include <cstdint>
#include <optional>

#include "ept/arch/memory_type.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {

/// The type that the PAT gives a page mapped by the guest leaf `entry` of `level` (SDM 13.12.3).
arch::MemoryType pat_type(const WalkContext& context, unsigned level, std::uint64_t entry);

/// The type of an access (SDM 31.3.7.2). `pat` is the guest's choice, WB where guest paging has no
/// say. `ept_leaf` is absent with EPT off, where the MTRRs count as WB. Never UC-.
arch::MemoryType effective_memory_type(const WalkContext& context, arch::MemoryType pat,
                                       std::optional<std::uint64_t> ept_leaf);

}  // namespace eptsim::mmu
