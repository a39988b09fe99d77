#include <gtest/gtest.h>

#include "ept/arch/fault.hpp"
#include "mmu_model/tests/vmx_machine.hpp"

namespace eptsim::mmu {
namespace {

using namespace test;
using Kind = Completion::Kind;
constexpr std::uint64_t kGva = 0x7f12'3456'7000;

/// A guest in long mode with one page.
class VmExit : public testing::Test {
 protected:
  VmExit() {
    page = machine.tables.map(kGva);
    machine.set_up();
  }
  void clear_leaf(std::uint64_t bits) {
    machine.tables.clear(machine.tables.ept_entry(page.gpa, 1), bits);
  }
  VmxMachine machine;
  PageAddress page;
};

TEST_F(VmExit, LoadsStoresAndSwapsReachTheHostsMemory) {
  machine.tables.memory.put(page.hpa + 8, 0x1122'3344'5566'7788);
  machine.enter();
  EXPECT_EQ(machine.load(kGva + 8).value, 0x1122'3344'5566'7788u);
  EXPECT_TRUE(machine.cpu.access(
      {.kind = AccessKind::kWrite, .address = kGva + 10, .size = 2, .value = 0xabcd}));
  EXPECT_EQ(machine.tables.memory.at(page.hpa + 8), 0x1122'3344'abcd'7788u);
  const Completion swap = machine.cpu.access(
      {.kind = AccessKind::kReadModifyWrite, .address = kGva + 12, .size = 1, .value = 0xee});
  EXPECT_EQ(swap.value, 0x44u);
  EXPECT_EQ(machine.tables.memory.at(page.hpa + 8), 0x1122'33ee'abcd'7788u);
}

TEST_F(VmExit, AnInstructionThatCompletesMovesRipAndClearsTheResumeFlag) {
  machine.vmcs.set(vmcs::kGuestRflags, 2 | 1 << 16);
  machine.enter();
  EXPECT_TRUE(machine.cpu.access({.address = kGva, .instruction_length = 7}));
  EXPECT_EQ(machine.cpu.registers().rip, 0x1007u);
  EXPECT_EQ(machine.cpu.registers().rflags, 2u);
  machine.leave();
  EXPECT_EQ(machine.at(vmcs::kGuestRip), 0x1007u);
}

TEST_F(VmExit, AnEptViolationTellsEverything) {
  clear_leaf(kW);
  machine.enter();
  machine.tables.memory.put(page.hpa + 0x10, 5);
  const Completion store = machine.cpu.access(
      {.kind = AccessKind::kWrite, .address = kGva + 0x10, .value = 6, .instruction_length = 9});
  EXPECT_TRUE(store.is_exit(ExitReason::kEptViolation));
  EXPECT_FALSE(machine.cpu.in_non_root());
  EXPECT_EQ(machine.reason(), 48u);
  EXPECT_EQ(machine.qualification(), 0x1aau);
  EXPECT_EQ(machine.at(vmcs::kGuestPhysicalAddress), page.gpa + 0x10);
  EXPECT_EQ(machine.at(vmcs::kGuestLinearAddress), kGva + 0x10);
  EXPECT_EQ(machine.at(vmcs::kExitInstructionLength), 9u);
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0u);
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0u);
  EXPECT_EQ(machine.at(vmcs::kGuestRip), 0x1000u);
  EXPECT_EQ(machine.at(vmcs::kGuestRflags), 2u | 1 << 16) << "RF is saved as 1";
  EXPECT_EQ(machine.tables.memory.at(page.hpa + 0x10), 5u);
}

TEST_F(VmExit, ARightGivenAfterAViolationIsSeenWithoutInvept) {
  clear_leaf(kW);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  EXPECT_TRUE(machine.store(kGva, 1).is_exit(ExitReason::kEptViolation));
  machine.tables.set(machine.tables.ept_entry(page.gpa, 1), kW);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva, 1));
}

TEST_F(VmExit, AnEptMisconfigurationReportsTheGuestPhysicalAddressAlone) {
  machine.tables.set(machine.tables.ept_entry(page.gpa, 1), 7 << 3);
  machine.vmcs.set(vmcs::kExitQualification, 99);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva + 4).is_exit(ExitReason::kEptMisconfiguration));
  EXPECT_EQ(machine.reason(), 49u);
  EXPECT_EQ(machine.qualification(), 0u);
  EXPECT_EQ(machine.at(vmcs::kGuestPhysicalAddress), page.gpa + 4);
  EXPECT_EQ(machine.at(vmcs::kGuestLinearAddress), 0u);
}

