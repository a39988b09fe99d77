#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "mmu_model/tests/vmx_machine.hpp"

namespace eptsim::mmu {
namespace {

using namespace test;
using Kind = Completion::Kind;

/// A change of a VMCS that VM entry accepts, and what VM entry then says.
struct Refusal {
  const char* name;
  std::function<void(VmxMachine&)> change;
  vmcs::Field field;
  const char* rule;  ///< a part of its words
};

void set_word(VmxMachine& m, vmcs::Field field, std::uint64_t value) { m.vmcs.set(field, value); }
void add(VmxMachine& m, vmcs::Field field, std::uint64_t bits) {
  m.vmcs.set(field, m.vmcs.get(field) | bits);
}
void without_ept(VmxMachine& m, BitField control) {
  m.set(vmcs::kSecondaryControls, secondary::kEpt, 0);
  m.set(vmcs::kSecondaryControls, secondary::kUnrestrictedGuest, 0);
  m.set(vmcs::kSecondaryControls, control);
}
void without_ept_tertiary(VmxMachine& m, BitField control) {
  m.set(vmcs::kSecondaryControls, secondary::kEpt, 0);
  m.set(vmcs::kSecondaryControls, secondary::kUnrestrictedGuest, 0);
  m.set(vmcs::kTertiaryControls, control);
}
void with_pointer(VmxMachine& m, BitField control, vmcs::Field field, std::uint64_t address) {
  m.set(vmcs::kSecondaryControls, control);
  m.vmcs.set(field, address);
}
void with_eptp_list(VmxMachine& m, std::uint64_t address) {
  with_pointer(m, secondary::kVmFunctions, vmcs::kEptpListAddress, address);
  m.vmcs.set(vmcs::kVmFunctionControls, 1);
}

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) { return out << refusal.name; }

class VmEntryControls : public testing::TestWithParam<Refusal> {};

TEST_P(VmEntryControls, AreRefusedWithTheirRule) {
  VmxMachine machine;
  machine.set_up();
  GetParam().change(machine);
  const Completion completion = machine.cpu.vmlaunch();
  EXPECT_EQ(completion.kind, Kind::kVmFailValid);
  EXPECT_EQ(completion.error, VmInstructionError::kInvalidControls);
  EXPECT_EQ(machine.at(vmcs::kInstructionError), 7u);
  EXPECT_EQ(machine.reason(), 0u) << "a VMfail is no VM exit";
  EXPECT_FALSE(machine.cpu.in_non_root());
  EXPECT_FALSE(machine.vmcs.is_launched());
  const auto& refusal = machine.cpu.entry_refusal();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->kind, VmEntryRefusal::Kind::kControls);
  EXPECT_EQ(refusal->field.name(), GetParam().field.name());
  EXPECT_NE(refusal->rule.find(GetParam().rule), std::string::npos) << refusal->rule;
  EXPECT_NE(refusal->rule.find("(SDM 29."), std::string::npos) << refusal->rule;
}

constexpr std::uint64_t kWide = 1ull << 46;  // MAXPHYADDR is 46

