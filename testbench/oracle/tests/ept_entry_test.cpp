#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// Rights, reserved bits and ignored bits of the EPT entries that map a data page, at each level.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kOk = 0;
constexpr std::uint64_t kMis = 1;
constexpr std::uint64_t kR = 1, kW = 2, kX = 4, kU = 0x400;
constexpr std::uint64_t kHost = kGpa + World::kShift;  // multiple of 1 GByte

struct Rights {
  std::uint64_t bits;
  std::uint64_t read, write, fetch, user_fetch;  // kOk, kMis, or the qualification of the violation
};

constexpr Rights kPlain[] = {
    {0, 0x181, 0x182, 0x184, 0x184},    {kR, kOk, 0x18a, 0x18c, 0x18c},
    {kW, kMis, kMis, kMis, kMis},       {kR | kW, kOk, kOk, 0x19c, 0x19c},
    {kR | kX, kOk, 0x1aa, kOk, kOk},    {kW | kX, kMis, kMis, kMis, kMis},
    {kR | kW | kX, kOk, kOk, kOk, kOk},
};
constexpr Rights kExecuteOnly[] = {{kX, 0x1a1, 0x1a2, kOk, kOk}};
constexpr Rights kNoExecuteOnly[] = {{kX, kMis, kMis, kMis, kMis}};

constexpr Rights kModeBased[] = {
    {0, 0x181, 0x182, 0x184, 0x184},      {kR, kOk, 0x18a, 0x18c, 0x18c},
    {kR | kW, kOk, kOk, 0x19c, 0x19c},    {kX, 0x1a1, 0x1a2, kOk, 0x1a4},
    {kU, 0x1c1, 0x1c2, 0x1c4, kOk},       {kX | kU, 0x1e1, 0x1e2, kOk, kOk},
    {kR | kX, kOk, 0x1aa, kOk, 0x1ac},    {kR | kU, kOk, 0x1ca, 0x1cc, kOk},
    {kR | kX | kU, kOk, 0x1ea, kOk, kOk}, {kR | kW | kX, kOk, kOk, kOk, 0x1bc},
    {kR | kW | kU, kOk, kOk, 0x1dc, kOk}, {kR | kW | kX | kU, kOk, kOk, kOk, kOk},
    {kW, kMis, kMis, kMis, kMis},         {kW | kX, kMis, kMis, kMis, kMis},
    {kW | kU, kMis, kMis, kMis, kMis},
};
constexpr Rights kModeBasedNoExecuteOnly[] = {
    {kX, kMis, kMis, kMis, kMis}, {kU, kMis, kMis, kMis, kMis}, {kX | kU, kMis, kMis, kMis, kMis}};

struct Machine {
  bool mode_based = false;
  bool execute_only = true;
};

// A world whose entry of the given level on the way to kGpa is made by the test.
World world_with(const Machine& machine, unsigned level, bool huge, bool user_page) {
  World world(4, 4);
  world.state.cpu.execute_only = machine.execute_only;
  world.state.controls.mode_based_execute = machine.mode_based;
  world.map_guest(kGva, kGpa, 1, user_page ? kGuestUser : kGuestSupervisor);
  const std::uint64_t all = machine.mode_based ? kEptRwx | kU : kEptRwx;
  world.map_ept(kGpa, kHost, huge ? level : 1, all);
  // The entries above were perhaps made for guest tables before mode-based execution was on.
  for (unsigned above = 4; above > (huge ? level : 1); --above) {
    const std::uint64_t address = world.ept_entry(kGpa, above);
    if (machine.mode_based) world.put(address, world.at(address) | kU);
  }
  return world;
}

void expect(World& world, Kind kind, bool user, std::uint64_t offset, std::uint64_t expected) {
  SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(kind) << " user " << user);
  const Result result = world.run(kind, user, offset);
  if (expected == kOk) {
    EXPECT_EQ(result.outcome, Outcome::kTranslated);
    EXPECT_EQ(result.hpa, kHost + offset);
    return;
  }
  EXPECT_EQ(result.gpa, kGpa + offset);
  if (expected == kMis) {
    EXPECT_EQ(result.outcome, Outcome::kEptMisconfig);
    EXPECT_EQ(result.qualification, 0U);
    EXPECT_FALSE(result.gva_valid);
    return;
  }
  EXPECT_EQ(result.outcome, Outcome::kEptViolation);
  EXPECT_EQ(result.qualification, expected);
  EXPECT_TRUE(result.gva_valid);
  EXPECT_EQ(result.gva, kGva + offset);
}

