#include "examples/simple_ept_vm/machine.hpp"

#include <gtest/gtest.h>

namespace eptsim::examples {
namespace {

using arch::Gpa;
using arch::Hpa;
using Kind = Instruction::Kind;
using Handling = Exit::Handling;

constexpr std::uint64_t kDevice = Machine::kDevice.value();

TEST(SimpleEptVm, MapsMemoryWhenTheGuestFirstTouchesIt) {
  Machine machine(64);
  const Instruction program[] = {{Kind::kLoad, 0x5008, 0, 3},
                                 {Kind::kStore, 0x5008, 0x1234, 7},
                                 {Kind::kStore, 0x6ff8, 0x5678, 7},
                                 {Kind::kLoad, 0x5008, 0, 3}};
  EXPECT_TRUE(machine.run(program));
  EXPECT_EQ(machine.loaded(), (std::vector<std::uint64_t>{0, 0x1234}));
  ASSERT_EQ(machine.exits().size(), 2u);
  EXPECT_EQ(machine.exits()[0].violation.qualification, 0x181u);
  EXPECT_EQ(machine.exits()[0].violation.gpa, Gpa(0x5008));
  EXPECT_EQ(machine.exits()[1].violation.qualification, 0x182u);
  EXPECT_EQ(machine.exits()[1].handling, Handling::kMapped);
  EXPECT_EQ(machine.rip(), Machine::kEntryPoint + 20);
}

TEST(SimpleEptVm, GivesAStoreToTheDeviceToTheDeviceAndLeavesMemoryUnchanged) {
  Machine machine(64);
  const auto page_before = machine.memory().read64(machine.device_page() + 0x10);
  const Instruction program[] = {{Kind::kStore, kDevice + 0x10, 0xbeef, 6}};
  EXPECT_TRUE(machine.run(program));
  ASSERT_EQ(machine.exits().size(), 1u);
  EXPECT_EQ(machine.exits()[0].violation.qualification, 0x18au);
  EXPECT_EQ(machine.exits()[0].violation.gpa, Gpa(kDevice + 0x10));
  EXPECT_EQ(machine.exits()[0].handling, Handling::kDeviceStore);
  EXPECT_EQ(machine.device_log(), std::vector<std::uint64_t>{0xbeef});
  EXPECT_EQ(machine.rip(), Machine::kEntryPoint + 6);
  EXPECT_EQ(machine.memory().read64(machine.device_page() + 0x10), page_before);
  EXPECT_EQ(machine.table().walk(Machine::kDevice)->mapping.permission(), ept::kReadOnly);
}

TEST(SimpleEptVm, LetsTheGuestReadTheDeviceWithoutAnExit) {
  Machine machine(64);
  const Instruction program[] = {{Kind::kLoad, kDevice, 0, 5}};
  EXPECT_TRUE(machine.run(program));
  EXPECT_TRUE(machine.exits().empty());
  EXPECT_EQ(machine.loaded(), std::vector<std::uint64_t>{0x600d});
}

TEST(SimpleEptVm, StopsTheGuestWhenMemoryRunsOut) {
  Machine machine(6);  // four tables, the device's page and one more
  const Instruction program[] = {{Kind::kStore, kDevice + 0x1000, 1, 7},
                                 {Kind::kStore, kDevice + 0x2000, 1, 7}};
  EXPECT_FALSE(machine.run(program));
  ASSERT_EQ(machine.exits().size(), 2u);
  EXPECT_EQ(machine.exits()[1].handling, Handling::kStopped);
  EXPECT_EQ(machine.rip(), Machine::kEntryPoint + 7);
  EXPECT_THROW(Machine(4), std::invalid_argument);
}

}  // namespace
}  // namespace eptsim::examples