const Refusal kControls[] = {
    {"EptpType", [](VmxMachine& m) { set_word(m, vmcs::kEptPointer, 0x1000 | 3 << 3 | 1); },
     vmcs::kEptPointer, "memory type"},
    {"EptpLength", [](VmxMachine& m) { set_word(m, vmcs::kEptPointer, 0x1000 | 2 << 3 | 6); },
     vmcs::kEptPointer, "levels"},
    {"EptpShadowStack", [](VmxMachine& m) { add(m, vmcs::kEptPointer, 1 << 7); }, vmcs::kEptPointer,
     "bit 7"},
    {"EptpReserved8", [](VmxMachine& m) { add(m, vmcs::kEptPointer, 1 << 8); }, vmcs::kEptPointer,
     "11:8"},
    {"EptpReserved11", [](VmxMachine& m) { add(m, vmcs::kEptPointer, 1 << 11); }, vmcs::kEptPointer,
     "11:8"},
    {"EptpWide", [](VmxMachine& m) { add(m, vmcs::kEptPointer, kWide); }, vmcs::kEptPointer,
     "physical-address width"},
    {"EptpBit63", [](VmxMachine& m) { add(m, vmcs::kEptPointer, 1ull << 63); }, vmcs::kEptPointer,
     "physical-address width"},
    {"UnrestrictedGuest",
     [](VmxMachine& m) { m.set(vmcs::kSecondaryControls, secondary::kEpt, 0); },
     vmcs::kSecondaryControls, "unrestricted guest"},
    {"PmlWithoutEpt", [](VmxMachine& m) { without_ept(m, secondary::kPml); },
     vmcs::kSecondaryControls, "needs EPT"},
    {"MbecWithoutEpt", [](VmxMachine& m) { without_ept(m, secondary::kModeBasedExecute); },
     vmcs::kSecondaryControls, "needs EPT"},
    {"SppWithoutEpt", [](VmxMachine& m) { without_ept(m, secondary::kSubPagePermission); },
     vmcs::kSecondaryControls, "needs EPT"},
    {"HlatWithoutEpt", [](VmxMachine& m) { without_ept_tertiary(m, tertiary::kHlat); },
     vmcs::kTertiaryControls, "needs EPT"},
    {"PagingWriteWithoutEpt",
     [](VmxMachine& m) { without_ept_tertiary(m, tertiary::kPagingWrite); },
     vmcs::kTertiaryControls, "needs EPT"},
    {"VerificationWithoutEpt",
     [](VmxMachine& m) { without_ept_tertiary(m, tertiary::kGuestPagingVerification); },
     vmcs::kTertiaryControls, "needs EPT"},
    {"EptpSwitchingWithoutEpt",
     [](VmxMachine& m) {
       without_ept(m, secondary::kVmFunctions);
       set_word(m, vmcs::kVmFunctionControls, 1);
     },
     vmcs::kVmFunctionControls, "needs EPT"},
    {"VpidZero", [](VmxMachine& m) { set_word(m, vmcs::kVpid, 0); }, vmcs::kVpid, "0000H"},
    {"PmlUnaligned",
     [](VmxMachine& m) { with_pointer(m, secondary::kPml, vmcs::kPmlAddress, 0x1008); },
     vmcs::kPmlAddress, "4 KiB aligned"},
    {"PmlWide", [](VmxMachine& m) { with_pointer(m, secondary::kPml, vmcs::kPmlAddress, kWide); },
     vmcs::kPmlAddress, "physical-address width"},
    {"VeUnaligned",
     [](VmxMachine& m) {
       with_pointer(m, secondary::kEptViolationVe, vmcs::kVeInformationAddress, 0x800);
     },
     vmcs::kVeInformationAddress, "4 KiB aligned"},
    {"VeWide",
     [](VmxMachine& m) {
       with_pointer(m, secondary::kEptViolationVe, vmcs::kVeInformationAddress, kWide);
     },
     vmcs::kVeInformationAddress, "physical-address width"},
    {"SppUnaligned",
     [](VmxMachine& m) {
       with_pointer(m, secondary::kSubPagePermission, vmcs::kSppTablePointer, 1);
     },
     vmcs::kSppTablePointer, "4 KiB aligned"},
    {"SppWide",
     [](VmxMachine& m) {
       with_pointer(m, secondary::kSubPagePermission, vmcs::kSppTablePointer, kWide);
     },
     vmcs::kSppTablePointer, "physical-address width"},
    {"HlatReserved",
     [](VmxMachine& m) {
       m.set(vmcs::kTertiaryControls, tertiary::kHlat);
       set_word(m, vmcs::kHlatPointer, 0x1020);
     },
     vmcs::kHlatPointer, "11:5"},
    {"HlatWide",
     [](VmxMachine& m) {
       m.set(vmcs::kTertiaryControls, tertiary::kHlat);
       set_word(m, vmcs::kHlatPointer, kWide);
     },
     vmcs::kHlatPointer, "physical-address width"},
    {"EptpListUnaligned", [](VmxMachine& m) { with_eptp_list(m, 0x1010); }, vmcs::kEptpListAddress,
     "4 KiB aligned"},
    {"EptpListWide", [](VmxMachine& m) { with_eptp_list(m, kWide); }, vmcs::kEptpListAddress,
     "physical-address width"},
    {"VmFunctionReserved",
     [](VmxMachine& m) {
       with_eptp_list(m, 0x1000);
       set_word(m, vmcs::kVmFunctionControls, 3);
     },
     vmcs::kVmFunctionControls, "capability MSR"},
    {"MsrBitmapUnaligned",
     [](VmxMachine& m) {
       m.set(vmcs::kPrimaryControls, primary::kMsrBitmaps);
       set_word(m, vmcs::kMsrBitmapAddress, 0x10);
     },
     vmcs::kMsrBitmapAddress, "4 KiB aligned"},
    {"VirtualNmis", [](VmxMachine& m) { m.set(vmcs::kPinControls, pin::kVirtualNmis); },
     vmcs::kPinControls, "NMI exiting"},
    {"PrimaryMustBeOne", [](VmxMachine& m) { set_word(m, vmcs::kPrimaryControls, 1u << 31); },
     vmcs::kPrimaryControls, "capability MSR"},
    {"PinReserved", [](VmxMachine& m) { add(m, vmcs::kPinControls, 1u << 31); }, vmcs::kPinControls,
     "capability MSR"},
    {"SecondaryReserved", [](VmxMachine& m) { add(m, vmcs::kSecondaryControls, 1u << 31); },
     vmcs::kSecondaryControls, "capability MSR"},
    {"TertiaryReserved", [](VmxMachine& m) { add(m, vmcs::kTertiaryControls, 1ull << 40); },
     vmcs::kTertiaryControls, "capability MSR"},
    {"ExitReserved", [](VmxMachine& m) { add(m, vmcs::kExitControls, 1u << 31); },
     vmcs::kExitControls, "capability MSR"},
    {"EntryReserved", [](VmxMachine& m) { add(m, vmcs::kEntryControls, 1u << 31); },
     vmcs::kEntryControls, "capability MSR"},
};
std::string name_of(const testing::TestParamInfo<Refusal>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Each, VmEntryControls, testing::ValuesIn(kControls), name_of);