// All four accesses, with the level's entry changed: bits cleared, then others set.
void expect_all(const Machine& machine, unsigned level, bool huge, std::uint64_t clear,
                std::uint64_t set, const Rights& expected) {
  SCOPED_TRACE(testing::Message() << "level " << level << (huge ? " huge" : "") << std::hex
                                  << " clear " << clear << " set " << set);
  for (const bool user : {false, true}) {
    World world = world_with(machine, level, huge, user || !machine.mode_based);
    const std::uint64_t address = world.ept_entry(kGpa, level);
    world.put(address, (world.at(address) & ~clear) | set);
    if (user) {
      expect(world, Kind::kFetch, true, 8, expected.user_fetch);
    } else {
      expect(world, Kind::kRead, false, 0, expected.read);
      expect(world, Kind::kWrite, false, 0, expected.write);
      expect(world, Kind::kFetch, false, 8, expected.fetch);
    }
  }
}

constexpr bool can_be_huge(unsigned level) { return level == 2 || level == 3; }

template <typename Table>
void expect_rights(const Machine& machine, const Table& table) {
  const std::uint64_t clear = machine.mode_based ? 0x407 : 7;
  for (const Rights& rights : table) {
    for (unsigned level = 1; level <= 4; ++level) {
      expect_all(machine, level, false, clear, rights.bits, rights);
      if (can_be_huge(level)) expect_all(machine, level, true, clear, rights.bits, rights);
    }
  }
}

TEST(EptEntry, RightsAtEveryLevelGiveTheQualificationsOfTheTable) {
  expect_rights({.mode_based = false, .execute_only = true}, kPlain);
  expect_rights({.mode_based = false, .execute_only = false}, kPlain);
  expect_rights({.mode_based = false, .execute_only = true}, kExecuteOnly);
  expect_rights({.mode_based = false, .execute_only = false}, kNoExecuteOnly);
}

TEST(EptEntry, ModeBasedExecutionTellsUserFromSupervisorAddresses) {
  expect_rights({.mode_based = true, .execute_only = true}, kModeBased);
  expect_rights({.mode_based = true, .execute_only = false}, kModeBasedNoExecuteOnly);
}

TEST(EptEntry, AReservedBitIsAMisconfigurationOnlyInAnEntryThatIsPresent) {
  constexpr Rights misconfigured{0, kMis, kMis, kMis, kMis};
  constexpr Rights absent{0, 0x181, 0x182, 0x184, 0x184};
  const auto check = [&](unsigned level, bool huge, unsigned number) {
    const std::uint64_t reserved = std::uint64_t{1} << number;
    expect_all({}, level, huge, 0, reserved, misconfigured);
    expect_all({}, level, huge, 7, reserved, absent);
  };
  for (unsigned number = 46; number <= 51; ++number) {
    for (unsigned level = 1; level <= 4; ++level) {
      check(level, false, number);
      if (can_be_huge(level)) check(level, true, number);
    }
  }
  for (unsigned number = 3; number <= 6; ++number) {
    for (unsigned level = 2; level <= 4; ++level) check(level, false, number);
  }
  check(4, false, 7);
  for (unsigned number = 12; number <= 20; ++number) check(2, true, number);
  for (unsigned number = 12; number <= 29; ++number) check(3, true, number);
}

TEST(EptEntry, IgnoredBitsChangeNothing) {
  constexpr Rights allowed{0, kOk, kOk, kOk, kOk};
  for (unsigned number = 8; number <= 63; ++number) {
    if (number >= 12 && number <= 51) continue;
    for (unsigned level = 1; level <= 4; ++level) {
      const std::uint64_t ignored = std::uint64_t{1} << number;
      expect_all({}, level, false, 0, ignored, allowed);
      expect_all({}, level, false, ignored, 0, allowed);
      if (can_be_huge(level)) expect_all({}, level, true, 0, ignored, allowed);
    }
  }
  expect_all({}, 1, false, 0, 0x80, allowed);
}

