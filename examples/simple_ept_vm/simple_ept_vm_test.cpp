#include <gtest/gtest.h>

#include <algorithm>

#include "examples/simple_ept_vm/hypervisor.hpp"

namespace eptsim::examples {
namespace {

using arch::ExitReason;
using arch::Gpa;
using Kind = Operation::Kind;

constexpr Operation kHlt{Kind::kHlt};

TEST(SimpleEptVm, MapsMemoryWhenTheGuestFirstTouchesIt) {
  Hypervisor vm(DirtyLogging::kOff);
  const Operation program[] = {{Kind::kLoad, 0x5008},
                               {Kind::kStore, 0x5008, 0x1234},
                               {Kind::kStore, 0x6ff8, 0x5678},
                               {Kind::kLoad, 0x5008},
                               kHlt};
  EXPECT_TRUE(vm.run(program));
  EXPECT_EQ(vm.loaded(), (std::vector<std::uint64_t>{0, 0x1234}));
  ASSERT_EQ(vm.exits().size(), 3u);
  EXPECT_EQ(vm.exits()[0].qualification, 0x181u);
  EXPECT_EQ(vm.exits()[0].gpa, 0x5008u);
  EXPECT_EQ(vm.exits()[1].qualification, 0x182u);
  EXPECT_EQ(vm.exits()[1].gpa, 0x6ff8u);
  EXPECT_EQ(vm.exits()[2].reason, ExitReason::kHlt);
  const auto leaf = vm.table().walk(Gpa(0x5008));
  ASSERT_TRUE(leaf);
  EXPECT_EQ(vm.memory().read64(leaf->hpa_of(Gpa(0x5008))), 0x1234u);
}

TEST(SimpleEptVm, GivesAStoreToTheDeviceToTheDeviceAndLeavesMemoryUnchanged) {
  Hypervisor vm(DirtyLogging::kOff);
  const Operation program[] = {
      {Kind::kStore, kDevice + 0x10, 0xbeef}, {Kind::kLoad, kDevice}, kHlt};
  EXPECT_TRUE(vm.run(program));
  ASSERT_EQ(vm.exits().size(), 2u) << "the load does not exit";
  EXPECT_EQ(vm.exits()[0].qualification, 0x18au);
  EXPECT_EQ(vm.exits()[0].gpa, kDevice + 0x10);
  EXPECT_EQ(vm.exits()[0].rip, Hypervisor::kEntryPoint);
  EXPECT_EQ(vm.exits()[1].rip, Hypervisor::kEntryPoint + 7 + 5) << "past a store and a load";
  EXPECT_EQ(vm.device_log(), std::vector<std::uint64_t>{0xbeef});
  EXPECT_EQ(vm.loaded(), std::vector<std::uint64_t>{0x600d});
  const auto leaf = vm.table().walk(Gpa(kDevice));
  ASSERT_TRUE(leaf);
  EXPECT_EQ(leaf->mapping.permission(), ept::kReadOnly);
  EXPECT_EQ(vm.memory().read64(leaf->hpa_of(Gpa(kDevice + 0x10))), 0u);
}

TEST(SimpleEptVm, StopsTheGuestWhereThereIsNoMemory) {
  Hypervisor vm(DirtyLogging::kOff);
  const Operation program[] = {{Kind::kStore, Hypervisor::kGuestBytes, 1}, kHlt};
  EXPECT_FALSE(vm.run(program));
  EXPECT_EQ(vm.exits().size(), 1u);
}

TEST(SimpleEptVm, StopsTheGuestWhenMemoryRunsOut) {
  // The root, two pages of the hypervisor's own, the device's page and three tables; then one page
  // and two tables.
  Hypervisor vm(DirtyLogging::kOff, 10);
  const Operation program[] = {{Kind::kStore, 0x1000, 1}, {Kind::kStore, 0x2000, 1}, kHlt};
  EXPECT_FALSE(vm.run(program));
  EXPECT_EQ(vm.exits().size(), 2u);
  EXPECT_FALSE(vm.table().walk(Gpa(0x2000)));
  EXPECT_THROW(Hypervisor(DirtyLogging::kOff, 6), std::runtime_error);
}

TEST(SimpleEptVm, StopsAGuestThatFaults) {
  Hypervisor vm(DirtyLogging::kOff);
  const Operation program[] = {{Kind::kMovToCr, 0, 0x8000'0000}, kHlt};  // PG without PE
  EXPECT_FALSE(vm.run(program));
}

/// A hypervisor whose guest has lived to its end, with the last phase logged.
struct Life {
  explicit Life(DirtyLogging logging) : vm(logging) {
    const std::vector<Phase> guest = make_guest();
    for (std::size_t i = 0; i < guest.size(); ++i) {
      if (i + 1 == guest.size()) {
        vm.start_logging();
        exits_before = vm.exits().size();
      }
      EXPECT_TRUE(vm.run(guest[i].operations)) << guest[i].name;
    }
    written = vm.stop_logging();
  }
  std::uint64_t exits(ExitReason reason) const {
    return static_cast<std::uint64_t>(
        std::count_if(vm.exits().begin() + static_cast<std::ptrdiff_t>(exits_before),
                      vm.exits().end(), [&](const Exit& exit) { return exit.reason == reason; }));
  }
  Hypervisor vm;
  std::size_t exits_before = 0;
  std::set<Gpa> written;
};

/// Where the guest has put its heap's page.
Gpa heap_page(std::uint64_t index) { return Gpa(0x100'0000 + index * 7 % kHeapPages * 4096); }

TEST(SimpleEptVm, RunsTheGuestFromRealModeToPagesOf4KiB) {
  Life life(DirtyLogging::kOff);
  EXPECT_TRUE(life.written.empty());
  EXPECT_EQ(life.vm.device_log(), (std::vector<std::uint64_t>{'R', 'L'}));
  for (const std::uint64_t index : {0u, 1u, 300u, kPagesWritten - 1}) {
    const auto leaf = life.vm.table().walk(heap_page(index));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(life.vm.memory().read64(leaf->mapping.hpa), index);
    EXPECT_EQ(life.vm.memory().read64(leaf->mapping.hpa + 8), index);
  }
}

TEST(SimpleEptVm, BothWaysOfDirtyLoggingFindThePagesWrittenAndNoOthers) {
  Life pml(DirtyLogging::kPml);
  Life protection(DirtyLogging::kWriteProtection);
  EXPECT_EQ(pml.written, protection.written);
  for (std::uint64_t index = 0; index < kHeapPages; ++index) {
    EXPECT_EQ(pml.written.contains(heap_page(index)), index < kPagesWritten) << index;
  }
  // Beside the heap, the guest's tables: with EPT accessed and dirty flags a walk writes them.
  const auto others = std::count_if(pml.written.begin(), pml.written.end(),
                                    [](Gpa page) { return page < kHeapMemory; });
  EXPECT_EQ(pml.written.size(), kPagesWritten + static_cast<std::size_t>(others));
  EXPECT_GE(others, 4) << "a table of each level";
  EXPECT_LE(others, 6);
}

TEST(SimpleEptVm, LoggingByTheProcessorSavesTheExits) {
  const Life off(DirtyLogging::kOff);
  const Life pml(DirtyLogging::kPml);
  const Life protection(DirtyLogging::kWriteProtection);
  EXPECT_EQ(off.exits(ExitReason::kEptViolation), 0u);
  EXPECT_EQ(pml.exits(ExitReason::kEptViolation), 0u);
  EXPECT_EQ(pml.exits(ExitReason::kPmlFull), pml.written.size() / 512);
  EXPECT_EQ(protection.exits(ExitReason::kEptViolation), protection.written.size());
}

}  // namespace
}  // namespace eptsim::examples
