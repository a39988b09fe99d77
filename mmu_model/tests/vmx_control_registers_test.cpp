#include <gtest/gtest.h>

#include "mmu_model/tests/vmx_machine.hpp"

namespace eptsim::mmu {
namespace {

using namespace test;
constexpr std::uint64_t kPe = 1, kWp = 1 << 16, kNw = 1 << 29, kCd = 1 << 30, kPg = 1u << 31;
constexpr std::uint64_t kPae = 0x20, kPge = 0x80, kLa57 = 0x1000, kPcide = 1 << 17, kSmep = 1 << 20,
                        kCet = 1 << 23;
constexpr std::uint64_t kGva = 0x1234'5000;

/// Guest-physical pages from 0 up that the EPT maps one to one, for a guest without paging at
/// first. The pages of PDPTEs and of data.
class ControlRegisters : public testing::Test {
 protected:
  static constexpr std::uint64_t kPdptes = 0x3000;
  ControlRegisters() : machine(0, 4) {
    for (std::uint64_t page = 0; page < 0x10'0000; page += 0x1000) {
      machine.tables.map_ept(page, kHost + page, PageSize::k4K);
    }
    machine.set_up();
    for (unsigned i = 0; i < 4; ++i) guest_word(kPdptes + 8 * i, 0x4001 + 0x1000 * i);
  }
  static constexpr std::uint64_t kHost = 0x20'0000'0000;
  void guest_word(std::uint64_t gpa, std::uint64_t value) {
    machine.tables.memory.put(kHost + gpa, value);
  }
  void expect_gp(const Completion& completion) {
    EXPECT_TRUE(completion.is_fault(Vector::kGeneralProtection))
        << static_cast<int>(completion.kind);
    EXPECT_EQ(completion.fault.error_code, 0u);
  }
  VmxMachine machine;
};

TEST_F(ControlRegisters, Cr0RefusesWhatTheManualRefuses) {
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  expect_gp(cpu.mov_to_cr0(kPg));        // without protection
  expect_gp(cpu.mov_to_cr0(kPe | kNw));  // NW without CD
  expect_gp(cpu.mov_to_cr0(kPe | 1ull << 32));
  EXPECT_TRUE(cpu.mov_to_cr0(kPe | kNw | kCd));
  EXPECT_TRUE(cpu.mov_to_cr0(0)) << "an unrestricted guest may leave protected mode";
  EXPECT_EQ(cpu.registers().rip, 0x1006u);
  cpu.set_code_segment(3, false);
  expect_gp(cpu.mov_to_cr0(kPe));
}

TEST_F(ControlRegisters, LongModeIsActiveOncePagingIsOn) {
  machine.vmcs.set(vmcs::kGuestEfer, 0x100);
  machine.vmcs.set(vmcs::kGuestCr3, 0x8000);
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  expect_gp(cpu.mov_to_cr0(kPe | kPg));  // LME without PAE
  EXPECT_TRUE(cpu.mov_to_cr4(kPae));
  EXPECT_TRUE(cpu.mov_to_cr0(kPe | kPg));
  EXPECT_EQ(cpu.registers().efer, 0x500u);
  expect_gp(cpu.mov_to_cr4(0));             // PAE may not go
  expect_gp(cpu.mov_to_cr4(kPae | kLa57));  // nor LA57 come
  EXPECT_TRUE(cpu.mov_to_cr4(kPae | kPcide));
  expect_gp(cpu.mov_to_cr0(kPe));  // PCIDE holds paging on
  EXPECT_TRUE(cpu.mov_to_cr4(kPae));
  cpu.set_code_segment(0, true);
  expect_gp(cpu.mov_to_cr0(kPe));  // 64-bit code too
  machine.leave();
  EXPECT_TRUE(entry::kIa32eGuest.any(machine.at(vmcs::kEntryControls)))
      << "an exit of an unrestricted guest notes its mode";
  machine.enter();
  cpu.set_code_segment(0, false);
  EXPECT_TRUE(cpu.mov_to_cr0(kPe));
  EXPECT_EQ(cpu.registers().efer, 0x100u);
  machine.leave();
  EXPECT_FALSE(entry::kIa32eGuest.any(machine.at(vmcs::kEntryControls)));
}

TEST_F(ControlRegisters, Cr4RefusesWhatTheManualRefuses) {
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  expect_gp(cpu.mov_to_cr4(1 << 15));
  expect_gp(cpu.mov_to_cr4(1 << 28));  // LAM_SUP: this processor masks no linear address
  expect_gp(cpu.mov_to_cr4(kPcide));   // outside long mode
  expect_gp(cpu.mov_to_cr4(kCet));     // without CR0.WP
  EXPECT_TRUE(cpu.mov_to_cr0(kPe | kWp));
  EXPECT_TRUE(cpu.mov_to_cr4(kCet));
  expect_gp(cpu.mov_to_cr0(kPe));  // and WP stays
}

TEST_F(ControlRegisters, Cr3RefusesBitsBeyondThePhysicalAddress) {
  VmxMachine long_mode;
  long_mode.tables.map(kGva);
  long_mode.set_up();
  long_mode.enter();
  const std::uint64_t cr3 = long_mode.tables.context.cr3;
  LogicalProcessor& cpu = long_mode.cpu;
  expect_gp(cpu.mov_to_cr3(cr3 | 1ull << 46));
  expect_gp(cpu.mov_to_cr3(cr3 | 1ull << 63));  // no PCIDs
  EXPECT_TRUE(cpu.mov_to_cr3(cr3 | 1));
  expect_gp(cpu.mov_to_cr4(kPae | kPcide));  // CR3[11:0] is not 0
  EXPECT_TRUE(cpu.mov_to_cr3(cr3));
  EXPECT_TRUE(cpu.mov_to_cr4(kPae | kPcide));
  EXPECT_TRUE(cpu.mov_to_cr3(cr3 | 5 | 1ull << 63));
  EXPECT_EQ(cpu.registers().cr3, cr3 | 5) << "bit 63 is not kept";
}

TEST_F(ControlRegisters, MaskedBitsExitUnlessTheyAreWrittenAsShadowed) {
  machine.vmcs.set(vmcs::kCr0Mask, kNw | kCd);
  machine.vmcs.set(vmcs::kCr4Mask, kSmep);
  machine.vmcs.set(vmcs::kCr4ReadShadow, kSmep);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr0(kPe | kCd).is_exit(ExitReason::kControlRegister));
  EXPECT_EQ(machine.qualification(), 0u);
  EXPECT_EQ(machine.at(vmcs::kExitInstructionLength), 3u);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0).is_exit(ExitReason::kControlRegister));
  EXPECT_EQ(machine.qualification(), 4u);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr4(kSmep | kPge));
  EXPECT_EQ(machine.cpu.registers().cr4, kPge) << "the masked bit keeps its value";
}