struct GuestRefusal {
  Refusal refusal;
  std::uint64_t qualification = 0;
};
std::ostream& operator<<(std::ostream& out, const GuestRefusal& r) { return out << r.refusal.name; }

class VmEntryGuestState : public testing::TestWithParam<GuestRefusal> {};

TEST_P(VmEntryGuestState, IsRefusedByExit33WithTheHostsStateLoaded) {
  VmxMachine machine;
  machine.set_up();
  machine.vmcs.set(vmcs::kHostCr3, 0x7000);
  GetParam().refusal.change(machine);
  const std::uint64_t cr3 = machine.at(vmcs::kGuestCr3);
  const Completion completion = machine.cpu.vmlaunch();
  EXPECT_TRUE(completion.is_exit(ExitReason::kInvalidGuestState));
  EXPECT_EQ(machine.reason(), 0x8000'0021u);
  EXPECT_EQ(machine.qualification(), GetParam().qualification);
  EXPECT_EQ(machine.at(vmcs::kGuestCr3), cr3) << "nothing of the guest is saved";
  EXPECT_EQ(machine.cpu.registers().cr3, 0x7000u);
  EXPECT_FALSE(machine.cpu.in_non_root());
  EXPECT_FALSE(machine.vmcs.is_launched());
  const auto& refusal = machine.cpu.entry_refusal();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->kind, VmEntryRefusal::Kind::kGuestState);
  EXPECT_EQ(refusal->field.name(), GetParam().refusal.field.name());
  EXPECT_NE(refusal->rule.find(GetParam().refusal.rule), std::string::npos) << refusal->rule;
}

void pae_guest(VmxMachine& m) {
  m.set(vmcs::kEntryControls, entry::kIa32eGuest, 0);
  set_word(m, vmcs::kGuestEfer, 0x800);
}

