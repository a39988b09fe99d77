#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// Page-modification logging, virtualization exceptions, sub-page write permissions.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kLog = 0x20000, kInfo = 0x30000, kSppt = 0x40000;
constexpr std::uint64_t kBit61 = std::uint64_t{1} << 61;
constexpr std::uint64_t kSuppress = std::uint64_t{1} << 63;

World logging_world() {
  World world(0, 4);
  *world.state.eptp |= 0x40;
  world.state.controls.pml = true;
  world.state.pml_address = kLog;
  world.map_ept(0x5000, 0x6000);
  return world;
}

constexpr Access kWrite{.address = 0x5123, .kind = Kind::kWrite};
constexpr Access kRead{.address = 0x5123};

TEST(PageModificationLog, AWriteThatDirtiesAPageIsLoggedAfterItsFlags) {
  World world = logging_world();
  world.state.pml_index = 7;
  const Result result = world.run(kWrite);
  ASSERT_EQ(result.outcome, Outcome::kTranslated);
  const std::uint64_t leaf = world.ept_entry(0x5000, 1);
  ASSERT_EQ(result.writes.size(), 5U);
  EXPECT_EQ(result.writes[3], (Write{leaf, 8, 0x6337}));
  EXPECT_EQ(result.writes[4], (Write{kLog + 56, 8, 0x5000}));
  EXPECT_TRUE(world.run(kWrite).writes.empty());
}

TEST(PageModificationLog, AReadIsNotLoggedButNeedsRoomInTheLog) {
  World world = logging_world();
  const Result read = world.run(kRead);
  EXPECT_EQ(read.writes.size(), 4U);

  World full = logging_world();
  full.state.pml_index = 512;
  const Result exit = full.run(kRead);
  EXPECT_EQ(exit.outcome, Outcome::kPmlFull);
  EXPECT_EQ(exit.gpa, 0x5123U);
  EXPECT_EQ(exit.qualification, 0U);
  EXPECT_TRUE(exit.writes.empty());
  EXPECT_EQ(exit.references.size(), 4U);
}

TEST(PageModificationLog, AFullLogMattersOnlyIfAFlagMustChange) {
  World world = logging_world();
  ASSERT_EQ(world.run(kRead).outcome, Outcome::kTranslated);
  world.state.pml_index = 0xffff;
  EXPECT_EQ(world.run(kRead).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.run(kWrite).outcome, Outcome::kPmlFull);
  *world.state.eptp &= ~std::uint64_t{0x40};
  EXPECT_EQ(world.run(kWrite).outcome, Outcome::kTranslated);
}

TEST(PageModificationLog, ARefusalComesBeforeAFullLog) {
  World world = logging_world();
  world.state.pml_index = 512;
  world.map_ept(0x5000, 0x6000, 1, 0x31);
  EXPECT_EQ(world.run(kWrite).outcome, Outcome::kEptViolation);
}

TEST(PageModificationLog, AnIndexOfZeroLogsOnceMore) {
  World world = logging_world();
  world.map_ept(0x6000, 0x7000);
  world.state.pml_index = 0;
  const Result both = world.run({.address = 0x5fff, .kind = Kind::kWrite, .size = 2});
  EXPECT_EQ(both.outcome, Outcome::kPmlFull);
  EXPECT_EQ(both.gpa, 0x6000U);
  EXPECT_EQ(world.at(kLog), 0x5000U);
}

TEST(PageModificationLog, GuestTablesAreLoggedAndALargePageByThePartWritten) {
  World world(4, 4);
  *world.state.eptp |= 0x40;
  world.state.controls.pml = true;
  world.state.pml_address = kLog;
  world.map_guest(kGva, kGpa + 0x3000);
  world.map_ept(kGpa, kGpa, 2);
  ASSERT_EQ(world.run(Kind::kWrite).outcome, Outcome::kTranslated);
  for (unsigned level = 4; level >= 1; --level) {
    const std::uint64_t table = world.guest_entry_gpa(kGva, level) & ~std::uint64_t{0xfff};
    EXPECT_EQ(world.at(kLog + 8 * (511 - (4 - level))), table);
  }
  EXPECT_EQ(world.at(kLog + 8 * 507), kGpa + 0x3000);
}