TEST_F(ControlRegisters, Cr3LoadsExitIfTheControlSaysSo) {
  machine.set(vmcs::kPrimaryControls, primary::kCr3LoadExiting);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr3(0x5000).is_exit(ExitReason::kControlRegister));
  EXPECT_EQ(machine.qualification(), 3u);
  EXPECT_EQ(machine.at(vmcs::kGuestCr3), 0u);
}

TEST_F(ControlRegisters, ARestrictedGuestKeepsProtectionAndPaging) {
  VmxMachine restricted;
  restricted.tables.map(kGva);
  restricted.set_up();
  restricted.set(vmcs::kSecondaryControls, secondary::kUnrestrictedGuest, 0);
  restricted.enter();
  restricted.cpu.set_code_segment(0, false);
  expect_gp(restricted.cpu.mov_to_cr0(kPe));
  restricted.leave();
  EXPECT_TRUE(entry::kIa32eGuest.any(restricted.at(vmcs::kEntryControls)));
}

TEST(ControlRegistersWithoutPaging, WhatWasCachedWithoutPagingIsNotUsedWithIt) {
  // Where the guest-physical page lies in the host, and its tables of 32-bit paging in it.
  constexpr std::uint64_t kBacking = 0x20'0000'0000, kDirectory = 0x8000, kTable = 0x9000;
  VmxMachine m(0, 4);
  for (std::uint64_t page = 0; page < 0x4'0000; page += 0x1000) {
    m.tables.map_ept(page, kBacking + page, PageSize::k4K);
  }
  m.set_up();
  m.tables.memory.put(kBacking + kDirectory, kTable | 7);
  m.tables.memory.put(kBacking + kTable + 0x20 * 4, 0x30007);
  m.tables.memory.put(kBacking + 0x20000, 1);
  m.tables.memory.put(kBacking + 0x30000, 2);
  m.enter();
  EXPECT_TRUE(m.cpu.mov_to_cr3(kDirectory));
  EXPECT_EQ(m.load(0x20000).value, 1u);
  EXPECT_TRUE(m.cpu.mov_to_cr0(0x8000'0001));
  EXPECT_EQ(m.load(0x20000).value, 2u);
}

TEST_F(ControlRegisters, TurningPaePagingOnLoadsThePdptesAndAnExitSavesThem) {
  machine.vmcs.set(vmcs::kGuestCr3, kPdptes);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr0(kPe | kPg));
  machine.leave();
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(machine.at(vmcs::kGuestPdpte[i]), 0x4001u + 0x1000 * i) << i;
  }
}

