#include "mmu_model/vmx/vm_entry.hpp"

#include "ept/arch/address.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/vmx_controls.hpp"
#include "mmu_model/vmx/control_registers.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {
namespace {

namespace vmcs = arch::vmcs;
namespace entry = arch::entry_controls;
namespace secondary = arch::secondary_controls;
namespace tertiary = arch::tertiary_controls;

/// EFER as VM entry and VM exit set it where they do not load it: LMA from a control, and LME with
/// it if paging is on (SDM 29.3.2.1, 30.5.1).
std::uint64_t efer_of_mode(std::uint64_t efer, bool long_mode, bool paging) {
  efer = arch::efer::kLma.set(efer, long_mode);
  return paging ? arch::efer::kLme.set(efer, long_mode) : efer;
}

}  // namespace

bool secondary_control(const Vmcs& vmcs, arch::BitField control) {
  return primary_control(vmcs, arch::primary_controls::kSecondary) &&
         control.any(vmcs.get(vmcs::kSecondaryControls));
}

bool tertiary_control(const Vmcs& vmcs, arch::BitField control) {
  return primary_control(vmcs, arch::primary_controls::kTertiary) &&
         control.any(vmcs.get(vmcs::kTertiaryControls));
}

std::array<std::uint64_t, 4> read_pdptes(const arch::PhysicalMemory& memory, std::uint64_t cr3) {
  std::array<std::uint64_t, 4> pdptes{};
  for (unsigned i = 0; i < pdptes.size(); ++i) {
    pdptes[i] = memory.read64(arch::Hpa((cr3 & arch::cr3::kPaeAddress.mask()) + 8 * i));
  }
  return pdptes;
}

bool is_valid_pdpte(std::uint64_t pdpte, const Capabilities& cpu) {
  return !arch::guest_entry::kPresent.any(pdpte) ||
         (pdpte & pdpte_reserved_bits(cpu.maxphyaddr)) == 0;
}

bool is_valid_eptp(std::uint64_t eptp, const Capabilities& cpu) {
  Context context;
  context.cpu = cpu;
  context.ept_enabled = true;
  context.eptp = eptp;
  const auto error = check(context);
  return !error || error->key != "eptp";
}

Registers guest_registers(const Vmcs& vmcs, const Registers& before,
                          const arch::PhysicalMemory& memory) {
  const std::uint64_t controls = vmcs.get(vmcs::kEntryControls);
  Registers guest = before;
  guest.cr0 = cr0_after_transition(before.cr0, vmcs.get(vmcs::kGuestCr0));
  guest.cr3 = vmcs.get(vmcs::kGuestCr3);
  guest.cr4 = vmcs.get(vmcs::kGuestCr4);
  guest.rip = vmcs.get(vmcs::kGuestRip);
  guest.rflags = vmcs.get(vmcs::kGuestRflags);
  guest.efer = entry::kLoadEfer.any(controls)
                   ? vmcs.get(vmcs::kGuestEfer)
                   : efer_of_mode(before.efer, entry::kIa32eGuest.any(controls), guest.paging());
  if (entry::kLoadPat.any(controls)) guest.pat = vmcs.get(vmcs::kGuestPat);
  if (entry::kLoadPkrs.any(controls)) {
    guest.pkrs = static_cast<std::uint32_t>(vmcs.get(vmcs::kGuestPkrs));
  }
  guest.code_64_bit = arch::guest_state::kCode64Bit.any(vmcs.get(vmcs::kGuestCsAccessRights));
  guest.cpl = static_cast<std::uint8_t>(
      arch::guest_state::kStackDpl.get(vmcs.get(vmcs::kGuestSsAccessRights)));
  guest.nmi_blocked = arch::guest_state::kBlockingByNmi.any(vmcs.get(vmcs::kGuestInterruptibility));
  if (guest.pae_paging()) {
    if (secondary_control(vmcs, secondary::kEpt)) {
      for (unsigned i = 0; i < 4; ++i) guest.pdptes[i] = vmcs.get(vmcs::kGuestPdpte[i]);
    } else {
      guest.pdptes = read_pdptes(memory, guest.cr3);
    }
  }
  return guest;
}

Context host_context(const VmxCapabilities& capabilities, const Registers& registers) {
  Context context;
  context.cr0 = registers.cr0;
  context.cr3 = registers.cr3;
  context.cr4 = registers.cr4;
  context.efer = registers.efer;
  context.pkru = registers.pkru;
  context.pkrs = registers.pkrs;
  context.pat = registers.pat;
  context.rflags_ac = arch::guest_state::kAlignmentCheck.any(registers.rflags);
  context.vpid = 0;
  context.cpu = capabilities.cpu;
  return context;
}

Context guest_context(const Vmcs& vmcs, const VmxCapabilities& capabilities,
                      const Registers& registers) {
  Context context = host_context(capabilities, registers);
  context.ept_enabled = secondary_control(vmcs, secondary::kEpt);
  context.eptp = vmcs.get(vmcs::kEptPointer);
  if (context.ept_enabled && registers.pae_paging()) context.pdptes = registers.pdptes;
  if (secondary_control(vmcs, secondary::kVpid)) {
    context.vpid = static_cast<std::uint16_t>(vmcs.get(vmcs::kVpid));
  }
  context.controls = {
      .mode_based_execute = secondary_control(vmcs, secondary::kModeBasedExecute),
      .sub_page_permission = secondary_control(vmcs, secondary::kSubPagePermission),
      .ept_violation_ve = secondary_control(vmcs, secondary::kEptViolationVe),
      .pml = secondary_control(vmcs, secondary::kPml),
      .paging_write = tertiary_control(vmcs, tertiary::kPagingWrite),
      .guest_paging_verification = tertiary_control(vmcs, tertiary::kGuestPagingVerification),
      .hlat = tertiary_control(vmcs, tertiary::kHlat),
  };
  context.sppt_pointer = vmcs.get(vmcs::kSppTablePointer);
  context.pml_address = vmcs.get(vmcs::kPmlAddress);
  context.pml_index = static_cast<std::uint16_t>(vmcs.get(vmcs::kPmlIndex));
  context.ve_info_address = vmcs.get(vmcs::kVeInformationAddress);
  context.eptp_index = static_cast<std::uint16_t>(vmcs.get(vmcs::kEptpIndex));
  context.hlat_pointer = vmcs.get(vmcs::kHlatPointer);
  context.hlat_prefix_size = static_cast<std::uint16_t>(vmcs.get(vmcs::kHlatPrefixSize));
  return context;
}

}  // namespace eptsim::mmu
