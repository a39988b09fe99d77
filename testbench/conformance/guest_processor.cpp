#include "testbench/conformance/guest_processor.hpp"

#include <initializer_list>

namespace eptsim::tb::conformance {
namespace {

namespace vmcs_field = arch::vmcs;

/// Everything on, and nothing forgotten for want of room.
mmu::CacheSettings caches() {
  mmu::CacheSettings settings;
  settings.l1i = settings.l1d = settings.l2 = {.unified = {.entries = 64, .ways = 64}};
  for (unsigned level = 2; level <= 5; ++level) {
    settings.combined[level] = settings.ept[level] = {.entries = 32, .ways = 32};
  }
  settings.nested_tlb = {.entries = 64, .ways = 64};
  return settings;
}

}  // namespace

GuestProcessor::GuestProcessor(const MachineState& state, const mmu::VmxCapabilities& capabilities)
    : cpu(capabilities, caches(), memory) {
  memory.load(state.image.words());
  cpu.vmxon();
  cpu.vmclear(vmcs);
  cpu.vmptrld(vmcs);

  const auto controls = [&](vmcs_field::Field field, std::initializer_list<arch::BitField> wanted) {
    std::uint64_t bits = 0;
    for (const arch::BitField bit : wanted) bits |= bit.mask();
    vmcs.set(field, mmu::allowed_settings(capabilities, field).adjust(bits));
  };
  controls(vmcs_field::kPinControls, {});
  controls(vmcs_field::kPrimaryControls,
           {arch::primary_controls::kSecondary, arch::primary_controls::kTertiary});
  controls(vmcs_field::kSecondaryControls,
           {arch::secondary_controls::kEpt, arch::secondary_controls::kVpid,
            arch::secondary_controls::kUnrestrictedGuest});
  controls(vmcs_field::kExitControls,
           {arch::exit_controls::kSaveEfer, arch::exit_controls::kLoadEfer});
  controls(vmcs_field::kEntryControls,
           {arch::entry_controls::kLoadEfer, arch::entry_controls::kIa32eGuest});
  vmcs.set(vmcs_field::kEptPointer, state.context.eptp);
  vmcs.set(vmcs_field::kVpid, 1);
  vmcs.set(vmcs_field::kGuestCr0, state.context.cr0);
  vmcs.set(vmcs_field::kGuestCr3, state.context.cr3);
  vmcs.set(vmcs_field::kGuestCr4, state.context.cr4);
  vmcs.set(vmcs_field::kGuestEfer, state.context.efer);
  vmcs.set(vmcs_field::kGuestRip, 0x1000);
  vmcs.set(vmcs_field::kGuestRflags, 2);
  vmcs.set(vmcs_field::kGuestCsAccessRights, arch::guest_state::kCode64Bit.mask());
  vmcs.set(vmcs_field::kHostCr0, 1);
}

void GuestProcessor::set_secondary(arch::BitField control, bool on) {
  vmcs.set(vmcs_field::kSecondaryControls,
           control.set(vmcs.get(vmcs_field::kSecondaryControls), on ? 1 : 0));
}

std::uint64_t GuestProcessor::operand(std::uint64_t low, std::uint64_t high) {
  constexpr std::uint64_t kAddress = 0x5000;
  memory.write64(arch::Hpa(kAddress), low);
  memory.write64(arch::Hpa(kAddress + 8), high);
  return kAddress;
}

std::string text_of(const mmu::Completion& completion) {
  using Kind = mmu::Completion::Kind;
  switch (completion.kind) {
    case Kind::kDone: return "done";
    case Kind::kVmFailInvalid: return "VMfailInvalid";
    case Kind::kVmFailValid:
      return "VMfail " + std::to_string(static_cast<unsigned>(completion.error));
    case Kind::kFault:
      switch (static_cast<unsigned>(completion.fault.vector)) {
        case 6: return "#UD";
        case 12: return "#SS";
        case 13: return "#GP";
        case 14: return "#PF";
        default:
          return "exception " + std::to_string(static_cast<unsigned>(completion.fault.vector));
      }
    case Kind::kVmExit: return "VM exit " + std::to_string(static_cast<unsigned>(completion.exit));
    case Kind::kShutdown: return "shutdown";
  }
  return "?";
}

}  // namespace eptsim::tb::conformance