TEST_F(ControlRegisters, APdpteLoadThatTheEptRefusesHasNoLinearAddressAndChangesNothing) {
  const std::uint64_t leaf = machine.tables.ept_entry(kPdptes, 1);
  machine.tables.clear(leaf, kR | kW | kX);
  machine.vmcs.set(vmcs::kGuestCr3, kPdptes + 0x20);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr0(kPe | kPg).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x1u);
  EXPECT_EQ(machine.at(vmcs::kGuestPhysicalAddress), kPdptes + 0x20);
  EXPECT_EQ(machine.at(vmcs::kGuestCr0), kPe);
  EXPECT_EQ(machine.at(vmcs::kGuestRip), 0x1000u);
  // A read it is, even with EPT accessed and dirty flags: a page that may be read suffices.
  machine.tables.set(leaf, kR);
  machine.vmcs.set(vmcs::kEptPointer, machine.tables.context.eptp | 1 << 6);
  for (unsigned i = 0; i < 4; ++i) guest_word(kPdptes + 0x20 + 8 * i, 0);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr0(kPe | kPg));
  EXPECT_EQ(machine.tables.memory.at(leaf) & (kEptA | kEptD), kEptA);
}

TEST_F(ControlRegisters, APdpteWithAReservedBitIsAGeneralProtectionFault) {
  machine.vmcs.set(vmcs::kGuestCr3, kPdptes);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.enter();
  for (const std::uint64_t bad : {2ull, 4ull, 0x20ull, 0x100ull, 1ull << 46, 1ull << 63}) {
    guest_word(kPdptes + 24, 1 | bad);
    expect_gp(machine.cpu.mov_to_cr0(kPe | kPg));
  }
  guest_word(kPdptes + 24, 0x1fe);  // not present: nothing is reserved
  EXPECT_TRUE(machine.cpu.mov_to_cr0(kPe | kPg));
  EXPECT_EQ(machine.cpu.registers().pdptes[3], 0x1feu);
}

