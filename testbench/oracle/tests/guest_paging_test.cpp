#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// Page faults of 4- and 5-level guests and their error codes.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint32_t kP = 1, kW = 2, kU = 4, kRsvd = 8, kI = 0x10, kPk = 0x20;
constexpr std::uint32_t kNone = 0xffffffff;  // translated
constexpr std::uint64_t kXd = std::uint64_t{1} << 63;

std::uint32_t fault_of(const Result& result) {
  if (result.outcome == Outcome::kTranslated) return kNone;
  EXPECT_EQ(result.outcome, Outcome::kPageFault);
  EXPECT_TRUE(result.gva_valid);
  EXPECT_EQ(result.gva, kGva);
  return result.error_code;
}

struct Rule {
  const char* what;
  std::uint64_t leaf;
  Access access;
  std::uint32_t expected;
  std::uint64_t cr4 = 0;
  bool write_protect = true;
  bool ac = false;
  std::uint64_t efer = kEferLong;
};

constexpr Access kRead{.address = kGva};
constexpr Access kUserRead{.address = kGva, .user = true};
constexpr Access kWrite{.address = kGva, .kind = Kind::kWrite};
constexpr Access kUserWrite{.address = kGva, .kind = Kind::kWrite, .user = true};
constexpr Access kFetch{.address = kGva, .kind = Kind::kFetch};
constexpr Access kUserFetch{.address = kGva, .kind = Kind::kFetch, .user = true};
constexpr Access kImplicit{.address = kGva, .user = true, .implicit = true};
constexpr Access kUserModify{.address = kGva, .kind = Kind::kReadModifyWrite, .user = true};

constexpr std::uint64_t kRwu = 0x67, kRw = 0x63, kRou = 0x65, kRo = 0x61;

const Rule kRules[] = {
    {"user page, user read", kRou, kUserRead, kNone},
    {"supervisor page, user read", kRw, kUserRead, kP | kU},
    {"supervisor page, user write", kRw, kUserWrite, kP | kU | kW},
    {"supervisor page, user fetch", kRw, kUserFetch, kP | kU | kI},
    {"supervisor page, user fetch, no NXE", kRw, kUserFetch, kP | kU, 0, true, false, 0x500},
    {"supervisor page, user fetch, no NXE but SMEP", kRw, kUserFetch, kP | kU | kI, kCr4Smep, true,
     false, 0x500},
    {"read-only page, user write", kRou, kUserWrite, kP | kU | kW},
    {"read-only page, user write, WP off", kRou, kUserWrite, kP | kU | kW, 0, false},
    {"read-only page, user read-modify-write", kRou, kUserModify, kP | kU | kW},
    {"writable page, user read-modify-write", kRwu, kUserModify, kNone},
    {"read-only page, supervisor write", kRo, kWrite, kP | kW},
    {"read-only page, supervisor write, WP off", kRo, kWrite, kNone, 0, false},
    {"read-only user page, supervisor write, WP off", kRou, kWrite, kNone, 0, false},
    {"execute-disable, user fetch", kRwu | kXd, kUserFetch, kP | kU | kI},
    {"execute-disable, supervisor fetch", kRw | kXd, kFetch, kP | kI},
    {"execute-disable, read", kRw | kXd, kRead, kNone},
    {"execute-disable is reserved without NXE", kRw | kXd, kRead, kP | kRsvd, 0, true, false,
     0x500},
    {"user page, supervisor fetch", kRwu, kFetch, kNone},
    {"user page, supervisor fetch, SMEP", kRwu, kFetch, kP | kI, kCr4Smep},
    {"supervisor page, supervisor fetch, SMEP", kRw, kFetch, kNone, kCr4Smep},
    {"user page, user fetch, SMEP", kRwu, kUserFetch, kNone, kCr4Smep},
    {"user page, supervisor read, SMAP", kRwu, kRead, kP, kCr4Smap},
    {"user page, supervisor write, SMAP", kRwu, kWrite, kP | kW, kCr4Smap},
    {"user page, supervisor read, SMAP and AC", kRwu, kRead, kNone, kCr4Smap, true, true},
    {"user page, implicit read, SMAP and AC", kRwu, kImplicit, kP, kCr4Smap, true, true},
    {"user page, implicit read", kRwu, kImplicit, kNone},
    {"supervisor page, implicit read of a user's instruction", kRw, kImplicit, kNone},
    {"user page, supervisor fetch, SMAP", kRwu, kFetch, kNone, kCr4Smap},
    {"user page, user read, SMAP", kRwu, kUserRead, kNone, kCr4Smap},
    {"supervisor page, supervisor read, SMAP", kRw, kRead, kNone, kCr4Smap},
    {"not present, read", 0x66, kRead, 0},
    {"not present, user write", 0x66, kUserWrite, kU | kW},
    {"not present, fetch", 0x66, kFetch, kI},
    {"not present with reserved bits", 0x66 | (std::uint64_t{1} << 50), kUserRead, kU},
    {"reserved bit", kRwu | (std::uint64_t{1} << 46), kUserWrite, kP | kU | kW | kRsvd},
    {"ignored bits", kRwu | (std::uint64_t{0x7ff} << 52) | 0xe00, kUserWrite, kNone},
};

