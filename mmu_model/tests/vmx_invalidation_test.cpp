#include <gtest/gtest.h>

#include "mmu_model/tests/vmx_machine.hpp"

namespace eptsim::mmu {
namespace {

using namespace test;
using Kind = Completion::Kind;
constexpr std::uint64_t kGva = 0x7f12'3456'7000;

/// A guest in long mode that has read a page, so that its translation is cached; then the page is
/// remapped behind the processor's back. What the guest reads tells which page it gets.
class VmxInvalidation : public testing::Test {
 protected:
  static constexpr std::uint64_t kOld = 1, kNew = 2;
  VmxInvalidation() {
    page = machine.tables.map(kGva);
    machine.tables.memory.put(page.hpa, kOld);
    machine.set_up();
  }
  void use_and_remap() {
    machine.enter();
    EXPECT_EQ(machine.load(kGva).value, kOld);
    machine.remap(page, kNew);
  }
  /// In the guest.
  bool is_stale() { return machine.load(kGva).value == kOld; }

  VmxMachine machine;
  PageAddress page;
};

TEST_F(VmxInvalidation, WithoutInveptTheGuestGoesOnWithWhatIsGone) {
  use_and_remap();
  EXPECT_TRUE(is_stale());
  machine.leave();
  machine.enter();
  EXPECT_TRUE(is_stale()) << "with a VPID, transitions remove nothing";
}

TEST_F(VmxInvalidation, InveptOfTheEptOrOfAllMakesTheGuestSeeTheNewPage) {
  for (const std::uint64_t type : {1, 2}) {
    machine.tables.map_ept(page.gpa, page.hpa, PageSize::k4K);
    use_and_remap();
    machine.leave();
    EXPECT_TRUE(machine.cpu.invept(type, machine.descriptor(machine.tables.context.eptp)));
    machine.enter();
    EXPECT_FALSE(is_stale()) << type;
    machine.leave();
    EXPECT_TRUE(machine.cpu.invept(2, machine.descriptor(0)));
  }
}

TEST_F(VmxInvalidation, InveptOfAnotherEptLeavesThisOne) {
  use_and_remap();
  machine.leave();
  EXPECT_TRUE(machine.cpu.invept(1, machine.descriptor(0x1234'5000 | 0x1e)));
  machine.enter();
  EXPECT_TRUE(is_stale());
}

TEST_F(VmxInvalidation, InveptIgnoresTheLowBitsOfAValidPointer) {
  use_and_remap();
  machine.leave();
  EXPECT_TRUE(machine.cpu.invept(1, machine.descriptor(machine.tables.context.eptp | 1 << 6)));
  machine.enter();
  EXPECT_FALSE(is_stale());
}

TEST_F(VmxInvalidation, InveptRefusesTypesAndPointersThatItHasNot) {
  LogicalProcessor& cpu = machine.cpu;
  EXPECT_FALSE(cpu.vmread(0x7ffe));  // error 12
  for (std::int64_t type = -127; type <= 127; ++type) {
    const Completion completion = cpu.invept(static_cast<std::uint64_t>(type),
                                             machine.descriptor(machine.tables.context.eptp));
    EXPECT_EQ(static_cast<bool>(completion), type == 1 || type == 2) << type;
    if (completion) continue;
    EXPECT_EQ(completion.kind, Kind::kVmFailValid);
    EXPECT_EQ(completion.error, VmInstructionError::kInvalidOperand);
    EXPECT_EQ(machine.at(vmcs::kInstructionError), 28u);
  }
  for (const std::uint64_t eptp : {0x0ull, 0x1000ull, 0x101full, 0x111eull, 1ull << 46 | 0x1e}) {
    EXPECT_EQ(cpu.invept(1, machine.descriptor(eptp)).error, VmInstructionError::kInvalidOperand);
    EXPECT_TRUE(cpu.invept(2, machine.descriptor(eptp))) << "of all: whatever the operand";
  }
}

TEST_F(VmxInvalidation, InveptOfATypeLeftOutOfTheCapabilitiesFails) {
  VmxCapabilities single_only;
  single_only.invalidations &= ~arch::ept_vpid_cap::kInveptAll.mask();
  VmxMachine limited(4, 4, single_only);
  EXPECT_TRUE(limited.cpu.invept(1, limited.descriptor(0x101e)));
  EXPECT_EQ(limited.cpu.invept(2, limited.descriptor(0)).error,
            VmInstructionError::kInvalidOperand);
}

// kvm-unit-tests' invvpid_test.
TEST_F(VmxInvalidation, InvvpidTakesItsFourTypesAndNoOther) {
  EXPECT_FALSE(machine.cpu.vmread(0x7ffe));
  for (std::int64_t type = -127; type <= 127; ++type) {
    machine.vmcs.set(vmcs::kInstructionError, 12);
    const Completion completion =
        machine.cpu.invvpid(static_cast<std::uint64_t>(type), machine.descriptor(0xffff, 0));
    EXPECT_EQ(static_cast<bool>(completion), type >= 0 && type <= 3) << type;
    EXPECT_EQ(machine.at(vmcs::kInstructionError), completion ? 12u : 28u) << type;
  }
}

TEST_F(VmxInvalidation, InvvpidTakesVpidsOf16BitsAndZeroOnlyForAll) {
  for (std::uint64_t type = 0; type <= 3; ++type) {
    for (unsigned bit = 0; bit < 64; ++bit) {
      EXPECT_EQ(static_cast<bool>(machine.cpu.invvpid(type, machine.descriptor(1ull << bit))),
                bit < 16)
          << type << ' ' << bit;
    }
    EXPECT_EQ(static_cast<bool>(machine.cpu.invvpid(type, machine.descriptor(0))), type == 2)
        << type;
  }
}

TEST_F(VmxInvalidation, InvvpidOfAnAddressNeedsOneThatExists) {
  constexpr std::uint64_t kNoAddress = 0xaaaa'aaaa'aaaa'aaaa;
  EXPECT_EQ(machine.cpu.invvpid(0, machine.descriptor(1, kNoAddress)).error,
            VmInstructionError::kInvalidOperand);
  for (std::uint64_t type = 1; type <= 3; ++type) {
    EXPECT_TRUE(machine.cpu.invvpid(type, machine.descriptor(1, kNoAddress))) << type;
  }
}

TEST_F(VmxInvalidation, InvvpidRemovesThisVpidAndNoOther) {
  for (std::uint64_t type = 0; type <= 3; ++type) {
    for (const std::uint64_t vpid : {1, 2}) {
      machine.tables.map_ept(page.gpa, page.hpa, PageSize::k4K);
      EXPECT_TRUE(machine.cpu.invept(2, machine.descriptor(0)));
      machine.enter();
      EXPECT_EQ(machine.load(kGva).value, kOld);
      // INVVPID keeps guest-physical mappings, so what shows it is a change of the guest's tables.
      const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
      const std::uint64_t was = machine.tables.memory.at(pte);
      machine.tables.memory.put(pte, was & ~kP);
      machine.leave();
      EXPECT_TRUE(machine.cpu.invvpid(type, machine.descriptor(vpid, kGva)));
      machine.enter();
      const bool gone = machine.load(kGva).is_fault(Vector::kPageFault);
      EXPECT_EQ(gone, vpid == 1 || type == 2) << type << ' ' << vpid;
      machine.leave();
      machine.tables.memory.put(pte, was);
    }
  }
}

TEST_F(VmxInvalidation, OperandsThatCannotBeReadFaultAfterTheType) {
  Registers host;  // in long mode, on tables of its own
  VmxMachine paged;
  WalkTables own(4, 0, 7);
  const PageAddress operand = own.map(0x5000);
  host.cr0 = own.context.cr0;
  host.cr3 = own.context.cr3;
  host.cr4 = own.context.cr4;
  host.efer = own.context.efer;
  host.code_64_bit = true;
  LogicalProcessor cpu({}, full_caches(), own.memory, host);
  ASSERT_TRUE(cpu.vmxon());
  ASSERT_TRUE(cpu.vmptrld(machine.vmcs));
  EXPECT_TRUE(cpu.invvpid(1, 0x9000).is_fault(Vector::kPageFault));
  EXPECT_EQ(cpu.registers().cr2, 0x9000u);
  EXPECT_TRUE(cpu.invvpid(1, 0x5ff8).is_fault(Vector::kPageFault)) << "16 bytes";
  EXPECT_EQ(cpu.registers().cr2, 0x6000u);
  EXPECT_TRUE(cpu.invvpid(1, 1ull << 63).is_fault(Vector::kGeneralProtection));
  EXPECT_TRUE(cpu.invvpid(1, 1ull << 63, true).is_fault(Vector::kStackSegment));
  EXPECT_TRUE(cpu.invept(2, 0x9000).is_fault(Vector::kPageFault)) << "though nothing is used of it";
  EXPECT_EQ(cpu.invvpid(7, 0x9000).error, VmInstructionError::kInvalidOperand);
  own.memory.put(operand.hpa, 1);
  EXPECT_TRUE(cpu.invvpid(1, 0x5000));
  cpu.set_code_segment(3, true);
  EXPECT_TRUE(cpu.invvpid(7, 0x9000).is_fault(Vector::kGeneralProtection)) << "CPL comes first";
}

TEST_F(VmxInvalidation, WithoutAVpidEveryTransitionRemovesTheGuestsTranslations) {
  machine.set(vmcs::kSecondaryControls, secondary::kVpid, 0);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(machine.load(kGva)) << "cached";
  machine.leave();
  machine.enter();
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
}

TEST_F(VmxInvalidation, WithoutAVpidBothWaysOfTheTransitionRemoveTranslations) {
  for (const bool vpid : {true, false}) {
    machine.set(vmcs::kSecondaryControls, secondary::kVpid, vpid);
    const std::uint64_t before = machine.cpu.activity().invalidations;
    machine.enter();
    EXPECT_EQ(machine.cpu.activity().invalidations, before + (vpid ? 0 : 1));
    machine.leave();
    EXPECT_EQ(machine.cpu.activity().invalidations, before + (vpid ? 0 : 2));
  }
}

TEST_F(VmxInvalidation, WithoutAVpidTransitionsKeepGuestPhysicalTranslations) {
  machine.set(vmcs::kSecondaryControls, secondary::kVpid, 0);
  use_and_remap();
  machine.leave();
  machine.enter();
  EXPECT_TRUE(is_stale()) << "the nested TLB still leads to the old page";
}

TEST_F(VmxInvalidation, InvlpgRemovesThePageAndExitsIfTheControlSaysSo) {
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(machine.cpu.invlpg(kGva + 0x1000));
  EXPECT_TRUE(machine.load(kGva)) << "another page";
  EXPECT_TRUE(machine.cpu.invlpg(1ull << 63 | kGva)) << "no address: nothing happens";
  EXPECT_TRUE(machine.load(kGva));
  EXPECT_TRUE(machine.cpu.invlpg(kGva + 5));
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(machine.cpu.invlpg(kGva).is_fault(Vector::kGeneralProtection));
  machine.leave();
  machine.set(vmcs::kPrimaryControls, primary::kInvlpgExiting);
  machine.set(vmcs::kGuestSsAccessRights, arch::guest_state::kStackDpl, 0);
  machine.enter();
  EXPECT_TRUE(machine.cpu.invlpg(kGva).is_exit(ExitReason::kInvlpg));
  EXPECT_EQ(machine.qualification(), kGva);
}

TEST_F(VmxInvalidation, InvlpgReportsAnAddressOf32BitsOutside64BitMode) {
  machine.set(vmcs::kPrimaryControls, primary::kInvlpgExiting);
  machine.enter();
  machine.cpu.set_code_segment(0, false);
  EXPECT_TRUE(machine.cpu.invlpg(0x1'2345'6789).is_exit(ExitReason::kInvlpg));
  EXPECT_EQ(machine.qualification(), 0x2345'6789u);
}

class Invpcid : public VmxInvalidation {
 protected:
  static constexpr std::uint64_t kOperand = 0x1000'0000;
  Invpcid() { operand = machine.tables.map(kOperand); }
  Completion invpcid(std::uint64_t type, std::uint64_t low, std::uint64_t high = 0) {
    machine.tables.memory.put(operand.hpa, low);
    machine.tables.memory.put(operand.hpa + 8, high);
    return machine.cpu.invpcid(type, kOperand);
  }
  PageAddress operand;
};

TEST_F(Invpcid, RefusesWhatTheManualRefuses) {
  machine.enter();
  const auto gp = [](const Completion& completion) {
    return completion.is_fault(Vector::kGeneralProtection);
  };
  EXPECT_TRUE(gp(invpcid(4, 0)));
  EXPECT_TRUE(gp(invpcid(2, 1 << 12)));
  EXPECT_TRUE(gp(invpcid(0, 5, kGva))) << "a PCID without CR4.PCIDE";
  EXPECT_TRUE(gp(invpcid(1, 5)));
  EXPECT_TRUE(gp(invpcid(0, 0, 1ull << 63)));
  EXPECT_TRUE(invpcid(1, 0, 1ull << 63)) << "only the first type has an address";
  EXPECT_TRUE(invpcid(2, 5)) << "nor do the last two have a PCID";
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0x2'0020));
  EXPECT_TRUE(invpcid(0, 5, kGva));
  EXPECT_TRUE(machine.cpu.invpcid(0, 0x9999'0000).is_fault(Vector::kPageFault));
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(gp(invpcid(0, 5, kGva)));
}

TEST_F(Invpcid, IsUndefinedWithoutItsControlAndExitsWithInvlpg) {
  machine.set(vmcs::kPrimaryControls, primary::kInvlpgExiting);
  machine.enter();
  EXPECT_TRUE(invpcid(0, 0, kGva).is_exit(ExitReason::kInvpcid));
  machine.enter();
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(invpcid(0, 0, kGva).is_fault(Vector::kGeneralProtection)) << "privilege comes first";
  EXPECT_TRUE(machine.cpu.invlpg(kGva).is_fault(Vector::kGeneralProtection));
  machine.cpu.set_code_segment(0, true);
  machine.leave();
  machine.set(vmcs::kSecondaryControls, secondary::kInvpcid, 0);
  machine.enter();
  EXPECT_TRUE(invpcid(0, 0, kGva).is_fault(Vector::kInvalidOpcode));
}

TEST_F(Invpcid, RemovesWhatItNames) {
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(invpcid(0, 0, kGva + 0x1000));
  EXPECT_TRUE(machine.load(kGva)) << "another page";
  EXPECT_TRUE(invpcid(0, 0, kGva));
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
}

TEST_F(VmxInvalidation, MovToCr3RemovesThePcidsTranslationsUnlessBit63AsksToKeepThem) {
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  const std::uint64_t cr3 = machine.tables.context.cr3;
  machine.enter();
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0x2'0020));
  EXPECT_TRUE(machine.load(kGva));
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(machine.cpu.mov_to_cr3(cr3 | 1));
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault)) << "PCID 1 has none";
  EXPECT_TRUE(machine.cpu.mov_to_cr3(cr3 | 1ull << 63));
  EXPECT_TRUE(machine.load(kGva)) << "PCID 0 kept its own";
  EXPECT_TRUE(machine.cpu.mov_to_cr3(cr3));
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
}

TEST_F(VmxInvalidation, MovToCr4KeepsWhatItNeedNotRemove) {
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0x20 | 1 << 21));  // SMAP; the page is not asked for by user
  machine.cpu.set_rflags(1 << 18);                      // AC
  EXPECT_TRUE(machine.load(kGva));
  EXPECT_TRUE(machine.cpu.mov_to_cr4(0x20 | 1 << 21 | 0x80));  // PGE
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
}

TEST_F(VmxInvalidation, TurningPagingOffRemovesEverything) {
  const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
  const std::uint64_t cr0 = machine.tables.context.cr0;
  machine.enter();
  EXPECT_TRUE(machine.load(kGva));
  machine.tables.clear(pte, kP);
  EXPECT_TRUE(machine.cpu.mov_to_cr0(cr0 & ~(1ull << 16)));  // WP
  EXPECT_TRUE(machine.load(kGva));
  machine.cpu.set_code_segment(0, false);
  EXPECT_TRUE(machine.cpu.mov_to_cr0(1));
  EXPECT_TRUE(machine.cpu.mov_to_cr0(cr0));
  machine.cpu.set_code_segment(0, true);
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kPageFault));
}

// --- VM functions --------------------------------------------------------------------------------

class EptpSwitching : public VmxInvalidation {
 protected:
  static constexpr std::uint64_t kList = 0x7000;
  EptpSwitching() {
    machine.set(vmcs::kSecondaryControls, secondary::kVmFunctions);
    machine.vmcs.set(vmcs::kVmFunctionControls, 1);
    machine.vmcs.set(vmcs::kEptpListAddress, kList);
    // A second root with the same first table: the same memory, under another EPTRTA.
    const std::uint64_t root = machine.tables.context.eptp & ~0xfffull;
    for (unsigned i = 0; i < 512; ++i) {
      machine.tables.memory.put(kRoot + 8 * i, machine.tables.memory.at(root + 8 * i));
    }
    list(3, kRoot | 0x1e);
  }
  void list(unsigned index, std::uint64_t eptp) {
    machine.tables.memory.put(kList + 8 * index, eptp);
  }
  static constexpr std::uint64_t kRoot = 0x20'0000;
};

TEST_F(EptpSwitching, ReplacesTheEptPointerAndItsIndex) {
  machine.enter();
  const Registers before = machine.cpu.registers();
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3));
  EXPECT_TRUE(machine.cpu.in_non_root());
  EXPECT_EQ(machine.at(vmcs::kEptPointer), kRoot | 0x1e);
  EXPECT_EQ(machine.at(vmcs::kEptpIndex), 3u);
  EXPECT_EQ(machine.cpu.registers().rip, before.rip + 3);
  EXPECT_EQ(machine.cpu.registers().rflags, before.rflags);
  EXPECT_EQ(machine.load(kGva).value, kOld);
}

