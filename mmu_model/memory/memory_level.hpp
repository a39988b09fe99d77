#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace eptsim::mmu {

/// Where an access enters the memory hierarchy, and what serves it.
enum class MemoryLevel : std::uint8_t { kL1d, kL2, kL3, kDram };
inline constexpr std::size_t kMemoryLevels = 4;

inline constexpr unsigned kLineBytes = 64;

/// As settings and statistics spell it.
constexpr std::string_view name(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kL1d: return "l1d";
    case MemoryLevel::kL2: return "l2";
    case MemoryLevel::kL3: return "l3";
    case MemoryLevel::kDram: return "dram";
  }
  return "?";
}

/// Who makes an access: statistics keep the two apart.
enum class AccessOrigin : std::uint8_t { kData, kWalk };

}  // namespace eptsim::mmu