TEST_F(ControlRegisters, OnlyWhatTheManualNamesReloadsThePdptes) {
  machine.vmcs.set(vmcs::kGuestCr3, kPdptes);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  std::uint64_t cr0 = kPe | kPg;
  EXPECT_TRUE(cpu.mov_to_cr0(cr0));
  std::uint64_t next = 0x4001;
  const auto reloads = [&](const Completion& completion) {
    EXPECT_TRUE(completion);
    const bool reloaded = cpu.registers().pdptes[0] == next;
    return reloaded;
  };
  const auto prepare = [&] { guest_word(kPdptes, next += 0x1000); };
  prepare();
  EXPECT_FALSE(reloads(cpu.mov_to_cr0(cr0 |= kWp)));
  EXPECT_TRUE(reloads(cpu.mov_to_cr0(cr0 |= kCd)));
  prepare();
  EXPECT_TRUE(reloads(cpu.mov_to_cr0(cr0 |= kNw)));
  prepare();
  EXPECT_FALSE(reloads(cpu.mov_to_cr4(kPae | 1 << 21)));  // SMAP
  EXPECT_TRUE(reloads(cpu.mov_to_cr4(kPae | kPge)));
  prepare();
  EXPECT_TRUE(reloads(cpu.mov_to_cr4(kPae | kPge | kSmep)));
  prepare();
  EXPECT_TRUE(reloads(cpu.mov_to_cr4(kPae | kPge | kSmep | 0x10)));  // PSE
  prepare();
  EXPECT_TRUE(reloads(cpu.mov_to_cr3(kPdptes | 0x1f))) << "bits 4:0 are ignored";
}

TEST_F(ControlRegisters, VmEntryTakesThePdptesFromTheVmcsAndNotFromCr3) {
  machine.vmcs.set(vmcs::kGuestCr0, kPe | kPg);
  machine.vmcs.set(vmcs::kGuestCr3, kPdptes);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.vmcs.set(vmcs::kGuestPdpte[0], 0xb001);
  machine.enter();
  EXPECT_EQ(machine.cpu.registers().pdptes, (std::array<std::uint64_t, 4>{0xb001, 0, 0, 0}));
  guest_word(0xb000, 0xc000 | kP);
  guest_word(0xc000, 0xd000 | kP);
  guest_word(0xd008, 4711);
  EXPECT_EQ(machine.load(8).value, 4711u);
}

