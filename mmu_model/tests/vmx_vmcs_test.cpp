#include <gtest/gtest.h>

#include <set>

#include "mmu_model/tests/vmx_machine.hpp"

namespace eptsim::mmu {
namespace {

using namespace test;
using Kind = Completion::Kind;

// The encodings of section 19 and of appendix B, written down a second time.
TEST(VmcsFields, HaveTheEncodingsOfTheManual) {
  const struct {
    const char* name;
    unsigned encoding;
  } fields[] = {
      {"VPID", 0x0000},
      {"EPTP_INDEX", 0x0004},
      {"HLAT_PREFIX_SIZE", 0x0006},
      {"PML_INDEX", 0x0812},
      {"PML_ADDRESS", 0x200e},
      {"VM_FUNCTION_CONTROLS", 0x2018},
      {"EPT_POINTER", 0x201a},
      {"EPTP_LIST_ADDRESS", 0x2024},
      {"VE_INFORMATION_ADDRESS", 0x202a},
      {"SPP_TABLE_POINTER", 0x2030},
      {"TERTIARY_CONTROLS", 0x2034},
      {"HLAT_POINTER", 0x2040},
      {"GUEST_PHYSICAL_ADDRESS", 0x2400},
      {"GUEST_PDPTE3", 0x2810},
      {"PRIMARY_CONTROLS", 0x4002},
      {"EXCEPTION_BITMAP", 0x4004},
      {"PAGE_FAULT_MATCH", 0x4008},
      {"SECONDARY_CONTROLS", 0x401e},
      {"INSTRUCTION_ERROR", 0x4400},
      {"EXIT_REASON", 0x4402},
      {"IDT_VECTORING_INFORMATION", 0x4408},
      {"EXIT_INSTRUCTION_LENGTH", 0x440c},
      {"EXIT_QUALIFICATION", 0x6400},
      {"GUEST_LINEAR_ADDRESS", 0x640a},
      {"GUEST_CR0", 0x6800},
      {"GUEST_CR4", 0x6804},
  };
  for (const auto& [name, encoding] : fields) {
    const auto field = vmcs::find(encoding);
    ASSERT_TRUE(field) << name;
    EXPECT_EQ(field->name(), name);
  }
}

TEST(VmcsFields, HaveEachItsOwnNameAndAnEvenEncoding) {
  std::set<std::string_view> names;
  std::set<unsigned> encodings;
  for (const vmcs::FieldFact& fact : vmcs::kFields) {
    EXPECT_TRUE(names.insert(fact.name).second) << fact.name;
    EXPECT_TRUE(encodings.insert(fact.encoding).second) << fact.name;
    EXPECT_EQ(fact.encoding & 1, 0) << fact.name;
  }
}

TEST(Vmcs, KeepsAsManyBitsAsAFieldHas) {
  Vmcs vmcs;
  constexpr std::uint64_t kOnes = ~0ull;
  for (const auto& [encoding, expected] : {std::pair<unsigned, std::uint64_t>{0x0000, 0xffff},
                                           {0x4002, 0xffff'ffff},
                                           {0x201a, kOnes},
                                           {0x6800, kOnes}}) {
    EXPECT_TRUE(vmcs.vmwrite(encoding, kOnes));
    EXPECT_EQ(vmcs.vmread(encoding).value, expected) << std::hex << encoding;
  }
}

TEST(Vmcs, ReadsAndWritesTheHighHalfOfA64BitFieldByTheNextEncoding) {
  Vmcs vmcs;
  EXPECT_TRUE(vmcs.vmwrite(0x201a, 0x1111'2222'3333'4444));
  EXPECT_EQ(vmcs.vmread(0x201b).value, 0x1111'2222u);
  EXPECT_TRUE(vmcs.vmwrite(0x201b, 0xaaaa'bbbb'cccc'dddd));
  EXPECT_EQ(vmcs.vmread(0x201a).value, 0xcccc'dddd'3333'4444u);
}

TEST(Vmcs, KnowsNoHighHalfOfOtherFieldsAndNoOtherEncoding) {
  Vmcs vmcs;
  for (const std::uint64_t encoding :
       {std::uint64_t{0x0001}, std::uint64_t{0x4003}, std::uint64_t{0x6801}, std::uint64_t{0x0002},
        std::uint64_t{0x7ffe}, std::uint64_t{0x1'0000'201a}}) {
    EXPECT_EQ(vmcs.vmread(encoding).result.error, VmInstructionError::kUnsupportedField);
    EXPECT_EQ(vmcs.vmwrite(encoding, 1).error, VmInstructionError::kUnsupportedField);
  }
}

TEST(Vmcs, RefusesToWriteExitInformationUnlessTheProcessorWritesAnyField) {
  for (const unsigned encoding : {0x2400u, 0x2401u, 0x4400u, 0x4402u, 0x440cu, 0x6400u, 0x640au}) {
    Vmcs vmcs;
    EXPECT_EQ(vmcs.vmwrite(encoding, 5), VmxResult::fail(VmInstructionError::kReadOnlyField));
    EXPECT_EQ(vmcs.vmread(encoding).value, 0u);
    EXPECT_TRUE(vmcs.vmwrite(encoding, 5, true));
    EXPECT_EQ(vmcs.vmread(encoding).value, 5u);
  }
}

TEST(VmxInstructions, FailWithoutANumberAsLongAsThereIsNoCurrentVmcs) {
  WordMemory memory;
  LogicalProcessor cpu({}, {}, memory);
  ASSERT_TRUE(cpu.vmxon());
  EXPECT_EQ(cpu.vmread(0x4002).kind, Kind::kVmFailInvalid);
  EXPECT_EQ(cpu.vmwrite(0x4002, 0).kind, Kind::kVmFailInvalid);
  EXPECT_EQ(cpu.vmlaunch().kind, Kind::kVmFailInvalid);
  EXPECT_EQ(cpu.invept(0, 0x5000).kind, Kind::kVmFailInvalid);
}

TEST(VmxInstructions, NoteTheNumberOfTheirFailureInTheVmcs) {
  VmxMachine machine;
  const Completion write = machine.cpu.vmwrite(0x4402, 1);
  EXPECT_EQ(write.kind, Kind::kVmFailValid);
  EXPECT_EQ(write.error, VmInstructionError::kReadOnlyField);
  EXPECT_EQ(machine.cpu.vmread(0x4400).value, 13u);
  EXPECT_EQ(machine.cpu.vmread(0x7ffe).kind, Kind::kVmFailValid);
  EXPECT_EQ(machine.cpu.vmread(0x4400).value, 12u);
  EXPECT_TRUE(machine.cpu.vmwrite(0x4002, 7));
  EXPECT_EQ(machine.cpu.vmread(0x4002).value, 7u);
  EXPECT_EQ(machine.cpu.vmread(0x4400).value, 12u) << "success leaves the number";
  EXPECT_EQ(machine.cpu.vmxon().error, VmInstructionError::kVmxonInRoot);
  EXPECT_EQ(machine.cpu.vmcall().error, VmInstructionError::kVmcallInRoot);
}

TEST(VmxInstructions, AreUndefinedOutsideVmxOperationAndInRealAndCompatibilityMode) {
  WordMemory memory;
  LogicalProcessor off({}, {}, memory);
  EXPECT_TRUE(off.vmread(0).is_fault(Vector::kInvalidOpcode));
  EXPECT_TRUE(off.invept(1, 0).is_fault(Vector::kInvalidOpcode));
  EXPECT_TRUE(off.invvpid(0, 0).is_fault(Vector::kInvalidOpcode));
  EXPECT_TRUE(off.vmcall().is_fault(Vector::kInvalidOpcode));

  Registers real;
  real.cr0 = 0;
  EXPECT_TRUE(LogicalProcessor({}, {}, memory, real).vmxon().is_fault(Vector::kInvalidOpcode));

  Registers compatibility;
  compatibility.cr0 = 0x8000'0001;
  compatibility.cr4 = 0x20;
  compatibility.efer = 0x500;
  LogicalProcessor cpu({}, {}, memory, compatibility);
  EXPECT_TRUE(cpu.vmxon().is_fault(Vector::kInvalidOpcode));
  cpu.set_code_segment(0, true);
  EXPECT_TRUE(cpu.vmxon());
  cpu.set_code_segment(3, true);
  EXPECT_TRUE(cpu.invept(1, 0).is_fault(Vector::kGeneralProtection));
  EXPECT_TRUE(cpu.vmxoff().is_fault(Vector::kGeneralProtection));
  cpu.set_code_segment(0, true);
  EXPECT_TRUE(cpu.vmxoff());
  EXPECT_TRUE(cpu.vmxoff().is_fault(Vector::kInvalidOpcode));
}

TEST(VmxCapabilities, HaveTheBaselineValueWithoutTheNewerFeatures) {
  VmxCapabilities plain;
  plain.tertiary_controls = 0;
  plain.cpu.page_1g = false;
  // The manual's plain value, 0xf01'06114141, and what is always there: 5 levels (bit 7) and
  // accessed and dirty flags (bit 21).
  EXPECT_EQ(capability_msr(plain, 0x48c), 0x0000'0f01'0631'41c1u);
  VmxCapabilities all;
  all.cpu.advanced_exit_info = all.cpu.supervisor_shadow_stack = true;
  EXPECT_EQ(capability_msr(all, 0x48c), 0x0001'0f01'06f3'41c1u);
  EXPECT_EQ(capability_msr(all, 0x491), 1u);
  EXPECT_EQ(*capability_msr(all, 0x48b) >> 32 & 0x22, 0x22u) << "EPT and VPID may be 1";
  EXPECT_EQ(*capability_msr(all, 0x48b) & 0xffff'ffff, 0u) << "nothing must be 1";
  EXPECT_EQ(capability_msr(all, 0x10), std::nullopt);
}

TEST(VmxCapabilities, LeaveOutInstructionsThatAProcessorHasNot) {
  VmxCapabilities none;
  none.invalidations = 0;
  VmxMachine machine(4, 4, none);
  EXPECT_TRUE(machine.cpu.invept(1, 0).is_fault(Vector::kInvalidOpcode));
  EXPECT_TRUE(machine.cpu.invvpid(1, 0).is_fault(Vector::kInvalidOpcode));
}

}  // namespace
}  // namespace eptsim::mmu