TEST_F(VmExit, SavesTheGuestsStateAndLoadsTheHosts) {
  machine.set(vmcs::kExitControls, exit_control::kSavePat);
  machine.set(vmcs::kExitControls, exit_control::kLoadPat);
  machine.vmcs.set(vmcs::kHostCr3, 0x9000);
  machine.vmcs.set(vmcs::kHostPat, 0x0606'0606'0606'0606);
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0x1020a0 & ~0x1000ull));
  EXPECT_FALSE(machine.cpu.wrmsr(0x277, 0)) << "WRMSR exits";
  EXPECT_EQ(machine.reason(), 32u);
  EXPECT_EQ(machine.at(vmcs::kGuestCr0), machine.tables.context.cr0);
  EXPECT_EQ(machine.at(vmcs::kGuestCr3), machine.tables.context.cr3);
  EXPECT_EQ(machine.at(vmcs::kGuestCr4), 0x1020a0u & ~0x1000u);
  EXPECT_EQ(machine.at(vmcs::kGuestEfer), 0xd00u);
  EXPECT_EQ(machine.at(vmcs::kGuestPat), arch::kResetPat);
  EXPECT_EQ(machine.at(vmcs::kGuestRflags), 2u) << "an instruction that exits leaves RF clear";
  const Registers& host = machine.cpu.registers();
  EXPECT_EQ(host.cr0, 1u);
  EXPECT_EQ(host.cr3, 0x9000u);
  EXPECT_EQ(host.cr4, 0u);
  EXPECT_EQ(host.efer, 0u);
  EXPECT_EQ(host.pat, 0x0606'0606'0606'0606u);
}

TEST_F(VmExit, InstructionsThatAlwaysExitSayHowLongTheyAre) {
  const struct {
    Completion (*execute)(LogicalProcessor&);
    unsigned reason;
    unsigned length;
  } cases[] = {
      {[](LogicalProcessor& cpu) { return cpu.cpuid(); }, 10, 2},
      {[](LogicalProcessor& cpu) { return cpu.vmcall(); }, 18, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmread(0); }, 23, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmwrite(0, 0); }, 25, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmlaunch(); }, 20, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmresume(); }, 24, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmxoff(); }, 26, 3},
      {[](LogicalProcessor& cpu) { return cpu.vmxon(); }, 27, 4},
      {[](LogicalProcessor& cpu) { return cpu.invept(9, 1); }, 50, 5},
      {[](LogicalProcessor& cpu) { return cpu.invvpid(9, 1); }, 53, 5},
  };
  for (const auto& [execute, reason, length] : cases) {
    machine.enter();
    EXPECT_EQ(execute(machine.cpu).kind, Kind::kVmExit) << reason;
    EXPECT_EQ(machine.reason(), reason);
    EXPECT_EQ(machine.at(vmcs::kExitInstructionLength), length) << reason;
    EXPECT_EQ(machine.at(vmcs::kGuestRip), 0x1000u);
  }
}

TEST_F(VmExit, VmxInstructionsOfAGuestExitWhateverItsPrivilege) {
  machine.set(vmcs::kGuestSsAccessRights, arch::guest_state::kStackDpl, 3);
  machine.enter();
  EXPECT_EQ(machine.cpu.registers().cpl, 3);
  EXPECT_TRUE(machine.cpu.invept(1, 0).is_exit(ExitReason::kInvept));
  machine.enter();
  machine.cpu.set_code_segment(3, false);
  EXPECT_TRUE(machine.cpu.invept(1, 0).is_fault(Vector::kInvalidOpcode)) << "compatibility mode";
}

