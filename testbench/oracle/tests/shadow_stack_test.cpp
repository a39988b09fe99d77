#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kUserStack = 0x65;        // P, U/S, A, D; R/W = 0
constexpr std::uint64_t kSupervisorStack = 0x61;  // P, A, D; R/W = 0
constexpr std::uint64_t kBit60 = std::uint64_t{1} << 60;

World stack_world(std::uint64_t leaf, std::uint64_t ept_leaf = kEptRwx) {
  World world(4, 4);
  world.state.cr4 |= kCr4Cet;
  world.map_guest(kGva, kGpa, 1, leaf);
  world.map_ept(kGpa, kGpa, 1, ept_leaf);
  return world;
}

TEST(ShadowStack, AShadowStackPageIsReadOnlyDirtyAndOfTheSamePrivilege) {
  struct Case {
    std::uint64_t leaf;
    bool user;
    bool translated;
  };
  for (const Case& c : {Case{kUserStack, true, true}, Case{kUserStack, false, false},
                        Case{kSupervisorStack, false, true}, Case{kSupervisorStack, true, false},
                        Case{kGuestUser, true, false}, Case{kGuestSupervisor, false, false},
                        Case{0x25, true, false}, Case{0x21, false, false}}) {
    for (const Kind kind : {Kind::kShadowStackRead, Kind::kShadowStackWrite}) {
      World world = stack_world(c.leaf);
      const Result result = world.run(kind, c.user);
      EXPECT_EQ(result.outcome == Outcome::kTranslated, c.translated) << std::hex << c.leaf;
      if (c.translated) continue;
      const std::uint32_t expected =
          0x41U | (kind == Kind::kShadowStackWrite ? 2U : 0U) | (c.user ? 4U : 0U);
      EXPECT_EQ(result.error_code, expected);
    }
  }
}

TEST(ShadowStack, TheEntriesAboveMustBeWritable) {
  for (unsigned level = 2; level <= 4; ++level) {
    World world = stack_world(kUserStack);
    const std::uint64_t above = world.guest_entry(kGva, level);
    world.put(above, world.at(above) & ~std::uint64_t{2});
    EXPECT_EQ(world.run(Kind::kShadowStackRead, true).error_code, 0x45U);
  }
}

TEST(ShadowStack, AnAbsentPageReportsTheKindOfAccess) {
  World world = stack_world(0);
  EXPECT_EQ(world.run(Kind::kShadowStackWrite, true).error_code, 0x46U);
}

TEST(ShadowStack, ProtectionKeysApplyAndSmapDoesNot) {
  World user = stack_world(kUserStack);
  user.state.cr4 |= kCr4Pke;
  user.state.pkru = 2;
  EXPECT_EQ(user.run(Kind::kShadowStackRead, true).outcome, Outcome::kTranslated);
  EXPECT_EQ(user.run(Kind::kShadowStackWrite, true).error_code, 0x67U);
  World supervisor = stack_world(kSupervisorStack);
  supervisor.state.cr4 |= kCr4Smap | kCr4Pks;
  EXPECT_EQ(supervisor.run(Kind::kShadowStackWrite).outcome, Outcome::kTranslated);
  supervisor.state.pkrs = 1;
  EXPECT_EQ(supervisor.run(Kind::kShadowStackRead).error_code, 0x61U);
}

TEST(ShadowStack, WithoutSupervisorControlTheEptTreatsItAsDataAndSetsBit13) {
  World world = stack_world(kSupervisorStack, 0x31);
  EXPECT_EQ(world.run(Kind::kShadowStackRead).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.run(Kind::kShadowStackWrite).qualification, 0x218aU);
  world.map_ept(kGpa, kGpa, 1, 0x34);
  EXPECT_EQ(world.run(Kind::kShadowStackRead).qualification, 0x21a1U);
}

TEST(ShadowStack, SupervisorControlAsksForBit60InsteadOfWriteInTheLeaf) {
  const auto controlled = [](std::uint64_t leaf, std::uint64_t ept_leaf) {
    World world = stack_world(leaf, ept_leaf);
    world.state.cpu.supervisor_shadow_stack = true;
    *world.state.eptp |= 0x80;
    return world;
  };
  World allowed = controlled(kSupervisorStack, 0x31 | kBit60);
  EXPECT_EQ(allowed.run(Kind::kShadowStackWrite).outcome, Outcome::kTranslated);
  EXPECT_EQ(allowed.run(Kind::kWrite).outcome, Outcome::kPageFault);

  World without_bit = controlled(kSupervisorStack, kEptRwx);
  EXPECT_EQ(without_bit.run(Kind::kShadowStackRead).qualification, 0x21b9U);

  World not_readable = controlled(kSupervisorStack, 0x34 | kBit60);
  EXPECT_EQ(not_readable.run(Kind::kShadowStackRead).qualification, 0x61a1U);

  // An entry above without W refuses even a read.
  World above = controlled(kSupervisorStack, kEptRwx | kBit60);
  const std::uint64_t directory = above.ept_entry(kGpa, 2);
  above.put(directory, above.at(directory) & ~std::uint64_t{2});
  EXPECT_EQ(above.run(Kind::kShadowStackRead).qualification, 0x61a9U);

  // A user's shadow stack doesn't know bit 60, and an ordinary write still needs W.
  World user = controlled(kUserStack, 0x31 | kBit60);
  EXPECT_EQ(user.run(Kind::kShadowStackRead, true).outcome, Outcome::kTranslated);
  EXPECT_EQ(user.run(Kind::kShadowStackWrite, true).qualification, 0x618aU);
  World data = controlled(kGuestSupervisor, 0x31 | kBit60);
  EXPECT_EQ(data.run(Kind::kWrite).qualification, 0x418aU);
}

TEST(ShadowStack, Bit14CopiesBit60OfALeafThatWasReachedUnderSupervisorControl) {
  World world = stack_world(kUserStack, 0x34 | kBit60);
  EXPECT_EQ(world.run(Kind::kRead).qualification, 0x1a1U);
  world.state.cpu.supervisor_shadow_stack = true;
  *world.state.eptp |= 0x80;
  EXPECT_EQ(world.run(Kind::kRead).qualification, 0x41a1U);
  world.put(world.ept_entry(kGpa, 1), kGpa | kBit60);
  EXPECT_EQ(world.run(Kind::kRead).qualification, 0x181U);
}

TEST(ShadowStack, AControlledWriteDirtiesTheLeaf) {
  World world = stack_world(kSupervisorStack, 0x31 | kBit60);
  world.state.cpu.supervisor_shadow_stack = true;
  *world.state.eptp |= 0xc0;
  ASSERT_EQ(world.run(Kind::kShadowStackRead).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.at(world.ept_entry(kGpa, 1)) & 0x300, 0x100U);
  ASSERT_EQ(world.run(Kind::kShadowStackWrite).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.at(world.ept_entry(kGpa, 1)) & 0x300, 0x300U);
}

}  // namespace
}  // namespace eptsim::oracle::test
