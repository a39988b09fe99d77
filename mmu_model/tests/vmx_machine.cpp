#include "mmu_model/tests/vmx_machine.hpp"

#include <gtest/gtest.h>

namespace eptsim::mmu::test {

CacheSettings full_caches() {
  CacheSettings settings;
  const TlbSettings tlb{.unified = {.entries = 64, .ways = 64}};
  settings.l1i = settings.l1d = settings.l2 = tlb;
  for (unsigned level = 2; level <= 5; ++level) {
    settings.combined[level] = settings.ept[level] = {.entries = 32, .ways = 32};
  }
  settings.nested_tlb = {.entries = 64, .ways = 64};
  return settings;
}

VmxMachine::VmxMachine(unsigned guest_levels, unsigned ept_levels,
                       const VmxCapabilities& capabilities)
    : tables(guest_levels, ept_levels), cpu(capabilities, full_caches(), tables.memory) {
  tables.context.cpu = capabilities.cpu;
  EXPECT_TRUE(cpu.vmxon());
  EXPECT_TRUE(cpu.vmclear(vmcs));
  EXPECT_TRUE(cpu.vmptrld(vmcs));
}

void VmxMachine::set_up() {
  const Context& context = tables.context;
  const auto controls = [&](vmcs::Field field, std::initializer_list<BitField> wanted) {
    std::uint64_t bits = 0;
    for (const BitField bit : wanted) bits |= bit.mask();
    vmcs.set(field, allowed_settings(cpu.capabilities(), field).adjust(bits));
  };
  controls(vmcs::kPinControls, {});
  controls(vmcs::kPrimaryControls, {primary::kSecondary, primary::kTertiary});
  if (context.ept_enabled) {
    controls(vmcs::kSecondaryControls, {secondary::kEpt, secondary::kVpid,
                                        secondary::kUnrestrictedGuest, secondary::kInvpcid});
  } else {
    controls(vmcs::kSecondaryControls, {secondary::kVpid, secondary::kInvpcid});
  }
  controls(vmcs::kExitControls, {exit_control::kSaveEfer, exit_control::kLoadEfer});
  const bool long_mode = arch::efer::kLma.any(context.efer);
  controls(vmcs::kEntryControls, {entry::kLoadEfer});
  set(vmcs::kEntryControls, entry::kIa32eGuest, long_mode);
  vmcs.set(vmcs::kEptPointer, context.eptp);
  vmcs.set(vmcs::kVpid, context.vpid);
  vmcs.set(vmcs::kGuestCr0, context.cr0);
  vmcs.set(vmcs::kGuestCr3, context.cr3);
  vmcs.set(vmcs::kGuestCr4, context.cr4);
  vmcs.set(vmcs::kGuestEfer, context.efer);
  vmcs.set(vmcs::kGuestRip, 0x1000);
  vmcs.set(vmcs::kGuestRflags, 2);
  set(vmcs::kGuestCsAccessRights, arch::guest_state::kCode64Bit, long_mode);
  vmcs.set(vmcs::kHostCr0, 1);
}

void VmxMachine::enter() {
  const Completion completion = vmcs.is_launched() ? cpu.vmresume() : cpu.vmlaunch();
  ASSERT_TRUE(completion) << (cpu.entry_refusal() ? cpu.entry_refusal()->rule : "");
}

void VmxMachine::leave() { ASSERT_TRUE(cpu.cpuid().is_exit(ExitReason::kCpuid)); }

std::uint64_t VmxMachine::descriptor(std::uint64_t low, std::uint64_t high) {
  constexpr std::uint64_t kAddress = 0x5000;
  tables.memory.put(kAddress, low);
  tables.memory.put(kAddress + 8, high);
  return kAddress;
}

void VmxMachine::remap(const PageAddress& page, std::uint64_t value) {
  const std::uint64_t other = page.hpa ^ 0x1000;
  tables.map_ept(page.gpa, other, PageSize::k4K);
  tables.memory.put(other, value);
}

}  // namespace eptsim::mmu::test