World exception_world() {
  World world(4, 4);
  world.state.controls.ept_violation_ve = true;
  world.state.ve_info_address = kInfo;
  world.state.eptp_index = 0x1234;
  world.map_data();
  return world;
}

TEST(VirtualizationException, AnAbsentEntryThatDoesNotSuppressItFillsTheArea) {
  for (unsigned level = 1; level <= 4; ++level) {
    World world = exception_world();
    world.put(world.ept_entry(kGpa, level), 0);
    const Result result = world.run(Kind::kWrite, false, 0x18);
    EXPECT_EQ(result.outcome, Outcome::kVirtualizationException);
    EXPECT_EQ(result.qualification, 0x182U);
    EXPECT_EQ(result.gpa, kGpa + 0x18);
    EXPECT_EQ(result.gva, kGva + 0x18);
    const std::vector<Write> expected{{kInfo, 4, 48},
                                      {kInfo + 4, 4, 0xffffffff},
                                      {kInfo + 8, 8, 0x182},
                                      {kInfo + 16, 8, kGva + 0x18},
                                      {kInfo + 24, 8, kGpa + 0x18},
                                      {kInfo + 32, 2, 0x1234}};
    EXPECT_EQ(result.writes, expected);
    EXPECT_EQ(world.at(kInfo), 0xffffffff00000030U);
    EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kEptViolation);  // not armed again
  }
}

TEST(VirtualizationException, TheEntryWhereTheWalkEndedDecides) {
  World world = exception_world();
  const std::uint64_t leaf = world.ept_entry(kGpa, 1);
  world.put(leaf, (kGpa + World::kShift) | 0x31 | kSuppress);
  EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kEptViolation);
  world.put(leaf, kSuppress);
  EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kEptViolation);
  world.put(leaf, (kGpa + World::kShift) | 0x31);
  const std::uint64_t above = world.ept_entry(kGpa, 2);
  world.put(above, world.at(above) | kSuppress);
  EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kVirtualizationException);
}

TEST(VirtualizationException, WhatIsNotAViolationOrHasNoEntryStaysAnExit) {
  World misconfigured = exception_world();
  misconfigured.put(misconfigured.ept_entry(kGpa, 1), 2);
  EXPECT_EQ(misconfigured.run(Kind::kRead).outcome, Outcome::kEptMisconfig);

  World wide(0, 4);
  wide.state.cpu.maxphyaddr = 52;
  wide.state.controls.ept_violation_ve = true;
  EXPECT_EQ(wide.run({.address = std::uint64_t{1} << 50, .linear = false}).outcome,
            Outcome::kEptViolation);
  EXPECT_EQ(wide.run({.address = 0x5000}).outcome, Outcome::kVirtualizationException);
  wide.put(0, 0);
  wide.state.cr0 = 0;
  EXPECT_EQ(wide.run({.address = 0x5000}).outcome, Outcome::kEptViolation);
}

// One 4-KByte page that is writable by sub-pages only.
World sub_page_world(std::uint64_t vector, std::uint64_t leaf = 0x31 | kBit61) {
  World world(4, 4);
  world.state.controls.sub_page_permission = true;
  world.state.sppt_pointer = kSppt;
  world.map_guest(kGva, kGpa + 0x403000);
  world.map_ept(kGpa + 0x403000, kGpa, 1, leaf);
  world.put(kSppt + 8, 0x41001);        // bits 47:39 are 1
  world.put(0x41000, 0x42001);          // 38:30 are 0
  world.put(0x42000 + 2 * 8, 0x43001);  // 29:21 are 2
  world.put(0x43000 + 3 * 8, vector);   // 20:12 are 3
  return world;
}

constexpr std::uint64_t kSubPage3 = 1U << 6, kSubPage4 = 1U << 8;

TEST(SubPagePermission, AWriteToAWritableSubPageIsRescued) {
  World world = sub_page_world(kSubPage3);
  const Result result = world.run(Kind::kWrite, false, 3 * 128 + 5);
  EXPECT_EQ(result.outcome, Outcome::kTranslated);
  ASSERT_EQ(result.references.size(), 28U);
  const std::vector<Reference> table(result.references.begin() + 24, result.references.end());
  const std::vector<Reference> expected{{Structure::kSpp, 4, kSppt + 8, 0x41001},
                                        {Structure::kSpp, 3, 0x41000, 0x42001},
                                        {Structure::kSpp, 2, 0x42010, 0x43001},
                                        {Structure::kSpp, 1, 0x43018, kSubPage3}};
  EXPECT_EQ(table, expected);
  EXPECT_EQ(world.run(Kind::kRead).references.size(), 24U);
}

