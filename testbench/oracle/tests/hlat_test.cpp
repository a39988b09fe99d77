#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// Hypervisor-managed linear-address translation, paging-write access, guest-paging verification.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kRestart = 1U << 11;
constexpr std::uint64_t kVerify = std::uint64_t{1} << 57;
constexpr std::uint64_t kPagingWrite = std::uint64_t{1} << 58;
constexpr std::uint64_t kHlatGpa = kGpa + 0x10000;

// CR3 maps kGva to kGpa, the HLAT tables map it to kHlatGpa.
World hlat_world(unsigned levels = 4, std::uint64_t flags = kGuestUser) {
  World world(levels, levels);
  world.map_data();
  world.state.controls.hlat = true;
  world.state.hlat_pointer = world.new_guest_table();
  world.map_guest_under(world.state.hlat_pointer, kGva, kHlatGpa, 1, flags);
  world.map_ept(kHlatGpa, kHlatGpa);
  return world;
}

std::uint64_t hlat_entry(const World& world, unsigned level) {
  return world.host(world.guest_entry_gpa(kGva, level, world.state.hlat_pointer));
}

TEST(Hlat, ItsPointerReplacesCr3) {
  World world = hlat_world();
  const Result result = world.run(Kind::kRead);
  EXPECT_EQ(result.gpa, kHlatGpa);
  ASSERT_EQ(result.references.size(), 24U);
  for (const std::size_t at : {4U, 9U, 14U, 19U}) {
    EXPECT_EQ(result.references[at].structure, Structure::kHlat);
  }
}

TEST(Hlat, APrefixOfAnySizeButZeroMeansTheUpperHalf) {
  for (const std::uint16_t size : {std::uint16_t{1}, std::uint16_t{52}, std::uint16_t{0xffff}}) {
    World world = hlat_world();
    world.state.hlat_prefix_size = size;
    EXPECT_EQ(world.run(Kind::kRead).gpa, kGpa);
    const Result upper = world.run({.address = 0xffff800000000000});
    EXPECT_EQ(upper.outcome, Outcome::kPageFault);
    EXPECT_EQ(upper.error_code, 0x80U);
  }
}

TEST(Hlat, ARestartAtTheLeafMakesTwoWholeWalks) {
  World four = hlat_world(4, kGuestUser | kRestart);
  const Result result = four.run(Kind::kRead);
  EXPECT_EQ(result.references.size(), 20U + 24U);
  EXPECT_EQ(result.gpa, kGpa);
  World five = hlat_world(5, kGuestUser | kRestart);
  EXPECT_EQ(five.run(Kind::kRead).references.size(), 30U + 35U);
}

TEST(Hlat, ARestartForgetsTheRightsAndLimitsWhatATlbEntryCovers) {
  World world = hlat_world();
  world.map_guest(kGva & ~std::uint64_t{0x3fffffff}, kGpa, 3);
  const std::uint64_t gpa = kGpa + (kGva & 0x3fffffff);
  world.map_ept(gpa & ~std::uint64_t{0x3fffffff}, kGpa, 3);
  for (unsigned level = 4; level >= 1; --level) {
    World copy = world;
    const std::uint64_t address = hlat_entry(copy, level);
    copy.put(address, (copy.at(address) & ~std::uint64_t{0x26}) | kRestart);  // no R/W, U/S, A
    const Result result = copy.run(Kind::kWrite, true);
    EXPECT_EQ(result.outcome, Outcome::kTranslated);
    EXPECT_EQ(result.guest_page_size, 0x40000000U);
    const std::uint64_t covered[] = {0, 0x1000, 0x200000, 0x40000000, 0x40000000};
    EXPECT_EQ(result.page_size, covered[level]);
    EXPECT_EQ(copy.at(address) & 0x60, level == 1 ? 0x60U : 0x20U);  // a leaf keeps the D it had
  }
}

TEST(Hlat, RightsOfEntriesAboveTheRestartAreForgottenToo) {
  World world = hlat_world(4, kGuestUser | kRestart);
  const std::uint64_t above = hlat_entry(world, 2);
  world.put(above, (world.at(above) & ~std::uint64_t{0x6}) | (std::uint64_t{1} << 63));
  EXPECT_EQ(world.run(Kind::kWrite, true).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.run(Kind::kFetch, true).outcome, Outcome::kTranslated);
}

TEST(Hlat, TheRestartingLeafIsAccessedAndNeverDirtied) {
  World world = hlat_world(4, 0x07 | kRestart);
  ASSERT_EQ(world.run(Kind::kWrite).outcome, Outcome::kTranslated);
  EXPECT_EQ(world.at(hlat_entry(world, 1)) & 0x60, 0x20U);
}

TEST(Hlat, FaultsOfItsEntriesAreMarkedAndNoOthers) {
  World absent = hlat_world(4, kRestart);
  EXPECT_EQ(absent.run(Kind::kRead).error_code, 0x80U);
  World reserved = hlat_world(4, kGuestUser | kRestart | (std::uint64_t{1} << 48));
  EXPECT_EQ(reserved.run(Kind::kRead).error_code, 0x89U);
  World right = hlat_world(4, kGuestSupervisor);
  EXPECT_EQ(right.run(Kind::kRead, true).error_code, 0x05U);
  World restarted = hlat_world(4, kGuestUser | kRestart);
  restarted.put(restarted.guest_entry(kGva, 1), 0);
  EXPECT_EQ(restarted.run(Kind::kRead).error_code, 0U);
}

