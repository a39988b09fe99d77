#pragma once

#include <algorithm>
#include <cstdint>

namespace eptsim::ept {

/// What the processor and the virtual machine's controls make legal in EPT tables. Nothing here
/// changes while a table is in use.
struct Settings {
  unsigned maxphyaddr = 46;     ///< CPUID.80000008H:EAX[7:0], 32 to 52
  unsigned depth = 4;           ///< levels of the walk, 4 or 5 (EPTP bits 5:3, SDM 27.6.11)
  bool execute_only = true;     ///< IA32_VMX_EPT_VPID_CAP bit 0
  bool page_2m = true;          ///< IA32_VMX_EPT_VPID_CAP bit 16
  bool page_1g = true;          ///< IA32_VMX_EPT_VPID_CAP bit 17
  bool accessed_dirty = false;  ///< EPTP bit 6: processors set accessed and dirty flags
  bool supervisor_shadow_stack = false;  ///< EPTP bit 7
  bool mode_based_execute = false;       ///< secondary control 22: bit 10 is user-execute
  bool paging_write = false;             ///< tertiary control 2: bit 58 is paging-write access
  bool advanced_exit_info = false;       ///< IA32_VMX_EPT_VPID_CAP bit 22

  constexpr bool is_valid() const {
    return (depth == 4 || depth == 5) && maxphyaddr >= 32 && maxphyaddr <= 52;
  }
  /// Width of guest-physical addresses in bits: what the table's depth reaches, and no more than
  /// the processor has (SDM 31.3.2).
  constexpr unsigned guest_physical_width() const {
    return std::min(maxphyaddr, depth == 4 ? 48u : 52u);
  }
  /// Bits MAXPHYADDR-1:12.
  constexpr std::uint64_t address_mask() const {
    return ((std::uint64_t{1} << maxphyaddr) - 1) & ~std::uint64_t{0xfff};
  }
};

}  // namespace eptsim::ept