TEST(GuestPaging, RightsGiveTheErrorCodesOfTheRules) {
  for (const bool ept : {false, true}) {
    for (const Rule& rule : kRules) {
      SCOPED_TRACE(rule.what);
      World world(4, ept ? 4 : 0);
      world.map_guest(kGva, kGpa, 1, rule.leaf);
      if (ept) world.map_ept(kGpa, kGpa);
      world.state.cr4 |= rule.cr4;
      if (!rule.write_protect) world.state.cr0 &= ~std::uint64_t{0x10000};
      world.state.rflags_ac = rule.ac;
      world.state.efer = rule.efer;
      ASSERT_EQ(refused(world.state), std::nullopt);
      EXPECT_EQ(fault_of(world.run(rule.access)), rule.expected);
    }
  }
}

TEST(GuestPaging, ARightIsThereOnlyIfEveryLevelGrantsIt) {
  for (unsigned levels = 4; levels <= 5; ++levels) {
    for (unsigned level = 2; level <= levels; ++level) {
      SCOPED_TRACE(testing::Message() << "level " << level << " of " << levels);
      World world(levels, 4);
      world.map_data();
      const std::uint64_t address = world.guest_entry(kGva, level);
      const std::uint64_t entry = world.at(address);
      world.put(address, entry & ~std::uint64_t{2});
      EXPECT_EQ(fault_of(world.run(kUserWrite)), kP | kU | kW);
      world.put(address, entry & ~std::uint64_t{4});
      EXPECT_EQ(fault_of(world.run(kUserRead)), kP | kU);
      world.put(address, entry | kXd);
      EXPECT_EQ(fault_of(world.run(kFetch)), kP | kI);
      world.put(address, entry & ~std::uint64_t{1});
      EXPECT_EQ(fault_of(world.run(kFetch)), kI);
      world.put(address, entry | (std::uint64_t{1} << 51));
      EXPECT_EQ(fault_of(world.run(kRead)), kP | kRsvd);
    }
  }
}

TEST(GuestPaging, ReservedBitsOfTheFormatsOfEachLevel) {
  struct Case {
    unsigned level;  // of the entry changed
    unsigned page_level;
    unsigned number;
    std::uint32_t expected;
  };
  const Case cases[] = {
      {5, 1, 7, kP | kRsvd},  {4, 1, 7, kP | kRsvd},  {3, 3, 12, kNone},
      {3, 3, 13, kP | kRsvd}, {3, 3, 29, kP | kRsvd}, {2, 2, 12, kNone},
      {2, 2, 13, kP | kRsvd}, {2, 2, 20, kP | kRsvd}, {1, 1, 7, kNone},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << "level " << c.level << " bit " << c.number);
    World world(5, 0);
    world.map_data(c.page_level);
    const std::uint64_t address = world.guest_entry(kGva, c.level);
    world.put(address, world.at(address) | (std::uint64_t{1} << c.number));
    EXPECT_EQ(fault_of(world.run(kRead)), c.expected);
  }
  World world(4, 0);
  world.map_data(3);
  world.state.cpu.guest_page_1g = false;
  EXPECT_EQ(fault_of(world.run(kRead)), kP | kRsvd);
}