TEST_F(ControlRegisters, WithoutEptThePdptesComeFromMemoryAtCr3AndStayUntilTheyAreLoadedAnew) {
  VmxMachine native(0, 0);
  WordMemory& memory = native.tables.memory;
  native.tables.context.cr0 = kPe | kPg;
  native.tables.context.cr3 = kPdptes;
  native.tables.context.cr4 = kPae;
  memory.put(kPdptes, 0xb000 | kP);
  memory.put(0xb000, 0xc000 | kP);
  memory.put(0xc000, 0xd000 | kP);
  memory.put(0xc008, 0xe000 | kP);
  memory.put(0xd000, 11);
  memory.put(0xe000, 12);
  memory.put(0x1'c008, 0xd000 | kP);
  memory.put(0x1'b000, 0x1'c000 | kP);
  native.set_up();
  native.enter();
  EXPECT_EQ(native.load(0).value, 11u);
  memory.put(kPdptes, 0x1'b000 | kP);
  EXPECT_EQ(native.load(0x1000).value, 12u) << "the register still leads to the old directory";
  EXPECT_TRUE(native.cpu.mov_to_cr3(kPdptes));
  EXPECT_EQ(native.load(0x1000).value, 11u);
  native.leave();
  EXPECT_EQ(native.at(vmcs::kGuestPdpte[0]), 0u) << "VM exit saves them with EPT only";
}

TEST_F(ControlRegisters, CompatibilityModeHasLinearAddressesOf32Bits) {
  VmxMachine long_mode;
  const PageAddress page = long_mode.tables.map(kGva);
  long_mode.tables.memory.put(page.hpa, 4711);
  long_mode.set_up();
  long_mode.enter();
  EXPECT_TRUE(long_mode.load(kGva | 1ull << 40).is_fault(Vector::kPageFault));
  long_mode.cpu.set_code_segment(0, false);
  EXPECT_EQ(long_mode.load(kGva | 1ull << 40).value, 4711u);
}

TEST_F(ControlRegisters, WrmsrExitsAsItsBitmapSays) {
  constexpr std::uint64_t kBitmap = 0x30'0000;
  machine.set(vmcs::kPrimaryControls, primary::kMsrBitmaps);
  machine.vmcs.set(vmcs::kMsrBitmapAddress, kBitmap);
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  EXPECT_TRUE(cpu.wrmsr(0xc000'0080, 0x901));
  EXPECT_EQ(cpu.registers().efer, 0x901u);
  EXPECT_TRUE(cpu.wrmsr(0x277, 0x0606'0606'0606'0606));
  EXPECT_TRUE(cpu.wrmsr(0x6e1, 0xffff'ffff));
  EXPECT_TRUE(cpu.wrmsr(0x2000, 0).is_exit(ExitReason::kWrmsr)) << "not in the bitmaps";
  machine.tables.memory.put(kBitmap + 3072 + 0x80 / 8, 1);  // C0000080H, writes
  machine.enter();
  EXPECT_TRUE(cpu.wrmsr(0xc000'0080, 0).is_exit(ExitReason::kWrmsr));
  machine.tables.memory.put(kBitmap + 2048 + 0x277 / 64 * 8, 1ull << (0x277 % 64));
  machine.enter();
  EXPECT_TRUE(cpu.wrmsr(0x277, 0).is_exit(ExitReason::kWrmsr));
}

TEST_F(ControlRegisters, WrmsrRefusesWhatTheManualRefuses) {
  machine.set(vmcs::kPrimaryControls, primary::kMsrBitmaps);
  machine.vmcs.set(vmcs::kMsrBitmapAddress, 0x30'0000);
  machine.vmcs.set(vmcs::kGuestCr3, 0x8000);
  machine.vmcs.set(vmcs::kGuestCr4, kPae);
  machine.enter();
  LogicalProcessor& cpu = machine.cpu;
  expect_gp(cpu.wrmsr(0xc000'0080, 2));
  expect_gp(cpu.wrmsr(0x277, 2));
  expect_gp(cpu.wrmsr(0x6e1, 1ull << 32));
  expect_gp(cpu.wrmsr(0x10, 0));
  EXPECT_TRUE(cpu.wrmsr(0xc000'0080, 0x500)) << "LMA is not written";
  EXPECT_EQ(cpu.registers().efer, 0x100u);
  EXPECT_TRUE(cpu.mov_to_cr0(kPe | kPg));
  expect_gp(cpu.wrmsr(0xc000'0080, 0));  // LME, with paging on
  EXPECT_TRUE(cpu.wrmsr(0xc000'0080, 0x900));
  EXPECT_EQ(cpu.registers().efer, 0xd00u);
  cpu.set_code_segment(3, true);
  expect_gp(cpu.wrmsr(0x277, arch::kResetPat));
}

TEST_F(ControlRegisters, ProtectionKeysRefuseUserPagesOnceTheyAreOn) {
  VmxMachine keys;
  keys.tables.map(kGva);
  keys.set_up();
  keys.enter();
  EXPECT_TRUE(keys.cpu.wrpkru(1).is_fault(Vector::kInvalidOpcode));
  EXPECT_TRUE(keys.cpu.mov_to_cr4(kPae | 1 << 22));
  EXPECT_TRUE(keys.cpu.wrpkru(1));  // key 0: no access
  const Completion load = keys.load(kGva);
  EXPECT_TRUE(load.is_fault(Vector::kPageFault));
  EXPECT_EQ(load.fault.error_code, 0x21u);
}

}  // namespace
}  // namespace eptsim::mmu