TEST(Hlat, Bit11IsIgnoredInOrdinaryTables) {
  for (unsigned level = 4; level >= 1; --level) {
    World world(4, 4);
    world.map_guest(kGva, kGpa, 1, kGuestSupervisor);
    const std::uint64_t address = world.guest_entry(kGva, level);
    world.put(address, world.at(address) | kRestart);
    const Result result = world.run(Kind::kRead, true);
    EXPECT_EQ(result.error_code, 0x05U);
    EXPECT_EQ(result.references.size(), 20U);
  }
}

TEST(PagingWrite, AReadOnlyLeafWithTheBitLetsFlagsBeSet) {
  for (const bool ept_flags : {false, true}) {
    World world(4, 4);
    world.map_data();
    if (ept_flags) *world.state.eptp |= 0x40;
    const std::uint64_t pte = world.guest_entry(kGva, 1);
    world.put(pte, world.at(pte) & ~std::uint64_t{0x60});
    const std::uint64_t table = world.guest_entry_gpa(kGva, 1);
    const std::uint64_t leaf = world.ept_entry(table, 1);
    world.put(leaf, (world.at(leaf) & ~std::uint64_t{2}) | kPagingWrite);
    EXPECT_EQ(world.run(Kind::kWrite).qualification, 0xabU);
    world.state.controls.paging_write = true;
    EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kTranslated);
    EXPECT_EQ(world.at(leaf) & 0x300, ept_flags ? 0x300U : 0U);

    // Above the leaf there is no rescue, nor for ordinary writes.
    world.put(pte, world.at(pte) & ~std::uint64_t{0x60});
    const std::uint64_t directory = world.ept_entry(table, 2);
    world.put(directory, world.at(directory) & ~std::uint64_t{2});
    EXPECT_EQ(world.run(Kind::kWrite).outcome, Outcome::kEptViolation);
    const Access direct{.address = table, .linear = false, .kind = Kind::kWrite};
    EXPECT_EQ(world.run(direct).qualification, 0x2aU);
  }
}

TEST(PagingWrite, TheBitOnALeafThatIsNotReadableIsAMisconfiguration) {
  World world(4, 4);
  world.map_data();
  world.put(world.ept_entry(kGpa, 1), kGpa | 0x34 | kPagingWrite);
  EXPECT_EQ(world.run(Kind::kFetch).outcome, Outcome::kTranslated);
  world.state.controls.paging_write = true;
  EXPECT_EQ(world.run(Kind::kFetch).outcome, Outcome::kEptMisconfig);
  world.put(world.ept_entry(kGpa, 1), kGpa | kEptRwx);
  const std::uint64_t directory = world.ept_entry(kGpa, 2);
  world.put(directory, (world.at(directory) & ~std::uint64_t{3}) | kPagingWrite);
  EXPECT_EQ(world.run(Kind::kFetch).outcome, Outcome::kTranslated);
}

// A verified data page whose guest tables are all mapped with the paging-write bit.
World verified_world() {
  World world = hlat_world();
  world.state.controls.hlat = false;
  world.state.controls.paging_write = true;
  world.state.controls.guest_paging_verification = true;
  for (unsigned level = 4; level >= 1; --level) {
    const std::uint64_t leaf = world.ept_entry(world.guest_entry_gpa(kGva, level), 1);
    world.put(leaf, world.at(leaf) | kPagingWrite);
  }
  const std::uint64_t leaf = world.ept_entry(kGpa, 1);
  world.put(leaf, world.at(leaf) | kVerify);
  return world;
}

TEST(GuestPagingVerification, EveryTableMustBeMappedForPagingWrites) {
  World verified = verified_world();
  EXPECT_EQ(verified.run(Kind::kRead).outcome, Outcome::kTranslated);
  for (unsigned level = 4; level >= 1; --level) {
    World world = verified_world();
    const std::uint64_t leaf = world.ept_entry(world.guest_entry_gpa(kGva, level), 1);
    world.put(leaf, world.at(leaf) & ~kPagingWrite);
    EXPECT_EQ(world.run(Kind::kRead).qualification, 0x81b9U);
    EXPECT_EQ(world.run({.address = kGpa, .linear = false}).outcome, Outcome::kTranslated);
    world.state.controls.paging_write = false;
    EXPECT_EQ(world.run(Kind::kRead).outcome, Outcome::kTranslated);
  }
}

TEST(GuestPagingVerification, OrdinaryRightsComeFirst) {
  World world = verified_world();
  const std::uint64_t table = world.ept_entry(world.guest_entry_gpa(kGva, 1), 1);
  world.put(table, world.at(table) & ~kPagingWrite);
  const std::uint64_t leaf = world.ept_entry(kGpa, 1);
  world.put(leaf, world.at(leaf) & ~std::uint64_t{2});
  EXPECT_EQ(world.run(Kind::kWrite).qualification, 0x1aaU);
  EXPECT_EQ(world.run(Kind::kRead).qualification, 0x81a9U);
}

TEST(GuestPagingVerification, EntriesBeforeARestartDoNotCount) {
  World world = verified_world();
  world.state.controls.hlat = true;
  const std::uint64_t leaf = hlat_entry(world, 1);
  world.put(leaf, world.at(leaf) | kRestart);
  EXPECT_EQ(world.run(Kind::kRead).outcome, Outcome::kTranslated);
}

}  // namespace
}  // namespace eptsim::oracle::test