TEST_F(VmExit, HltExitsOnlyIfTheControlSaysSo) {
  machine.enter();
  EXPECT_TRUE(machine.cpu.hlt());
  machine.leave();
  machine.set(vmcs::kPrimaryControls, primary::kHltExiting);
  machine.enter();
  EXPECT_TRUE(machine.cpu.hlt().is_exit(ExitReason::kHlt));
  machine.enter();
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(machine.cpu.hlt().is_fault(Vector::kGeneralProtection));
}

TEST_F(VmExit, APageFaultGoesToTheGuestWithCr2) {
  machine.enter();
  const Completion load = machine.load(0x1234'5678);
  EXPECT_TRUE(load.is_fault(Vector::kPageFault));
  EXPECT_EQ(load.fault.error_code, 0u);
  EXPECT_EQ(load.fault.address, 0x1234'5678u);
  EXPECT_EQ(machine.cpu.registers().cr2, 0x1234'5678u);
  EXPECT_TRUE(machine.cpu.in_non_root());
}

TEST_F(VmExit, APageFaultThatExitsLeavesCr2AndPutsTheAddressInTheQualification) {
  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 14);
  machine.enter();
  EXPECT_TRUE(machine.store(0x1234'5678, 1).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.reason(), 0u);
  EXPECT_EQ(machine.qualification(), 0x1234'5678u);
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'0b0eu);
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionErrorCode), 2u);
  EXPECT_EQ(machine.at(vmcs::kGuestRflags), 2u | 1 << 16);
  EXPECT_EQ(machine.cpu.registers().cr2, 0u);
}

// SDM 28.2: a match and a bit of 1 exit, and so do no match and a bit of 0.
TEST_F(VmExit, MaskAndMatchOfTheErrorCodeDecideWhichPageFaultsExit) {
  for (const bool bit : {false, true}) {
    for (const std::uint64_t match : {0x0u, 0x2u, 0x1000u}) {
      machine.vmcs.set(vmcs::kExceptionBitmap, bit ? 1 << 14 : 0);
      machine.vmcs.set(vmcs::kPageFaultMask, 0x2);
      machine.vmcs.set(vmcs::kPageFaultMatch, match);
      for (const bool write : {false, true}) {
        machine.enter();
        const Completion completion = write ? machine.store(0x1000, 1) : machine.load(0x1000);
        const bool matches = match == (write ? 0x2u : 0x0u);
        EXPECT_EQ(completion.kind == Kind::kVmExit, matches == bit) << bit << match << write;
        if (machine.cpu.in_non_root()) machine.leave();
      }
    }
  }
}

TEST_F(VmExit, AddressesThatDoNotExistAreGeneralProtectionOrStackFaults) {
  machine.enter();
  EXPECT_TRUE(machine.load(0x8000'0000'0000).is_fault(Vector::kGeneralProtection));
  EXPECT_TRUE(machine.cpu.access({.address = 0x8000'0000'0000, .stack = true})
                  .is_fault(Vector::kStackSegment));
  EXPECT_TRUE(machine.load(0x7fff'ffff'fffc).is_fault(Vector::kGeneralProtection))
      << "its last bytes do not exist";
  machine.leave();
  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 13);
  machine.enter();
  EXPECT_TRUE(machine.load(0x8000'0000'0000).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'0b0du);
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionErrorCode), 0u);
  EXPECT_EQ(machine.qualification(), 0u);
}

TEST_F(VmExit, AViolationWhileAnEventIsDeliveredReportsTheEvent) {
  clear_leaf(kW);
  machine.enter();
  const Completion push = machine.cpu.access(
      {.kind = AccessKind::kWrite,
       .address = kGva,
       .delivering = Event{.vector = Vector::kGeneralProtection, .error_code = 0x18}});
  EXPECT_TRUE(push.is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0x8000'0b0du);
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringErrorCode), 0x18u);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva, 1).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0u) << "only while it is delivered";
}

