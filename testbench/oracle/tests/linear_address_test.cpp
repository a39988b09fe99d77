#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// What is checked before paging, and accesses that lie in two pages.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kHigh = 0xffff800000000000;

void expect_protection(World& world, const Access& access, bool expected) {
  const Result result = world.run(access);
  EXPECT_EQ(result.outcome == Outcome::kGeneralProtection, expected) << std::hex << access.address;
  if (expected) {
    EXPECT_EQ(result.gva, access.address);
    EXPECT_TRUE(result.references.empty());
  }
}

TEST(LinearAddress, ItMustBeCanonicalForTheNumberOfLevels) {
  World four(4, 4);
  World five(5, 4);
  struct Case {
    std::uint64_t address;
    bool four, five;
  };
  for (const Case& c :
       {Case{0x00007fffffffffff, false, false}, Case{0x0000800000000000, true, false},
        Case{kHigh, false, false}, Case{0xffff7fffffffffff, true, false},
        Case{0x00ffffffffffffff, true, false}, Case{0x0100000000000000, true, true},
        Case{0xfeffffffffffffff, true, true}, Case{0xff00000000000000, true, false},
        Case{0x8000000000000000, true, true}}) {
    expect_protection(four, {.address = c.address}, c.four);
    expect_protection(five, {.address = c.address}, c.five);
  }
}

TEST(LinearAddress, SeparationRefusesTheOtherHalf) {
  struct Case {
    Access access;
    std::uint64_t cr4;
    bool ac;
    bool expected;
  };
  const Access low_read{.address = kGva};
  const Access low_fetch{.address = kGva, .kind = Kind::kFetch};
  const Access low_implicit{.address = kGva, .user = true, .implicit = true};
  const Access low_user{.address = kGva, .user = true};
  const Access high_read{.address = kHigh};
  const Access high_user{.address = kHigh, .user = true};
  const Access high_implicit{.address = kHigh, .user = true, .implicit = true};
  const Access high_user_fetch{.address = kHigh, .kind = Kind::kFetch, .user = true};
  const Case cases[] = {
      {high_user, 0, false, false},
      {high_user, kCr4Lass, false, true},
      {high_user, kCr4Lass, true, true},
      {high_user_fetch, kCr4Lass, false, true},
      {high_implicit, kCr4Lass, false, false},
      {high_read, kCr4Lass | kCr4Smap, false, false},
      {low_user, kCr4Lass | kCr4Smap, false, false},
      {low_fetch, kCr4Lass, true, true},
      {low_fetch, kCr4Smep, false, false},
      {low_read, kCr4Lass, false, false},
      {low_read, kCr4Lass | kCr4Smap, false, true},
      {low_read, kCr4Lass | kCr4Smap, true, false},
      {low_implicit, kCr4Lass | kCr4Smap, true, true},
      {low_implicit, kCr4Lass, false, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << &c - cases);
    World world(4, 4);
    world.state.cr4 |= c.cr4;
    world.state.rflags_ac = c.ac;
    expect_protection(world, c.access, c.expected);
  }
}

// Two pages side by side, the upper one far away in physical memory.
World two_pages(std::uint64_t upper_flags = kGuestUser) {
  World world(4, 4);
  world.map_data();
  world.map_guest(kGva + 0x1000, kGpa + 0x7000, 1, upper_flags);
  world.map_ept(kGpa + 0x7000, kGpa + World::kShift + 0x9000);
  return world;
}

constexpr Access kAcross{.address = kGva + 0xffe, .kind = Kind::kWrite, .size = 4};

TEST(LinearAddress, AnAccessAcrossPagesTranslatesBothTheLowerFirst) {
  World world = two_pages();
  const Result result = world.run(kAcross);
  EXPECT_EQ(result.outcome, Outcome::kTranslated);
  EXPECT_EQ(result.gpa, kGpa + 0xffe);
  EXPECT_EQ(result.hpa, kGpa + World::kShift + 0xffe);
  ASSERT_TRUE(result.second.has_value());
  EXPECT_EQ(result.second->gpa, kGpa + 0x7000);
  EXPECT_EQ(result.second->hpa, kGpa + World::kShift + 0x9000);
  ASSERT_EQ(result.references.size(), 48U);
  EXPECT_EQ(result.references[23].address, world.ept_entry(kGpa, 1));
  EXPECT_EQ(result.references[47].address, world.ept_entry(kGpa + 0x7000, 1));

  Access inside = kAcross;
  inside.size = 2;
  EXPECT_FALSE(world.run(inside).second.has_value());
}

TEST(LinearAddress, TheFirstPageThatFailsIsTheOutcome) {
  World upper_absent = two_pages(0);
  const Result upper = upper_absent.run(kAcross);
  EXPECT_EQ(upper.outcome, Outcome::kPageFault);
  EXPECT_EQ(upper.gva, kGva + 0x1000);
  EXPECT_EQ(upper.references.size(), 24U + 20U);
  EXPECT_FALSE(upper.second.has_value());

  World lower_absent = two_pages(0);
  lower_absent.put(lower_absent.guest_entry(kGva, 1), 0);
  const Result lower = lower_absent.run(kAcross);
  EXPECT_EQ(lower.gva, kGva + 0xffe);
  EXPECT_EQ(lower.references.size(), 20U);

  World violation = two_pages();
  violation.put(violation.ept_entry(kGpa + 0x7000, 1), 0);
  const Result exit = violation.run(kAcross);
  EXPECT_EQ(exit.outcome, Outcome::kEptViolation);
  EXPECT_EQ(exit.gpa, kGpa + 0x7000);
  EXPECT_EQ(exit.gva, kGva + 0x1000);
}

TEST(LinearAddress, AnAccessThatRunsOutOfTheCanonicalHalfIsRefusedBeforeAnyWalk) {
  World world(4, 4);
  const Result result = world.run({.address = 0x00007ffffffffffc, .size = 8});
  EXPECT_EQ(result.outcome, Outcome::kGeneralProtection);
  EXPECT_EQ(result.gva, 0x0000800000000000U);
  EXPECT_TRUE(result.references.empty());
}

TEST(LinearAddress, A32BitAddressWrapsAtItsEnd) {
  World world(0, 4);
  world.map_ept(0xfffff000, 0x6000);
  world.map_ept(0, 0x7000);
  const Result result = world.run({.address = 0xffffffff, .size = 2});
  EXPECT_EQ(result.hpa, 0x6fffU);
  ASSERT_TRUE(result.second.has_value());
  EXPECT_EQ(result.second->hpa, 0x7000U);
}

TEST(LinearAddress, AGuestPhysicalAccessMayLieInTwoPagesToo) {
  World world(0, 4);
  world.map_ept(0x5000, 0x6000);
  const Result result = world.run({.address = 0x5fff, .linear = false, .size = 64});
  EXPECT_EQ(result.outcome, Outcome::kEptViolation);
  EXPECT_EQ(result.gpa, 0x6000U);
  EXPECT_EQ(result.qualification, 1U);
  EXPECT_EQ(result.references.size(), 8U);
}

}  // namespace
}  // namespace eptsim::oracle::test
