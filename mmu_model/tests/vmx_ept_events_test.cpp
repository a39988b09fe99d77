#include <gtest/gtest.h>

#include "mmu_model/tests/vmx_machine.hpp"

/// Page-modification logging, virtualization exceptions and sub-page permissions as a guest and its
/// hypervisor see them.
namespace eptsim::mmu {
namespace {

using namespace test;
constexpr std::uint64_t kGva = 0x7f12'3456'7000;

/// A guest in long mode with one page.
class VmxEptEvents : public testing::Test {
 protected:
  VmxEptEvents() {
    page = machine.tables.map(kGva);
    machine.set_up();
  }
  void clear_leaf(std::uint64_t bits) {
    machine.tables.clear(machine.tables.ept_entry(page.gpa, 1), bits);
  }
  VmxMachine machine;
  PageAddress page;
};

TEST_F(VmxEptEvents, LoggingCountsTheIndexFieldDownAndExitsWhenTheLogIsFull) {
  constexpr std::uint64_t kLog = 0x8000;
  machine.tables.context.eptp |= 1 << 6;
  machine.set_up();
  machine.set(vmcs::kSecondaryControls, secondary::kPml);
  machine.vmcs.set(vmcs::kPmlAddress, kLog);
  machine.vmcs.set(vmcs::kPmlIndex, 0);
  // So that the data page alone has a flag to set.
  for (unsigned level = 1; level <= 4; ++level) {
    const std::uint64_t table = machine.tables.guest_entry_gpa(kGva, level);
    for (unsigned ept = 1; ept <= 4; ++ept) {
      machine.tables.set(machine.tables.ept_entry(table, ept), kEptA | (ept == 1 ? kEptD : 0));
    }
  }
  machine.enter();
  EXPECT_TRUE(machine.store(kGva + 0x18, 1));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 0xffffu);
  EXPECT_EQ(machine.tables.memory.at(kLog), page.gpa);
  EXPECT_TRUE(machine.store(kGva + 0x20, 2)) << "no flag changes";

  const PageAddress other = machine.tables.map(kGva + 0x1000);
  const Completion full = machine.store(other.gva + 8, 3);
  EXPECT_TRUE(full.is_exit(ExitReason::kPmlFull));
  EXPECT_EQ(machine.reason(), 62u);
  EXPECT_EQ(machine.qualification(), 0u);
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 0xffffu);
  EXPECT_EQ(machine.tables.memory.at(other.hpa + 8), 0u);
  machine.vmcs.set(vmcs::kPmlIndex, 511);
  machine.enter();
  EXPECT_TRUE(machine.store(other.gva + 8, 3));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 510u);
  EXPECT_EQ(machine.tables.memory.at(kLog + 511 * 8), other.gpa);
}

// Whatever a walk ends in, what it has logged on its way counts.
TEST_F(VmxEptEvents, TheIndexFieldCountsThePagesThatAFailingWalkLogged) {
  constexpr std::uint64_t kLog = 0x8000;
  machine.tables.context.eptp |= 1 << 6;
  machine.set_up();
  machine.set(vmcs::kSecondaryControls, secondary::kPml);
  machine.set(vmcs::kSecondaryControls, secondary::kEptViolationVe);
  machine.vmcs.set(vmcs::kVeInformationAddress, 0x9000);
  machine.vmcs.set(vmcs::kPmlAddress, kLog);
  machine.vmcs.set(vmcs::kPmlIndex, 511);
  machine.enter();
  EXPECT_TRUE(machine.load(0x1000).is_fault(Vector::kPageFault));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 510u) << "the guest's PML4 page";
  clear_leaf(kR | kW | kX);
  EXPECT_TRUE(machine.load(kGva).is_fault(Vector::kVirtualization));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 507u) << "and the three beneath it";
  EXPECT_TRUE(machine.load(kGva).is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 507u) << "dirty by now";

  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 14);
  const PageAddress other = machine.tables.map(0x1234'5678'9000);
  machine.tables.clear(machine.tables.guest_entry(other.gva, 1), kP);
  machine.enter();
  EXPECT_TRUE(machine.load(other.gva).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kPmlIndex), 504u);
}

class VirtualizationException : public VmxEptEvents {
 protected:
  static constexpr std::uint64_t kInformation = 0x9000;
  VirtualizationException() {
    machine.set(vmcs::kSecondaryControls, secondary::kEptViolationVe);
    machine.vmcs.set(vmcs::kVeInformationAddress, kInformation);
    machine.vmcs.set(vmcs::kEptpIndex, 77);
    clear_leaf(kW);
  }
};