TEST_F(VmExit, AViolationWhileAnInterruptIsDeliveredKeepsTheResumeFlagClear) {
  clear_leaf(kW);
  machine.enter();
  EXPECT_TRUE(machine.cpu
                  .access({.kind = AccessKind::kWrite,
                           .address = kGva,
                           .delivering = Event{.vector = static_cast<Vector>(0x30),
                                               .type = Event::kExternalInterrupt}})
                  .is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0x8000'0030u);
  EXPECT_EQ(machine.at(vmcs::kGuestRflags), 2u);
}

TEST_F(VmExit, AFaultUnderTheDeliveryOfAnotherIsADoubleFault) {
  machine.enter();
  const auto deliver = [&](Vector vector) {
    return machine.cpu.access({.kind = AccessKind::kWrite,
                               .address = 0x5555'0000,
                               .delivering = Event{.vector = vector, .error_code = 0}});
  };
  // SDM 7.15: a page fault under a contributory exception is served in turn; under a page fault,
  // or a virtualization exception, which counts as one, it is a double fault.
  EXPECT_TRUE(deliver(Vector::kGeneralProtection).is_fault(Vector::kPageFault));
  EXPECT_TRUE(deliver(Vector::kPageFault).is_fault(Vector::kDoubleFault));
  EXPECT_TRUE(deliver(Vector::kVirtualization).is_fault(Vector::kDoubleFault));
  EXPECT_TRUE(deliver(Vector::kInvalidOpcode).is_fault(Vector::kPageFault));
  EXPECT_TRUE(deliver(Vector::kDoubleFault).is_exit(ExitReason::kTripleFault));
  EXPECT_EQ(machine.reason(), 2u);
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0u);

  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 8);
  machine.enter();
  EXPECT_TRUE(deliver(Vector::kPageFault).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'0b08u);
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0u);

  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 14);
  machine.enter();
  EXPECT_TRUE(deliver(Vector::kPageFault).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'0b0eu);
  EXPECT_EQ(machine.at(vmcs::kIdtVectoringInformation), 0x8000'0b0eu)
      << "the second fault exits before it becomes a double fault";
}

TEST_F(VmExit, AnInterruptedIretSaysThatItEndedTheBlockingOfNmis) {
  clear_leaf(kR | kW | kX);
  const auto iret = [&] { return machine.cpu.access({.address = kGva, .iret = true}); };
  const auto block = [&] {
    machine.set(vmcs::kGuestInterruptibility, arch::guest_state::kBlockingByNmi);
  };
  machine.enter();
  EXPECT_TRUE(iret().is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x181u) << "nothing was blocked";

  block();
  machine.enter();
  EXPECT_TRUE(iret().is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x1181u);
  EXPECT_EQ(machine.at(vmcs::kGuestInterruptibility), 0u);

  block();
  machine.enter();
  EXPECT_TRUE(machine.load(kGva).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x181u) << "no IRET";
  EXPECT_EQ(machine.at(vmcs::kGuestInterruptibility), 8u);

  machine.set(vmcs::kPinControls, pin::kNmiExiting);
  machine.enter();
  EXPECT_TRUE(iret().is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x181u) << "NMIs exit, and are not virtual";

  machine.set(vmcs::kPinControls, pin::kVirtualNmis);
  machine.enter();
  EXPECT_TRUE(iret().is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.qualification(), 0x1181u);

  block();
  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 14);
  machine.enter();
  EXPECT_TRUE(
      machine.cpu.access({.address = 0x1000, .iret = true}).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'1b0eu);

  block();
  machine.tables.set(machine.tables.ept_entry(page.gpa, 1), kR | 7 << 3);
  machine.enter();
  EXPECT_TRUE(iret().is_exit(ExitReason::kEptMisconfiguration));
  EXPECT_EQ(machine.qualification(), 0u) << "exit 49 does not report it";
}

TEST_F(VmExit, AnAccessAcrossAPageBoundaryStoresNothingIfTheUpperPageIsRefused) {
  const PageAddress upper = machine.tables.map(kGva + 0x1000);
  machine.tables.clear(machine.tables.ept_entry(upper.gpa, 1), kW);
  machine.tables.memory.put(page.hpa + 0xff8, 7);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva + 0xffc, ~0ull).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kGuestPhysicalAddress), upper.gpa);
  EXPECT_EQ(machine.at(vmcs::kGuestLinearAddress), kGva + 0x1000);
  EXPECT_EQ(machine.tables.memory.at(page.hpa + 0xff8), 7u);
  machine.tables.set(machine.tables.ept_entry(upper.gpa, 1), kW);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva + 0xffc, 0x1122'3344'5566'7788));
  EXPECT_EQ(machine.tables.memory.at(page.hpa + 0xff8), 0x5566'7788'0000'0007u);
  EXPECT_EQ(machine.tables.memory.at(upper.hpa), 0x1122'3344u);
  EXPECT_EQ(machine.load(kGva + 0xffc).value, 0x1122'3344'5566'7788u);
}

TEST_F(VmExit, UserAccessesAreJudgedByTheCpl) {
  machine.tables.clear(machine.tables.guest_entry(kGva, 1), kU);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  EXPECT_TRUE(machine.cpu.access({.address = kGva, .user = true}).is_fault(Vector::kPageFault));
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
  EXPECT_TRUE(machine.cpu.access({.address = kGva, .implicit = true}));
}

TEST_F(VmExit, AFetchMovesRipToItsAddress) {
  machine.enter();
  EXPECT_TRUE(machine.fetch(kGva + 3));
  EXPECT_EQ(machine.cpu.registers().rip, kGva + 3);
  machine.tables.clear(machine.tables.ept_entry(page.gpa, 1), kX);
  machine.leave();
  EXPECT_TRUE(machine.cpu.invept(2, machine.descriptor(0)));
  machine.enter();
  EXPECT_TRUE(machine.fetch(kGva + 5).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kGuestRip), kGva + 5);
  EXPECT_EQ(machine.qualification(), 0x19cu);
}

TEST_F(VmExit, ShadowStackAccessesAreUndefinedWithoutCet) {
  machine.enter();
  EXPECT_TRUE(machine.cpu.access({.kind = AccessKind::kShadowStackRead, .address = kGva})
                  .is_fault(Vector::kInvalidOpcode));
}

TEST_F(VmExit, AUserShadowStackAccessNeedsAShadowStackPage) {
  machine.tables.context.cr4 |= 1 << 23;
  machine.set_up();
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  machine.enter();
  const MemoryAccess wruss{
      .kind = AccessKind::kShadowStackWrite, .address = kGva, .value = 9, .user = true};
  EXPECT_TRUE(machine.cpu.access(wruss).is_fault(Vector::kPageFault));
  machine.tables.clear(pte, kGuestW);
  machine.tables.set(pte, kD | kA);
  EXPECT_TRUE(machine.cpu.access(wruss));
  EXPECT_EQ(machine.tables.memory.at(page.hpa), 9u);
}

TEST_F(VmExit, TellsALinearAddressOf32BitsOutside64BitMode) {
  constexpr std::uint64_t kLow = 0x1234'5000;
  const PageAddress low = machine.tables.map(kLow);
  machine.tables.clear(machine.tables.ept_entry(low.gpa, 1), kR | kW | kX);
  machine.enter();
  machine.cpu.set_code_segment(0, false);
  EXPECT_TRUE(machine.load(kLow | 5ull << 32).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kGuestLinearAddress), kLow);
}

