#pragma once

#include <cstdint>

#include "mmu_model/tlb/tlb_entry.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {

/// The bits 17:0 of TlbEntry::allowed: one for each kind of access by each kind of accessor. Rights
/// are judged by the rules once for each bit, and then remembered as long as the registers that
/// rights depend on stay as they are.
inline constexpr unsigned kAllowedBits = 18;
constexpr std::uint64_t allowed_bit(const Request& request) {
  const unsigned accessor = request.implicit ? 2 : request.user ? 1 : 0;
  return std::uint64_t{1} << (3 * static_cast<unsigned>(request.access) + accessor);
}

/// The registers and controls that rights depend on, beside those that are in the tags
/// (SDM 5.6, 31.3.3).
struct RightsRegisters {
  std::uint64_t cr0 = 0;
  std::uint64_t cr4 = 0;
  std::uint64_t efer = 0;
  std::uint32_t pkru = 0;
  std::uint32_t pkrs = 0;
  bool alignment_override = false;
  bool mode_based_execute = false;
  bool verifies_guest_paging = false;
  friend bool operator==(const RightsRegisters&, const RightsRegisters&) = default;
};

/// The processor's state as look-ups see it.
struct TlbQuery {
  const WalkContext* context = nullptr;
  TlbSpace space = {};
  RightsRegisters rights = {};
  std::uint64_t rights_mode = 0;  ///< counts the changes of `rights`; 0 before there are any

  /// Whether `request` may use `entry`; asks the rules only if that was not asked before.
  bool may_use(TlbEntry& entry, const Request& request) const {
    const std::uint64_t bit = allowed_bit(request);
    if ((entry.allowed >> kAllowedBits) == rights_mode) [[likely]] {
      if ((entry.allowed & bit) != 0) [[likely]]
        return true;
    } else {
      entry.allowed = rights_mode << kAllowedBits;
    }
    if (!allows(*context, entry, request)) return false;
    entry.allowed |= bit;
    return true;
  }
};

}  // namespace eptsim::mmu