TEST_F(EptpSwitching, LeavesTheIndexOfAProcessorWithoutVirtualizationExceptions) {
  VmxCapabilities capabilities;
  capabilities.secondary_controls &= ~secondary::kEptViolationVe.mask();
  VmxMachine plain(0, 4, capabilities);
  plain.set_up();
  plain.set(vmcs::kSecondaryControls, secondary::kVmFunctions);
  plain.vmcs.set(vmcs::kVmFunctionControls, 1);
  plain.vmcs.set(vmcs::kEptpListAddress, kList);
  plain.tables.memory.put(kList + 8 * 3, kRoot | 0x1e);
  plain.enter();
  EXPECT_TRUE(plain.cpu.vmfunc(0, 3));
  EXPECT_EQ(plain.at(vmcs::kEptPointer), kRoot | 0x1e);
  EXPECT_EQ(plain.at(vmcs::kEptpIndex), 0u);
}

TEST_F(EptpSwitching, WorksAtEveryPrivilegeLevel) {
  machine.enter();
  machine.cpu.set_code_segment(3, true);
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3));
}

TEST_F(EptpSwitching, ExitsForFunctionsIndicesAndEntriesThatAreNotThere) {
  list(0, 0);                  // no memory type, no length
  list(1, kRoot | 0x26);       // 5 levels, and the current one has 4
  list(2, kRoot | 0x11e);      // a reserved bit
  list(4, 1ull << 46 | 0x1e);  // beyond the physical address
  list(5, kRoot | 0x1d);       // a memory type that is neither UC nor WB
  const struct {
    std::uint32_t eax, ecx;
  } cases[] = {{0, 0}, {0, 1}, {0, 2}, {0, 4}, {0, 5}, {0, 512}, {0, 0x8000'0000}, {1, 3}, {63, 3}};
  for (const auto& [eax, ecx] : cases) {
    machine.vmcs.set(vmcs::kExitQualification, 99);
    machine.enter();
    EXPECT_TRUE(machine.cpu.vmfunc(eax, ecx).is_exit(ExitReason::kVmfunc)) << eax << ' ' << ecx;
    EXPECT_EQ(machine.reason(), 59u);
    EXPECT_EQ(machine.qualification(), 0u);
    EXPECT_EQ(machine.at(vmcs::kExitInstructionLength), 3u);
    EXPECT_EQ(machine.at(vmcs::kEptPointer), machine.tables.context.eptp);
    EXPECT_EQ(machine.at(vmcs::kEptpIndex), 0u);
  }
}

TEST_F(EptpSwitching, IsUndefinedOutsideAGuestWithoutItsControlAndFromFunction64On) {
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3).is_fault(Vector::kInvalidOpcode));
  machine.enter();
  EXPECT_TRUE(machine.cpu.vmfunc(64, 3).is_fault(Vector::kInvalidOpcode));
  machine.leave();
  machine.set(vmcs::kSecondaryControls, secondary::kVmFunctions, 0);
  machine.enter();
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3).is_fault(Vector::kInvalidOpcode));
}