const GuestRefusal kGuestStates[] = {
    {{"Cr3Wide", [](VmxMachine& m) { add(m, vmcs::kGuestCr3, kWide); }, vmcs::kGuestCr3,
      "physical-address width"}},
    {{"PagingWithoutProtection", [](VmxMachine& m) { set_word(m, vmcs::kGuestCr0, 0x8000'0000); },
      vmcs::kGuestCr0, "PG needs PE"}},
    {{"NoPagingInARestrictedGuest",
      [](VmxMachine& m) {
        m.set(vmcs::kSecondaryControls, secondary::kUnrestrictedGuest, 0);
        m.set(vmcs::kEntryControls, entry::kIa32eGuest, 0);
        set_word(m, vmcs::kGuestEfer, 0);
        set_word(m, vmcs::kGuestCr0, 1);
      },
      vmcs::kGuestCr0, "unrestricted guest"}},
    {{"Cr0Wide", [](VmxMachine& m) { add(m, vmcs::kGuestCr0, 1ull << 32); }, vmcs::kGuestCr0,
      "63:32"}},
    {{"LongModeWithoutPae", [](VmxMachine& m) { set_word(m, vmcs::kGuestCr4, 0); }, vmcs::kGuestCr4,
      "PAE"}},
    {{"LongModeWithoutPaging", [](VmxMachine& m) { set_word(m, vmcs::kGuestCr0, 1); },
      vmcs::kGuestCr0, "PG"}},
    {{"LmaUnlikeTheControl",
      [](VmxMachine& m) { m.set(vmcs::kEntryControls, entry::kIa32eGuest, 0); }, vmcs::kGuestEfer,
      "IA-32e mode guest"}},
    {{"LmaWithoutLme", [](VmxMachine& m) { set_word(m, vmcs::kGuestEfer, 0x400); },
      vmcs::kGuestEfer, "LME"}},
    {{"EferReserved", [](VmxMachine& m) { add(m, vmcs::kGuestEfer, 2); }, vmcs::kGuestEfer,
      "reserved"}},
    {{"PcideOutsideLongMode",
      [](VmxMachine& m) {
        pae_guest(m);
        add(m, vmcs::kGuestCr4, 1 << 17);
      },
      vmcs::kGuestCr4, "PCIDE"}},
    {{"CetWithoutWp",
      [](VmxMachine& m) {
        set_word(m, vmcs::kGuestCr0, 0x8000'0001);
        add(m, vmcs::kGuestCr4, 1 << 23);
      },
      vmcs::kGuestCr4, "CET"}},
    {{"Cr4Reserved", [](VmxMachine& m) { add(m, vmcs::kGuestCr4, 1ull << 28); }, vmcs::kGuestCr4,
      "reserved"}},
    {{"PatReserved",
      [](VmxMachine& m) {
        m.set(vmcs::kEntryControls, entry::kLoadPat);
        set_word(m, vmcs::kGuestPat, 0x0007'0406'0007'0402);
      },
      vmcs::kGuestPat, "each byte"}},
    {{"PkrsWide",
      [](VmxMachine& m) {
        m.set(vmcs::kEntryControls, entry::kLoadPkrs);
        set_word(m, vmcs::kGuestPkrs, 1ull << 32);
      },
      vmcs::kGuestPkrs, "63:32"}},
    {{"RflagsFixed", [](VmxMachine& m) { set_word(m, vmcs::kGuestRflags, 0); }, vmcs::kGuestRflags,
      "bit 1"}},
    {{"Pdpte",
      [](VmxMachine& m) {
        pae_guest(m);
        set_word(m, vmcs::kGuestPdpte[2], 1 | 1 << 5);
      },
      vmcs::kGuestPdpte[0], "PDPTE"},
     2},
    {{"PdpteInMemoryWithoutEpt",
      [](VmxMachine& m) {
        pae_guest(m);
        m.set(vmcs::kSecondaryControls, secondary::kEpt, 0);
        m.set(vmcs::kSecondaryControls, secondary::kUnrestrictedGuest, 0);
        set_word(m, vmcs::kGuestCr3, 0x3000);
        m.tables.memory.put(0x3018, 1 | kWide);
      },
      vmcs::kGuestCr3, "PDPTE in memory"},
     2},
};
INSTANTIATE_TEST_SUITE_P(Each, VmEntryGuestState, testing::ValuesIn(kGuestStates),
                         [](const auto& test) { return std::string(test.param.refusal.name); });

TEST(VmEntry, RefusesHostStateWithError8) {
  const struct {
    vmcs::Field field;
    std::uint64_t value;
  } cases[] = {{vmcs::kHostCr0, 0},       {vmcs::kHostCr0, 1 | 1ull << 32},
               {vmcs::kHostCr3, kWide},   {vmcs::kHostCr4, 1ull << 28},
               {vmcs::kHostCr4, 1 << 17}, {vmcs::kHostCr4, 1 << 23},  // CET without CR0.WP
               {vmcs::kHostEfer, 0x500}};
  for (const auto& [field, value] : cases) {
    VmxMachine machine;
    machine.set_up();
    machine.vmcs.set(field, value);
    EXPECT_EQ(machine.cpu.vmlaunch().error, VmInstructionError::kInvalidHostState) << field.name();
    EXPECT_EQ(machine.cpu.entry_refusal()->field.name(), field.name());
  }
}

TEST(VmEntry, JudgesControlsBeforeHostStateAndGuestStateLast) {
  VmxMachine machine;
  machine.set_up();
  add(machine, vmcs::kEptPointer, 1 << 8);
  set_word(machine, vmcs::kHostCr0, 0);
  set_word(machine, vmcs::kGuestRflags, 0);
  EXPECT_EQ(machine.cpu.vmlaunch().error, VmInstructionError::kInvalidControls);
  set_word(machine, vmcs::kEptPointer, machine.tables.context.eptp);
  EXPECT_EQ(machine.cpu.vmlaunch().error, VmInstructionError::kInvalidHostState);
  set_word(machine, vmcs::kHostCr0, 1);
  EXPECT_TRUE(machine.cpu.vmlaunch().is_exit(ExitReason::kInvalidGuestState));
  set_word(machine, vmcs::kGuestRflags, 2);
  EXPECT_TRUE(machine.cpu.vmlaunch());
}

TEST(VmEntry, AsksForTheLaunchStateThatFits) {
  VmxMachine machine;
  machine.set_up();
  EXPECT_EQ(machine.cpu.vmresume().error, VmInstructionError::kVmresumeNotLaunched);
  EXPECT_TRUE(machine.cpu.vmlaunch());
  machine.leave();
  EXPECT_EQ(machine.cpu.vmlaunch().error, VmInstructionError::kVmlaunchNotClear);
  EXPECT_TRUE(machine.cpu.vmresume());
}

TEST(VmEntry, IgnoresSecondaryAndTertiaryControlsThatAreNotActivated) {
  VmxMachine machine;
  machine.set_up();
  machine.set(vmcs::kPrimaryControls, primary::kSecondary, 0);
  machine.set(vmcs::kPrimaryControls, primary::kTertiary, 0);
  set_word(machine, vmcs::kSecondaryControls, 0xffff'ffff);
  set_word(machine, vmcs::kTertiaryControls, ~0ull);
  set_word(machine, vmcs::kEptPointer, ~0ull);
  EXPECT_TRUE(machine.cpu.vmlaunch()) << machine.cpu.entry_refusal()->rule;
}

TEST(VmEntry, AsksForAVpidOnlyIfThereAreVpids) {
  VmxMachine machine;
  machine.set_up();
  machine.set(vmcs::kSecondaryControls, secondary::kVpid, 0);
  set_word(machine, vmcs::kVpid, 0);
  EXPECT_TRUE(machine.cpu.vmlaunch());
}

TEST(VmEntry, StartsGuestWalksFromTheHlatPointerAsThePrefixSizeSays) {
  constexpr std::uint64_t kGva = 0x7f12'3456'7000;  // bit 63 is 0
  for (const std::uint64_t prefix : {0, 1}) {
    VmxMachine machine;
    const PageAddress page = machine.tables.map(kGva);
    machine.set_up();
    machine.set(vmcs::kTertiaryControls, tertiary::kHlat);
    set_word(machine, vmcs::kHlatPointer, machine.tables.context.cr3);
    set_word(machine, vmcs::kHlatPrefixSize, prefix);
    set_word(machine, vmcs::kGuestCr3, page.gpa);  // no tables
    machine.enter();
    EXPECT_EQ(machine.load(kGva).is_fault(Vector::kPageFault), prefix != 0);
  }
}

TEST(VmEntry, LoadsThePkrsAndVmExitSavesItAndLoadsTheHosts) {
  constexpr std::uint64_t kGva = 0x7f12'3456'7000;
  for (const bool load : {false, true}) {
    VmxMachine machine;
    machine.tables.map(kGva);
    machine.tables.clear(machine.tables.guest_entry(kGva, 1), kU);
    machine.tables.context.cr4 |= 1 << 24;  // PKS
    machine.set_up();
    machine.set(vmcs::kEntryControls, entry::kLoadPkrs, load);
    machine.set(vmcs::kExitControls, exit_control::kLoadPkrs, load);
    set_word(machine, vmcs::kGuestPkrs, 1);  // key 0: no access
    set_word(machine, vmcs::kHostPkrs, 0xc);
    machine.enter();
    EXPECT_EQ(machine.load(kGva).is_fault(Vector::kPageFault), load);
    EXPECT_EQ(machine.cpu.registers().pkrs, load ? 1u : 0u);
    machine.leave();
    EXPECT_EQ(machine.at(vmcs::kGuestPkrs), load ? 1u : 0u);
    EXPECT_EQ(machine.cpu.registers().pkrs, load ? 0xcu : 0u);
  }
}

TEST(VmEntry, DoesNotWalkTheEpt) {
  VmxMachine machine;
  machine.set_up();
  set_word(machine, vmcs::kEptPointer, 0x3fff'ffff'f01e);  // nothing is there
  EXPECT_TRUE(machine.cpu.vmlaunch());
  EXPECT_TRUE(machine.load(0x1000).is_exit(ExitReason::kEptViolation));
}

TEST(VmEntry, RefusesWhatTheExitWouldLoadForTheHost) {
  const struct {
    BitField control;
    vmcs::Field field;
    std::uint64_t value;
  } cases[] = {{exit_control::kHost64Bit, vmcs::kHostCr4, 0},     // without PAE
               {exit_control::kHost64Bit, vmcs::kHostCr4, 0x20},  // without paging
               {exit_control::kLoadPat, vmcs::kHostPat, 2},
               {exit_control::kLoadPkrs, vmcs::kHostPkrs, 1ull << 32}};
  for (const auto& [control, field, value] : cases) {
    VmxMachine machine;
    machine.set_up();
    machine.vmcs.set(field, value);
    machine.enter();
    machine.leave();
    machine.set(vmcs::kExitControls, control);
    const Completion refused = machine.cpu.vmresume();
    EXPECT_EQ(refused.error, VmInstructionError::kInvalidHostState) << field.name();
    EXPECT_EQ(machine.cpu.entry_refusal()->field.name(), field.name());
  }
}

// SDM 29.3.2.1, 30.5.1.
TEST(VmEntry, LeavesCdAndNwAsTheyAreAndSoDoesVmExit) {
  constexpr std::uint64_t kCdNw = 3u << 29;
  VmxMachine machine;
  machine.set_up();
  const std::uint64_t cr0 = machine.at(vmcs::kGuestCr0);
  add(machine, vmcs::kGuestCr0, kCdNw);
  machine.enter();
  EXPECT_EQ(machine.cpu.registers().cr0, cr0);
  EXPECT_TRUE(machine.cpu.mov_to_cr0(cr0 | kCdNw));
  machine.leave();
  EXPECT_EQ(machine.at(vmcs::kGuestCr0), cr0 | kCdNw);
  EXPECT_EQ(machine.cpu.registers().cr0, 1 | kCdNw);
  set_word(machine, vmcs::kGuestCr0, cr0);
  machine.enter();
  EXPECT_EQ(machine.cpu.registers().cr0, cr0 | kCdNw);
}

TEST(VmEntry, TakesLmaFromTheControlIfItDoesNotLoadEfer) {
  VmxMachine machine;
  machine.set_up();
  machine.set(vmcs::kEntryControls, entry::kLoadEfer, 0);
  machine.enter();
  EXPECT_EQ(machine.cpu.registers().efer, 0x500u);
}

}  // namespace
}  // namespace eptsim::mmu