TEST_F(VirtualizationException, IsTheGuestsOnceAndExitsUntilItIsArmedAgain) {
  machine.enter();
  const Completion store = machine.store(kGva + 0x28, 1);
  EXPECT_TRUE(store.is_fault(Vector::kVirtualization));
  EXPECT_EQ(store.fault.error_code, std::nullopt);
  EXPECT_EQ(machine.tables.memory.at(kInformation), 0xffff'ffff'0000'0030u);
  EXPECT_EQ(machine.tables.memory.at(kInformation + 8), 0x1aau);
  EXPECT_EQ(machine.tables.memory.at(kInformation + 16), kGva + 0x28);
  EXPECT_EQ(machine.tables.memory.at(kInformation + 24), page.gpa + 0x28);
  EXPECT_EQ(machine.tables.memory.at(kInformation + 32), 77u);
  EXPECT_TRUE(machine.store(kGva + 0x28, 1).is_exit(ExitReason::kEptViolation));
  machine.tables.memory.put(kInformation, 0);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva + 0x28, 1).is_fault(Vector::kVirtualization));
}

TEST_F(VirtualizationException, ExitsIfTheExceptionBitmapSaysSo) {
  machine.vmcs.set(vmcs::kExceptionBitmap, 1 << 20);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva, 1).is_exit(ExitReason::kException));
  EXPECT_EQ(machine.at(vmcs::kExitInterruptionInformation), 0x8000'0314u);
  EXPECT_EQ(machine.tables.memory.at(kInformation) & 0xffff'ffff, 48u)
      << "the information is written first";
}

TEST_F(VirtualizationException, DoesNotArriveWhileAnEventIsDelivered) {
  machine.enter();
  EXPECT_TRUE(machine.cpu
                  .access({.kind = AccessKind::kWrite,
                           .address = kGva,
                           .delivering = Event{.vector = Vector::kPageFault, .error_code = 0}})
                  .is_exit(ExitReason::kEptViolation));
  EXPECT_EQ(machine.tables.memory.at(kInformation), 0u);
}

TEST_F(VirtualizationException, TellsTheIndexThatEptpSwitchingLeft) {
  constexpr std::uint64_t kList = 0x7000;
  machine.set(vmcs::kSecondaryControls, secondary::kVmFunctions);
  machine.vmcs.set(vmcs::kVmFunctionControls, 1);
  machine.vmcs.set(vmcs::kEptpListAddress, kList);
  machine.tables.memory.put(kList + 8 * 5, machine.tables.context.eptp);
  machine.enter();
  EXPECT_TRUE(machine.cpu.vmfunc(0, 5));
  EXPECT_TRUE(machine.store(kGva, 1).is_fault(Vector::kVirtualization));
  EXPECT_EQ(machine.tables.memory.at(kInformation + 32), 5u);
}

TEST(DeliveryWithoutEpt, IsTranslatedByThePdpteRegistersThoughTheControlForExceptionsIsOn) {
  VmxMachine native(0, 0);
  WordMemory& memory = native.tables.memory;
  native.tables.context.cr0 = 0x8000'0001;
  native.tables.context.cr3 = 0x3000;
  native.tables.context.cr4 = 0x20;
  memory.put(0x3000, 0xb000 | kP);
  memory.put(0xb000, 0xc000 | kP);
  memory.put(0xc000, 0xd000 | kP);
  memory.put(0xd000, 4711);
  native.set_up();
  native.set(vmcs::kSecondaryControls, secondary::kEptViolationVe);
  native.enter();
  const Completion load =
      native.cpu.access({.address = 0, .delivering = Event{.vector = Vector::kInvalidOpcode}});
  EXPECT_EQ(load.value, 4711u);
}

TEST_F(VmxEptEvents, ASubPageMissReportsBothAddresses) {
  machine.set(vmcs::kSecondaryControls, secondary::kSubPagePermission);
  machine.vmcs.set(vmcs::kSppTablePointer, 0xa000);
  clear_leaf(kW);
  machine.tables.set(machine.tables.ept_entry(page.gpa, 1), 1ull << 61);
  machine.enter();
  EXPECT_TRUE(machine.store(kGva + 0x80, 1).is_exit(ExitReason::kSppEvent));
  EXPECT_EQ(machine.reason(), 66u);
  EXPECT_EQ(machine.qualification(), 0x800u);
  EXPECT_EQ(machine.at(vmcs::kGuestPhysicalAddress), page.gpa + 0x80);
  EXPECT_EQ(machine.at(vmcs::kGuestLinearAddress), kGva + 0x80);
}

}  // namespace
}  // namespace eptsim::mmu
