#pragma once

#include <cstdint>
#include <string_view>

namespace eptsim::arch {

/// Encodings of memory types in EPT entries, the EPTP and the PAT (SDM 13.3, 31.3.7).
/// 2, 3 and, in EPT entries, 7 are reserved; 7 is UC- in the PAT.
enum class MemoryType : std::uint8_t { kUC = 0, kWC = 1, kWT = 4, kWP = 5, kWB = 6, kUCMinus = 7 };

constexpr bool is_valid_ept_memory_type(std::uint64_t code) {
  return code == 0 || code == 1 || code == 4 || code == 5 || code == 6;
}
constexpr bool is_valid_pat_type(std::uint64_t code) {
  return is_valid_ept_memory_type(code) || code == 7;
}

constexpr std::string_view name(MemoryType type) {
  switch (type) {
    case MemoryType::kUC: return "UC";
    case MemoryType::kWC: return "WC";
    case MemoryType::kWT: return "WT";
    case MemoryType::kWP: return "WP";
    case MemoryType::kWB: return "WB";
    case MemoryType::kUCMinus: return "UC-";
  }
  return "?";
}

/// The PAT's value after reset.
inline constexpr std::uint64_t kResetPat = 0x0007'0406'0007'0406;

}  // namespace eptsim::arch
