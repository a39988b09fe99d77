#pragma once

#include <cstdint>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/vmx/vmx_capabilities.hpp"

/// Which bits the control registers of this processor have.
namespace eptsim::mmu {

inline constexpr std::uint64_t kCr0NotWriteThrough = 1u << 29;

/// CR0 once VM entry or VM exit has loaded `field`: neither changes CD and NW
/// (SDM 29.3.2.1, 30.5.1).
constexpr std::uint64_t cr0_after_transition(std::uint64_t before, std::uint64_t field) {
  constexpr std::uint64_t kKept = arch::cr0::kCd.mask() | kCr0NotWriteThrough;
  return (before & kKept) | (field & ~kKept);
}

/// Besides those that ept/arch lists: VME, PVI, TSD, DE, MCE, PCE, OSFXSR, OSXMMEXCPT, UMIP, VMXE,
/// SMXE, FSGSBASE, OSXSAVE, KL and UINTR, which change no translation. LAM_SUP is left out: this
/// processor does not mask linear addresses.
inline constexpr std::uint64_t kCr4Bits =
    (all_bits(arch::cr4::kFields) & ~arch::cr4::kLamSup.mask()) | 0x020d'6f4f;

/// SCE beside those that ept/arch lists.
inline constexpr std::uint64_t kEferBits = all_bits(arch::efer::kFields) | 1;

constexpr bool is_valid_pat(std::uint64_t pat) {
  for (unsigned shift = 0; shift < 64; shift += 8) {
    if (!arch::is_valid_pat_type((pat >> shift) & 0xff)) return false;
  }
  return true;
}

}  // namespace eptsim::mmu
