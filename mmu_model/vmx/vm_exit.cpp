#include <algorithm>

#include "ept/arch/exit_reason.hpp"
#include "mmu_model/vmx/control_registers.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// VM exits: what they record, save and load (SDM chapter 30).
namespace eptsim::mmu {

namespace vmcs = arch::vmcs;
namespace secondary = arch::secondary_controls;
using arch::ExitReason;

// An IRET has ended the blocking of NMIs, or of virtual NMIs, before its access to memory exits;
// bit 12 of the report lets the hypervisor restore it (SDM 30.2.3).
bool LogicalProcessor::unblocks_nmis() {
  const std::uint64_t pins = vmcs_->get(vmcs::kPinControls);
  const bool defined =
      !arch::pin_controls::kNmiExiting.any(pins) || arch::pin_controls::kVirtualNmis.any(pins);
  const bool unblocks = defined && instruction_.iret && registers_.nmi_blocked &&
                        !instruction_.delivering.has_value();
  if (unblocks) registers_.nmi_blocked = false;
  return unblocks;
}

// SDM 30.3.
void LogicalProcessor::save_guest(bool resume_flag) {
  const std::uint64_t controls = vmcs_->get(vmcs::kExitControls);
  const Registers& guest = registers_;
  vmcs_->set(vmcs::kGuestCr0, guest.cr0);
  vmcs_->set(vmcs::kGuestCr3, guest.cr3);
  vmcs_->set(vmcs::kGuestCr4, guest.cr4);
  vmcs_->set(vmcs::kGuestRip, guest.rip);
  vmcs_->set(vmcs::kGuestRflags, arch::guest_state::kResumeFlag.set(guest.rflags, resume_flag));
  if (arch::exit_controls::kSavePat.any(controls)) vmcs_->set(vmcs::kGuestPat, guest.pat);
  if (arch::exit_controls::kSaveEfer.any(controls)) vmcs_->set(vmcs::kGuestEfer, guest.efer);
  vmcs_->set(vmcs::kGuestPkrs, guest.pkrs);
  const auto update = [&](vmcs::Field field, arch::BitField bits, std::uint64_t value) {
    vmcs_->set(field, bits.set(vmcs_->get(field), value));
  };
  update(vmcs::kGuestCsAccessRights, arch::guest_state::kCode64Bit, guest.code_64_bit);
  update(vmcs::kGuestSsAccessRights, arch::guest_state::kStackDpl, guest.cpl);
  update(vmcs::kGuestInterruptibility, arch::guest_state::kBlockingByNmi, guest.nmi_blocked);
  if (secondary_control(*vmcs_, secondary::kUnrestrictedGuest)) {
    update(vmcs::kEntryControls, arch::entry_controls::kIa32eGuest, guest.long_mode());
  }
  if (secondary_control(*vmcs_, secondary::kEpt) && guest.pae_paging()) {
    for (unsigned i = 0; i < 4; ++i) vmcs_->set(vmcs::kGuestPdpte[i], guest.pdptes[i]);
  }
}

// SDM 30.5.
Completion LogicalProcessor::load_host(ExitReason reason) {
  const std::uint64_t controls = vmcs_->get(vmcs::kExitControls);
  const bool long_mode = arch::exit_controls::kHost64Bit.any(controls);
  Registers host = registers_;
  host.cr0 = cr0_after_transition(host.cr0, vmcs_->get(vmcs::kHostCr0));
  host.cr3 = vmcs_->get(vmcs::kHostCr3);
  host.cr4 = vmcs_->get(vmcs::kHostCr4);
  host.efer = arch::efer::kLma.set(host.efer, long_mode);
  host.efer = arch::efer::kLme.set(host.efer, long_mode);
  if (arch::exit_controls::kLoadEfer.any(controls)) host.efer = vmcs_->get(vmcs::kHostEfer);
  if (arch::exit_controls::kLoadPat.any(controls)) host.pat = vmcs_->get(vmcs::kHostPat);
  if (arch::exit_controls::kLoadPkrs.any(controls)) {
    host.pkrs = static_cast<std::uint32_t>(vmcs_->get(vmcs::kHostPkrs));
  }
  host.rip = 0;
  host.rflags = arch::guest_state::kRflagsFixed.mask();
  host.cpl = 0;
  host.code_64_bit = long_mode;
  if (host.pae_paging()) host.pdptes = read_pdptes(*memory_, host.cr3);
  change(host);
  mode_ = Mode::kRoot;
  invalidate(invalidation::vm_transition(secondary_control(*vmcs_, secondary::kVpid)));
  // With PDPTEs that the host cannot have, the exit is a VMX abort (SDM 30.5.4).
  const bool valid =
      !host.pae_paging() || std::ranges::all_of(host.pdptes, [&](std::uint64_t pdpte) {
        return is_valid_pdpte(pdpte, capabilities_.cpu);
      });
  if (!valid) return {.kind = Completion::Kind::kShutdown};
  return {.kind = Completion::Kind::kVmExit, .exit = reason};
}

Completion LogicalProcessor::exit(ExitReason reason, const ExitInformation& information) {
  const bool delivering = information.during_delivery && instruction_.delivering.has_value();
  vmcs_->set(vmcs::kExitReason, static_cast<std::uint64_t>(reason));
  vmcs_->set(vmcs::kExitQualification, information.qualification);
  if (information.gpa) vmcs_->set(vmcs::kGuestPhysicalAddress, *information.gpa);
  if (information.linear) {
    vmcs_->set(vmcs::kGuestLinearAddress, *information.linear & registers_.linear_mask());
  }
  vmcs_->set(vmcs::kExitInterruptionInformation, information.interruption);
  vmcs_->set(vmcs::kExitInterruptionErrorCode, information.interruption_error);
  vmcs_->set(vmcs::kIdtVectoringInformation,
             delivering ? instruction_.delivering->information() : 0);
  vmcs_->set(vmcs::kIdtVectoringErrorCode,
             delivering ? instruction_.delivering->error_code.value_or(0) : 0);
  vmcs_->set(vmcs::kExitInstructionLength, instruction_.length);
  // RF as it would stand in the image that the event's delivery pushes (SDM 30.3.3).
  save_guest(information.fault_like &&
             (!delivering || instruction_.delivering->type == Event::kHardwareException));
  return load_host(reason);
}

// SDM 29.8: nothing of the guest was loaded, so nothing is saved.
Completion LogicalProcessor::fail_entry() {
  vmcs_->set(vmcs::kExitReason, arch::exit_reason::kEntryFailure.mask() |
                                    static_cast<std::uint64_t>(ExitReason::kInvalidGuestState));
  vmcs_->set(vmcs::kExitQualification, entry_refusal_->qualification);
  return load_host(ExitReason::kInvalidGuestState);
}

}  // namespace eptsim::mmu
