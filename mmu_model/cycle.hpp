#pragma once

#include <cstdint>
#include <limits>

namespace eptsim::mmu {

/// Cycles of the core's clock since the beginning.
using Cycle = std::uint64_t;
inline constexpr Cycle kNever = std::numeric_limits<Cycle>::max();

}  // namespace eptsim::mmu
