#pragma once

#include <cstdint>
#include <optional>

#include "ept/arch/vmcs.hpp"
#include "ept/arch/vmx_capability.hpp"
#include "ept/arch/vmx_controls.hpp"
#include "mmu_model/walk/context.hpp"

namespace eptsim::mmu {

/// All bits of a table of fields.
template <std::size_t N>
constexpr std::uint64_t all_bits(const arch::FieldFact (&table)[N]) {
  std::uint64_t bits = 0;
  for (const arch::FieldFact& fact : table) bits |= fact.bits.mask();
  return bits;
}

/// What a processor offers of VMX: everything that the model has, unless told otherwise.
struct VmxCapabilities {
  Capabilities cpu;
  std::uint64_t secondary_controls = all_bits(arch::secondary_controls::kFields);
  std::uint64_t tertiary_controls = all_bits(arch::tertiary_controls::kFields);
  std::uint64_t vm_functions = all_bits(arch::vm_functions::kFields);
  /// Those bits of IA32_VMX_EPT_VPID_CAP that concern INVEPT and INVVPID.
  std::uint64_t invalidations =
      arch::ept_vpid_cap::kInvept.mask() | arch::ept_vpid_cap::kInveptSingle.mask() |
      arch::ept_vpid_cap::kInveptAll.mask() | arch::ept_vpid_cap::kInvvpid.mask() |
      arch::ept_vpid_cap::kInvvpidAddress.mask() | arch::ept_vpid_cap::kInvvpidSingle.mask() |
      arch::ept_vpid_cap::kInvvpidAll.mask() | arch::ept_vpid_cap::kInvvpidKeepingGlobals.mask();
  bool writes_any_field = false;  ///< IA32_VMX_MISC bit 29: VMWRITE of exit information
};

/// The values that a control field may have (SDM appendix A.2 to A.5).
struct AllowedSettings {
  std::uint64_t must_be_one = 0;
  std::uint64_t may_be_one = 0;

  constexpr bool allows(std::uint64_t value) const {
    return (value & must_be_one) == must_be_one && (value & ~may_be_one) == 0;
  }
  /// `wanted` with what must be 1 added and what must be 0 left out.
  constexpr std::uint64_t adjust(std::uint64_t wanted) const {
    return (wanted | must_be_one) & may_be_one;
  }
};

/// Of the pin-based, primary, secondary, tertiary, exit or entry controls, or the VM functions.
AllowedSettings allowed_settings(const VmxCapabilities& capabilities, arch::vmcs::Field controls);

/// What RDMSR gives for a capability MSR: IA32_VMX_MISC (485H), PROCBASED_CTLS2 (48BH),
/// EPT_VPID_CAP (48CH), the TRUE_ forms (48DH to 490H), VMFUNC (491H), PROCBASED_CTLS3 (492H).
/// Nothing for another MSR.
std::optional<std::uint64_t> capability_msr(const VmxCapabilities& capabilities, std::uint32_t msr);

}  // namespace eptsim::mmu