TEST(SubPagePermission, EverySubPageTouchedMustAllowTheWrite) {
  const Access across{.address = kGva + 4 * 128 - 1, .kind = Kind::kWrite, .size = 2};
  World one = sub_page_world(kSubPage3);
  const Result refused_write = one.run(across);
  EXPECT_EQ(refused_write.outcome, Outcome::kEptViolation);
  EXPECT_EQ(refused_write.qualification, 0x18aU);
  EXPECT_EQ(refused_write.references.size(), 28U);
  World two = sub_page_world(kSubPage3 | kSubPage4);
  EXPECT_EQ(two.run(across).outcome, Outcome::kTranslated);
  EXPECT_EQ(two.run(Kind::kReadModifyWrite, false, 3 * 128).outcome, Outcome::kTranslated);
}

TEST(SubPagePermission, ATableThatMissesOrIsMalformedIsAnEvent) {
  struct Case {
    std::uint64_t address, value, qualification;
    std::size_t references;
  };
  for (const Case& c :
       {Case{kSppt + 8, 0, 0x800, 25}, Case{kSppt + 8, 0x41802, 0x800, 25},
        Case{0x41000, 0x42003, 0, 26}, Case{0x42010, 0x43801, 0, 27},
        Case{0x42010, std::uint64_t{1} << 46 | 1, 0, 27}, Case{0x43018, 1U << 7, 0, 28}}) {
    World world = sub_page_world(kSubPage3);
    world.put(c.address, c.value);
    const Result result = world.run(Kind::kWrite, false, 3 * 128);
    EXPECT_EQ(result.outcome, Outcome::kSppEvent);
    EXPECT_EQ(result.qualification, c.qualification);
    EXPECT_EQ(result.gpa, kGpa + 0x403000 + 3 * 128);
    EXPECT_EQ(result.gva, kGva + 3 * 128);
    EXPECT_EQ(result.references.size(), c.references);
  }
}

TEST(SubPagePermission, OnlyAReadable4KPageWithTheBitIsEligible) {
  World no_bit = sub_page_world(~std::uint64_t{0}, 0x31);
  EXPECT_EQ(no_bit.run(Kind::kWrite).outcome, Outcome::kEptViolation);
  World not_readable = sub_page_world(0, 0x34 | kBit61);
  const Result exit = not_readable.run(Kind::kWrite);
  EXPECT_EQ(exit.outcome, Outcome::kEptViolation);
  EXPECT_EQ(exit.references.size(), 24U);

  World large = sub_page_world(0x5555555555555555);
  large.map_ept(kGpa + 0x400000, kGpa, 2, 0x31 | kBit61);
  EXPECT_EQ(large.run(Kind::kWrite).outcome, Outcome::kEptViolation);

  World off = sub_page_world(kSubPage3);
  off.state.controls.sub_page_permission = false;
  EXPECT_EQ(off.run(Kind::kWrite, false, 3 * 128).outcome, Outcome::kEptViolation);
}

TEST(SubPagePermission, GuestTablesAreNeverEligible) {
  for (const bool ept_flags : {false, true}) {
    World world = sub_page_world(0x5555555555555555);
    if (ept_flags) *world.state.eptp |= 0x40;
    const std::uint64_t pte = world.guest_entry(kGva, 1);
    world.put(pte, world.at(pte) & ~std::uint64_t{0x60});
    const std::uint64_t leaf = world.ept_entry(world.guest_entry_gpa(kGva, 1), 1);
    world.put(leaf, (world.at(leaf) & ~std::uint64_t{2}) | kBit61);
    EXPECT_EQ(world.run(Kind::kWrite).qualification, 0xabU);
  }
}

TEST(SubPagePermission, ARescuedWriteDirtiesThePage) {
  World world = sub_page_world(kSubPage3);
  *world.state.eptp |= 0x40;
  ASSERT_EQ(world.run(Kind::kWrite, false, 3 * 128).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.at(world.ept_entry(kGpa + 0x403000, 1)) & 0x300, 0x300U);
}

}  // namespace
}  // namespace eptsim::oracle::test
