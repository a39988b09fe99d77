#include <array>
#include <string>

#include "ept/arch/exit_reason.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/vmx_controls.hpp"
#include "mmu_model/vmx/control_registers.hpp"
#include "mmu_model/vmx/vm_entry.hpp"

/// What Context's check already judges (EPTP, the pointers, controls that need EPT, CR0, CR3, EFER,
/// PAT, PDPTEs) is left to it; here is what concerns more than one translation.
namespace eptsim::mmu {
namespace {

namespace vmcs = arch::vmcs;
namespace entry = arch::entry_controls;
namespace exit = arch::exit_controls;
namespace pin = arch::pin_controls;
namespace primary = arch::primary_controls;
namespace secondary = arch::secondary_controls;

using Kind = VmEntryRefusal::Kind;
using Refusal = std::optional<VmEntryRefusal>;

VmEntryRefusal refused(Kind kind, vmcs::Field field, std::string rule,
                       std::uint64_t qualification = 0) {
  return {kind, field, std::move(rule), qualification};
}

// SDM 29.2.1.1, 29.2.1.2, 29.2.1.3: bits that the capability MSRs hold to 0 or to 1.
Refusal check_reserved_controls(const Vmcs& vmcs, const VmxCapabilities& capabilities) {
  const struct {
    vmcs::Field field;
    bool in_use;
  } fields[] = {
      {vmcs::kPinControls, true},
      {vmcs::kPrimaryControls, true},
      {vmcs::kSecondaryControls, primary_control(vmcs, primary::kSecondary)},
      {vmcs::kTertiaryControls, primary_control(vmcs, primary::kTertiary)},
      {vmcs::kVmFunctionControls, secondary_control(vmcs, secondary::kVmFunctions)},
      {vmcs::kExitControls, true},
      {vmcs::kEntryControls, true},
  };
  for (const auto& [field, in_use] : fields) {
    if (in_use && !allowed_settings(capabilities, field).allows(vmcs.get(field))) {
      return refused(Kind::kControls, field,
                     "reserved bits must be as the capability MSR says (SDM 29.2.1)");
    }
  }
  return {};
}

Refusal check_page_pointer(const Vmcs& vmcs, vmcs::Field field, const Capabilities& cpu) {
  const std::uint64_t address = vmcs.get(field);
  if (!arch::Hpa(address).is_aligned(arch::bytes(arch::PageSize::k4K))) {
    return refused(Kind::kControls, field, "must be 4 KiB aligned (SDM 29.2.1.1)");
  }
  if ((address & beyond_physical(cpu)) != 0) {
    return refused(Kind::kControls, field,
                   "bits from the physical-address width up must be 0 (SDM 29.2.1.1)");
  }
  return {};
}

Refusal check_controls(const Vmcs& vmcs, const VmxCapabilities& capabilities) {
  if (Refusal refusal = check_reserved_controls(vmcs, capabilities)) return refusal;
  const std::uint64_t pins = vmcs.get(vmcs::kPinControls);
  if (pin::kVirtualNmis.any(pins) && !pin::kNmiExiting.any(pins)) {
    return refused(Kind::kControls, vmcs::kPinControls,
                   "virtual NMIs need NMI exiting (SDM 29.2.1.1)");
  }
  if (primary_control(vmcs, primary::kMsrBitmaps)) {
    Refusal refusal = check_page_pointer(vmcs, vmcs::kMsrBitmapAddress, capabilities.cpu);
    if (refusal) return refusal;
  }
  if (secondary_control(vmcs, secondary::kVpid) && vmcs.get(vmcs::kVpid) == 0) {
    return refused(Kind::kControls, vmcs::kVpid, "must not be 0000H (SDM 29.2.1.1)");
  }
  const bool ept = secondary_control(vmcs, secondary::kEpt);
  if (secondary_control(vmcs, secondary::kUnrestrictedGuest) && !ept) {
    return refused(Kind::kControls, vmcs::kSecondaryControls,
                   "unrestricted guest needs EPT on (SDM 29.2.1.1)");
  }
  if (secondary_control(vmcs, secondary::kVmFunctions) &&
      arch::vm_functions::kEptpSwitching.any(vmcs.get(vmcs::kVmFunctionControls))) {
    if (!ept) {
      return refused(Kind::kControls, vmcs::kVmFunctionControls,
                     "EPTP switching needs EPT on (SDM 29.2.1.1)");
    }
    return check_page_pointer(vmcs, vmcs::kEptpListAddress, capabilities.cpu);
  }
  return {};
}

// SDM 29.2.2, 29.2.3. A host without paging is let pass.
Refusal check_host_state(const Vmcs& vmcs, const VmxCapabilities& capabilities) {
  const std::uint64_t controls = vmcs.get(vmcs::kExitControls);
  const bool long_mode = exit::kHost64Bit.any(controls);
  if (!arch::cr0::kPe.any(vmcs.get(vmcs::kHostCr0))) {
    return refused(Kind::kHostState, vmcs::kHostCr0, "PE must be 1 (SDM 29.2.2)");
  }
  if (vmcs.get(vmcs::kHostCr0) >> 32 != 0) {
    return refused(Kind::kHostState, vmcs::kHostCr0, "bits 63:32 must be 0 (SDM 29.2.2)");
  }
  if ((vmcs.get(vmcs::kHostCr3) & beyond_physical(capabilities.cpu)) != 0) {
    return refused(Kind::kHostState, vmcs::kHostCr3,
                   "bits from the physical-address width up must be 0 (SDM 29.2.2)");
  }
  if ((vmcs.get(vmcs::kHostCr4) & ~kCr4Bits) != 0) {
    return refused(Kind::kHostState, vmcs::kHostCr4, "reserved bits must be 0 (SDM 29.2.2)");
  }
  if (arch::cr4::kCet.any(vmcs.get(vmcs::kHostCr4)) &&
      !arch::cr0::kWp.any(vmcs.get(vmcs::kHostCr0))) {
    return refused(Kind::kHostState, vmcs::kHostCr4, "CET needs CR0.WP (SDM 29.2.2)");
  }
  if (long_mode && (!arch::cr4::kPae.any(vmcs.get(vmcs::kHostCr4)) ||
                    !arch::cr0::kPg.any(vmcs.get(vmcs::kHostCr0)))) {
    return refused(Kind::kHostState, vmcs::kHostCr4,
                   "a host in 64-bit mode needs PAE and CR0.PG (SDM 29.2.4)");
  }
  if (!long_mode && arch::cr4::kPcide.any(vmcs.get(vmcs::kHostCr4))) {
    return refused(Kind::kHostState, vmcs::kHostCr4,
                   "PCIDE needs a host in 64-bit mode (SDM 29.2.4)");
  }
  if (exit::kLoadEfer.any(controls)) {
    const std::uint64_t efer = vmcs.get(vmcs::kHostEfer);
    if ((efer & ~kEferBits) != 0 || arch::efer::kLma.any(efer) != long_mode ||
        arch::efer::kLme.any(efer) != long_mode) {
      return refused(Kind::kHostState, vmcs::kHostEfer,
                     "reserved bits must be 0, LMA and LME as the host's mode (SDM 29.2.2)");
    }
  }
  if (exit::kLoadPat.any(controls) && !is_valid_pat(vmcs.get(vmcs::kHostPat))) {
    return refused(Kind::kHostState, vmcs::kHostPat,
                   "each byte must be 0, 1, 4, 5, 6 or 7 (SDM 29.2.2)");
  }
  if (exit::kLoadPkrs.any(controls) && vmcs.get(vmcs::kHostPkrs) >> 32 != 0) {
    return refused(Kind::kHostState, vmcs::kHostPkrs, "bits 63:32 must be 0 (SDM 29.2.2)");
  }
  return {};
}

// SDM 29.3.1.1, 29.3.1.4.
Refusal check_guest_state(const Vmcs& vmcs, const Registers& guest) {
  const std::uint64_t controls = vmcs.get(vmcs::kEntryControls);
  const bool long_mode = entry::kIa32eGuest.any(controls);
  const auto bad = [](vmcs::Field field, const char* rule) {
    return refused(Kind::kGuestState, field, rule);
  };
  if (!secondary_control(vmcs, secondary::kUnrestrictedGuest) &&
      !(guest.protection() && guest.paging())) {
    return bad(vmcs::kGuestCr0, "PE and PG must be 1 without unrestricted guest (SDM 29.3.1.1)");
  }
  if (guest.cr0 >> 32 != 0) {
    return bad(vmcs::kGuestCr0, "bits 63:32 must be 0 (SDM 29.3.1.1)");
  }
  if ((guest.cr4 & ~kCr4Bits) != 0) {
    return bad(vmcs::kGuestCr4, "reserved bits must be 0 (SDM 29.3.1.1)");
  }
  if (long_mode && !guest.paging()) {
    return bad(vmcs::kGuestCr0, "a guest in IA-32e mode needs PG (SDM 29.3.1.1)");
  }
  if (long_mode && !arch::cr4::kPae.any(guest.cr4)) {
    return bad(vmcs::kGuestCr4, "a guest in IA-32e mode needs PAE (SDM 29.3.1.1)");
  }
  if (!long_mode && arch::cr4::kPcide.any(guest.cr4)) {
    return bad(vmcs::kGuestCr4, "PCIDE needs a guest in IA-32e mode (SDM 29.3.1.1)");
  }
  if (entry::kLoadEfer.any(controls)) {
    if ((guest.efer & ~kEferBits) != 0) {
      return bad(vmcs::kGuestEfer, "reserved bits must be 0 (SDM 29.3.1.1)");
    }
    if (guest.long_mode() != long_mode) {
      return bad(vmcs::kGuestEfer,
                 "LMA must be as the entry control IA-32e mode guest (SDM 29.3.1.1)");
    }
  }
  if (entry::kLoadPkrs.any(controls) && vmcs.get(vmcs::kGuestPkrs) >> 32 != 0) {
    return bad(vmcs::kGuestPkrs, "bits 63:32 must be 0 (SDM 29.3.1.1)");
  }
  if (!arch::guest_state::kRflagsFixed.any(guest.rflags)) {
    return bad(vmcs::kGuestRflags, "bit 1 must be 1 (SDM 29.3.1.4)");
  }
  return {};
}

/// Where a key of Context's check stands in the VMCS.
struct KeyField {
  const char* key;
  Kind kind;
  vmcs::Field field;
};
constexpr KeyField kKeyFields[] = {
    {"eptp", Kind::kControls, vmcs::kEptPointer},
    {"mode_based_execute", Kind::kControls, vmcs::kSecondaryControls},
    {"sub_page_permission", Kind::kControls, vmcs::kSecondaryControls},
    {"ept_violation_ve", Kind::kControls, vmcs::kSecondaryControls},
    {"pml", Kind::kControls, vmcs::kSecondaryControls},
    {"paging_write", Kind::kControls, vmcs::kTertiaryControls},
    {"guest_paging_verification", Kind::kControls, vmcs::kTertiaryControls},
    {"hlat", Kind::kControls, vmcs::kTertiaryControls},
    {"pml_address", Kind::kControls, vmcs::kPmlAddress},
    {"ve_info_address", Kind::kControls, vmcs::kVeInformationAddress},
    {"sppt_pointer", Kind::kControls, vmcs::kSppTablePointer},
    {"hlat_pointer", Kind::kControls, vmcs::kHlatPointer},
    {"cr0", Kind::kGuestState, vmcs::kGuestCr0},
    {"cr3", Kind::kGuestState, vmcs::kGuestCr3},
    {"cr4", Kind::kGuestState, vmcs::kGuestCr4},
    {"efer", Kind::kGuestState, vmcs::kGuestEfer},
    {"pat", Kind::kGuestState, vmcs::kGuestPat},
    {"pdptes", Kind::kGuestState, vmcs::kGuestPdpte[0]},
};

/// What Context's check says, in terms of the VMCS.
Refusal check_context(const Context& context) {
  const std::optional<ContextError> error = check(context);
  if (!error) return {};
  std::string rule = error->text;
  if (error->kind == ContextError::Kind::kUnsupported) rule = "not in this model: " + rule;
  for (const KeyField& row : kKeyFields) {
    if (error->key != row.key) continue;
    const bool pdpte = row.field == vmcs::kGuestPdpte[0];
    return refused(row.kind, row.field, rule, pdpte ? arch::qualification::kPdpteLoading : 0);
  }
  return refused(Kind::kControls, vmcs::kPrimaryControls, error->key + ": " + rule);
}

}  // namespace

Refusal check_vm_entry(const Vmcs& vmcs, const VmxCapabilities& capabilities,
                       const Registers& before, const arch::PhysicalMemory& memory) {
  const Registers guest = guest_registers(vmcs, before, memory);
  // The manual leaves open which of controls and host state is looked at first; guest state is
  // looked at last (SDM 29.2, 29.3).
  Refusal refusal = check_controls(vmcs, capabilities);
  if (refusal) return refusal;
  const Refusal of_context = check_context(guest_context(vmcs, capabilities, guest));
  if (of_context && of_context->kind == Kind::kControls) return of_context;
  refusal = check_host_state(vmcs, capabilities);
  if (!refusal) refusal = check_guest_state(vmcs, guest);
  if (!refusal) refusal = of_context;
  if (!refusal && guest.pae_paging()) {
    for (const std::uint64_t pdpte : guest.pdptes) {
      if (is_valid_pdpte(pdpte, capabilities.cpu)) continue;
      return refused(Kind::kGuestState, vmcs::kGuestCr3,
                     "a PDPTE in memory that is present must have no reserved bit (SDM 29.3.1.6)",
                     arch::qualification::kPdpteLoading);
    }
  }
  return refusal;
}

}  // namespace eptsim::mmu