TEST(GuestPaging, AReservedBitAboveBeatsAnAbsentEntryBelow) {
  World world(4, 0);
  world.map_guest(kGva, kGpa, 1, 0);
  EXPECT_EQ(fault_of(world.run(kRead)), 0U);
  const std::uint64_t above = world.guest_entry(kGva, 2);
  world.put(above, world.at(above) | (std::uint64_t{1} << 48));
  EXPECT_EQ(fault_of(world.run(kRead)), kP | kRsvd);
}

TEST(GuestPaging, AGuestFaultBeatsAViolationOfItsFinalAddress) {
  World world(4, 4);
  world.map_guest(kGva, kGpa, 1, kGuestSupervisor);
  EXPECT_EQ(fault_of(world.run(kUserRead)), kP | kU);
  EXPECT_EQ(world.run(kRead).outcome, Outcome::kEptViolation);
}

struct KeyRule {
  std::uint64_t leaf;  // key 5 is added
  Access access;
  unsigned access_disable, write_disable;
  bool write_protect;
  std::uint32_t
      user_pages_expected;  // with CR4.PKE and PKRU, if the page is a user's; else CR4.PKS
};

TEST(GuestPaging, ProtectionKeysRefuseDataAccesses) {
  const KeyRule rules[] = {
      {kRwu, kUserRead, 1, 0, true, kP | kU | kPk},
      {kRwu, kUserRead, 0, 1, true, kNone},
      {kRwu, kUserWrite, 0, 1, true, kP | kU | kW | kPk},
      {kRwu, kUserWrite, 0, 1, false, kP | kU | kW | kPk},
      {kRwu, kRead, 1, 0, true, kP | kPk},
      {kRwu, kWrite, 0, 1, true, kP | kW | kPk},
      {kRwu, kWrite, 0, 1, false, kNone},
      {kRwu, kUserFetch, 1, 1, true, kNone},
      {kRou, kUserWrite, 0, 1, true, kP | kU | kW | kPk},  // both conditions hold
      {kRou, kUserWrite, 0, 0, true, kP | kU | kW},
      {kRw, kRead, 1, 0, true, kP | kPk},
      {kRw, kWrite, 0, 1, true, kP | kW | kPk},
      {kRw, kWrite, 0, 1, false, kNone},
      {kRw, kUserRead, 1, 0, true, kP | kU | kPk},
      {kRw, kUserRead, 0, 1, true, kP | kU},
      {kRw, kUserWrite, 0, 1, false, kP | kU | kW},
      {kRw, kFetch, 1, 1, true, kNone},
      {0x66, kUserRead, 1, 1, true, kU},
  };
  for (const KeyRule& rule : rules) {
    SCOPED_TRACE(testing::Message() << &rule - rules);
    const bool user_page = (rule.leaf & 4) != 0;
    World world(4, 4);
    world.map_guest(kGva, kGpa, 1, rule.leaf | (std::uint64_t{5} << 59));
    world.map_ept(kGpa, kGpa);
    if (!rule.write_protect) world.state.cr0 &= ~std::uint64_t{0x10000};
    const std::uint32_t keys = (rule.access_disable | rule.write_disable << 1) << 10;
    world.state.cr4 |= user_page ? kCr4Pke : kCr4Pks;
    (user_page ? world.state.pkru : world.state.pkrs) = keys;
    (user_page ? world.state.pkrs : world.state.pkru) = 0;
    EXPECT_EQ(fault_of(world.run(rule.access)), rule.user_pages_expected);
    // Other keys don't matter, nor does this one while the feature is off.
    (user_page ? world.state.pkru : world.state.pkrs) = ~(3U << 10);
    const std::uint32_t without_keys = fault_of(world.run(rule.access));
    world.state.cr4 &= ~(kCr4Pke | kCr4Pks);
    EXPECT_EQ(fault_of(world.run(rule.access)), without_keys);
    if (without_keys != kNone) {
      EXPECT_EQ(without_keys & kPk, 0U);
    }
  }
}

TEST(GuestPaging, AReservedBitHidesProtectionKeys) {
  World world(4, 4);
  world.map_guest(kGva, kGpa, 1, kRwu | (std::uint64_t{1} << 46));
  world.state.cr4 |= kCr4Pke;
  world.state.pkru = 3;
  EXPECT_EQ(fault_of(world.run(kUserRead)), kP | kU | kRsvd);
}

}  // namespace
}  // namespace eptsim::oracle::test