TEST_F(VmExit, ToAHostWithAPdpteThatItCannotHaveIsAnAbort) {
  constexpr std::uint64_t kPdptes = 0x3000;
  machine.vmcs.set(vmcs::kHostCr0, 0x8000'0001);
  machine.vmcs.set(vmcs::kHostCr3, kPdptes);
  machine.vmcs.set(vmcs::kHostCr4, 0x20);
  machine.enter();
  machine.tables.memory.put(kPdptes + 8, 3);
  EXPECT_EQ(machine.cpu.cpuid().kind, Kind::kShutdown);
}

TEST_F(VmExit, LoadsThePdptesOfAHostInPaePaging) {
  constexpr std::uint64_t kPdptes = 0x3000;
  machine.vmcs.set(vmcs::kHostCr0, 0x8000'0001);
  machine.vmcs.set(vmcs::kHostCr3, kPdptes);
  machine.vmcs.set(vmcs::kHostCr4, 0x20);
  machine.enter();
  machine.tables.memory.put(kPdptes, 0x4001);
  machine.tables.memory.put(kPdptes + 8, 2);  // not present: nothing is reserved
  machine.leave();
  EXPECT_EQ(machine.cpu.registers().pdptes, (std::array<std::uint64_t, 4>{0x4001, 2, 0, 0}));
}

}  // namespace
}  // namespace eptsim::mmu