TEST_F(EptpSwitching, ExitsIfTheFunctionIsNotEnabled) {
  machine.vmcs.set(vmcs::kVmFunctionControls, 0);
  machine.enter();
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3).is_exit(ExitReason::kVmfunc));
}

TEST_F(EptpSwitching, ANewEptFaultsAtTheNextAccessAndTheOldKeepsItsTranslations) {
  list(6, 0x40'0000 | 0x1e);  // empty tables
  machine.enter();
  EXPECT_EQ(machine.load(kGva).value, kOld);
  EXPECT_TRUE(machine.cpu.vmfunc(0, 6));
  EXPECT_TRUE(machine.load(kGva).is_exit(ExitReason::kEptViolation));
  machine.vmcs.set(vmcs::kEptPointer, machine.tables.context.eptp);
  machine.enter();
  machine.remap(page, kNew);
  EXPECT_TRUE(is_stale()) << "what was cached under the first EPTRTA is still there";
}

TEST_F(EptpSwitching, LeavesThePdpteRegisters) {
  machine.set(vmcs::kEntryControls, entry::kIa32eGuest, 0);
  machine.vmcs.set(vmcs::kGuestEfer, 0);
  for (unsigned i = 0; i < 4; ++i) machine.vmcs.set(vmcs::kGuestPdpte[i], 0x9001 + 0x1000 * i);
  machine.enter();
  EXPECT_TRUE(machine.cpu.vmfunc(0, 3));  // whose memory at CR3 holds no such entries
  machine.leave();
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(machine.at(vmcs::kGuestPdpte[i]), 0x9001u + 0x1000 * i) << i;
  }
}

TEST_F(EptpSwitching, WithoutAVpidItRemovesCombinedMappingsOfEveryRoot) {
  list(0, machine.tables.context.eptp);
  for (const bool vpid : {true, false}) {
    machine.set(vmcs::kSecondaryControls, secondary::kVpid, vpid);
    machine.enter();
    EXPECT_TRUE(machine.load(kGva));
    const std::uint64_t pte = machine.tables.guest_entry(kGva, 1);
    machine.tables.clear(pte, kP);
    EXPECT_TRUE(machine.cpu.vmfunc(0, 3));
    EXPECT_TRUE(machine.cpu.vmfunc(0, 0));
    EXPECT_EQ(static_cast<bool>(machine.load(kGva)), vpid);
    machine.tables.set(pte, kP);
    machine.leave();
  }
}

}  // namespace
}  // namespace eptsim::mmu