TEST(EptEntry, AMemoryTypeOfALeafMayNotBeReserved) {
  for (std::uint64_t type = 0; type < 8; ++type) {
    const bool reserved = type == 2 || type == 3 || type == 7;
    const std::uint64_t expected = reserved ? kMis : kOk;
    const Rights rights{0, expected, expected, expected, expected};
    expect_all({}, 1, false, 0x38, type << 3, rights);
    expect_all({}, 2, true, 0x38, type << 3, rights);
    expect_all({}, 3, true, 0x38, type << 3, rights);
  }
}

TEST(EptEntry, APageSizeThatTheProcessorLacksIsAReservedBit) {
  for (const unsigned level : {2U, 3U}) {
    World world = world_with({}, level, true, true);
    (level == 2 ? world.state.cpu.page_2m : world.state.cpu.page_1g) = false;
    expect(world, Kind::kRead, false, 0, kMis);
  }
}

TEST(EptEntry, ADeeperMisconfigurationBeatsARefusalAbove) {
  World world = world_with({}, 1, false, true);
  const std::uint64_t above = world.ept_entry(kGpa, 3);
  world.put(above, world.at(above) & ~std::uint64_t{kW});
  expect(world, Kind::kWrite, false, 0, 0x1aa);
  world.put(world.ept_entry(kGpa, 1), kHost | kEptRwx | (std::uint64_t{1} << 50));
  expect(world, Kind::kWrite, false, 0, kMis);
  world.put(world.ept_entry(kGpa, 2), 0);
  expect(world, Kind::kWrite, false, 0, 0x182);
}

TEST(EptEntry, AReadModifyWriteReportsReadAndWrite) {
  World world = world_with({}, 1, false, true);
  world.put(world.ept_entry(kGpa, 1), kHost | 0x31);
  expect(world, Kind::kReadModifyWrite, false, 0, 0x18b);
}

TEST(EptEntry, AFourLevelEptRefusesAddressesOf49Bits) {
  World world(0, 4);
  world.state.cpu.maxphyaddr = 52;
  const Access access{.address = std::uint64_t{1} << 48, .linear = false, .kind = Kind::kWrite};
  const Result refused_result = world.run(access);
  EXPECT_EQ(refused_result.outcome, Outcome::kEptViolation);
  EXPECT_EQ(refused_result.qualification, 2U);
  EXPECT_TRUE(refused_result.references.empty());

  World larger(0, 5);
  larger.state.cpu.maxphyaddr = 52;
  larger.map_ept(access.address, 0x5000);
  EXPECT_EQ(larger.run(access).hpa, 0x5000U);
}

TEST(EptEntry, AdvancedInformationTellsWhatGuestPagingAllows) {
  struct Vector {
    std::uint64_t guest_flags;
    std::uint64_t expected;
  };
  constexpr std::uint64_t xd = std::uint64_t{1} << 63;
  for (const Vector& vector :
       {Vector{0x67, 0x781}, Vector{0x63, 0x581}, Vector{0x65, 0x381}, Vector{0x67 | xd, 0xf81}}) {
    World world(4, 4);
    world.state.cpu.advanced_exit_info = true;
    world.map_guest(kGva, kGpa, 1, vector.guest_flags);
    expect(world, Kind::kRead, false, 0, vector.expected);
  }
  World no_paging(0, 4);
  no_paging.state.cpu.advanced_exit_info = true;
  EXPECT_EQ(no_paging.run({.address = 0x5000}).qualification, 0x781U);
  EXPECT_EQ(no_paging.run({.address = 0x5000, .linear = false}).qualification, 1U);
}

TEST(EptEntry, WithoutALinearAddressAModeBasedFetchIsASupervisorsAndWithoutPagingAUsers) {
  World world(0, 4);
  world.state.controls.mode_based_execute = true;
  world.map_ept(0x5000, 0x5000, 1, 0x31 | kX);
  EXPECT_EQ(world.run({.address = 0x5000, .linear = false, .kind = Kind::kFetch}).outcome,
            Outcome::kTranslated);
  EXPECT_EQ(world.run({.address = 0x5000, .kind = Kind::kFetch}).qualification, 0x1acU);
}

}  // namespace
}  // namespace eptsim::oracle::test
