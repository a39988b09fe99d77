#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

// The EPT leaf of a guest page table, accessed and dirty flags of both dimensions.
namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kA = 0x20, kD = 0x40;
constexpr std::uint64_t kEptA = 0x100, kEptD = 0x200;

struct Op {
  Kind kind;
  bool user;
};
constexpr Op kOps[] = {
    {Kind::kRead, false}, {Kind::kWrite, false}, {Kind::kFetch, false}, {Kind::kFetch, true}};

struct Vector {
  std::uint64_t rights;
  bool ept_flags;
  std::uint64_t guest_flags;
  std::uint64_t expected[4];  // 0: translated
};
constexpr Vector kVectors[] = {
    {0, false, kA | kD, {0x81, 0x81, 0x81, 0x81}},
    {0, true, kA | kD, {0x83, 0x83, 0x83, 0x83}},
    {1, false, 0, {0x8b, 0x8b, 0x8b, 0x8b}},
    {1, false, kA, {0, 0x8b, 0, 0}},
    {1, false, kA | kD, {0, 0, 0, 0}},
    {1, true, 0, {0x8b, 0x8b, 0x8b, 0x8b}},
    {1, true, kA, {0x8b, 0x8b, 0x8b, 0x8b}},
    {1, true, kA | kD, {0x8b, 0x8b, 0x8b, 0x8b}},
    {5, false, 0, {0xab, 0xab, 0xab, 0xab}},
    {5, false, kA, {0, 0xab, 0, 0}},
    {5, false, kA | kD, {0, 0, 0, 0}},
    {5, true, 0, {0xab, 0xab, 0xab, 0xab}},
    {5, true, kA, {0xab, 0xab, 0xab, 0xab}},
    {5, true, kA | kD, {0xab, 0xab, 0xab, 0xab}},
    {3, false, 0, {0, 0, 0, 0}},
    {3, true, 0, {0, 0, 0, 0}},
    {7, false, 0, {0, 0, 0, 0}},
    {7, true, 0, {0, 0, 0, 0}},
};

TEST(GuestTablePage, RightsOfTheEptLeafGiveTheQualificationsOfTheTable) {
  for (const Vector& vector : kVectors) {
    for (unsigned op = 0; op < 4; ++op) {
      SCOPED_TRACE(testing::Message()
                   << "rights " << vector.rights << " EPT flags " << vector.ept_flags
                   << " guest flags " << vector.guest_flags << " op " << op);
      World world(4, 4);
      world.map_data();
      if (vector.ept_flags) *world.state.eptp |= 0x40;
      const std::uint64_t pte_gpa = world.guest_entry_gpa(kGva, 1);
      const std::uint64_t pte = world.guest_entry(kGva, 1);
      world.put(pte, (world.at(pte) & ~(kA | kD)) | vector.guest_flags);
      const std::uint64_t leaf = world.ept_entry(pte_gpa, 1);
      world.put(leaf, (world.at(leaf) & ~std::uint64_t{7}) | vector.rights);

      const Result result = world.run(kOps[op].kind, kOps[op].user);
      if (vector.expected[op] != 0) {
        EXPECT_EQ(result.outcome, Outcome::kEptViolation);
        EXPECT_EQ(result.qualification, vector.expected[op]);
        EXPECT_EQ(result.gpa, pte_gpa);
        EXPECT_EQ(result.gva, kGva);
        EXPECT_EQ(world.at(pte) & (kA | kD), vector.guest_flags);
        EXPECT_EQ(world.at(leaf) & (kEptA | kEptD), 0U);
        continue;
      }
      EXPECT_EQ(result.outcome, Outcome::kTranslated);
      EXPECT_EQ((world.at(pte) & kA), kA);
      EXPECT_EQ((world.at(pte) & kD) != 0, (vector.guest_flags & kD) != 0 || op == 1);
      EXPECT_EQ(world.at(leaf) & (kEptA | kEptD), vector.ept_flags ? kEptA | kEptD : 0);
      for (unsigned level = 2; level <= 4; ++level) {
        EXPECT_EQ(world.at(world.ept_entry(pte_gpa, level)) & (kEptA | kEptD),
                  vector.ept_flags ? kEptA : 0);
      }
    }
  }
}

TEST(GuestTablePage, ATableOfAnyLevelThatIsAbsentIsReportedAsTheWalkThatMeetsIt) {
  for (unsigned level = 1; level <= 4; ++level) {
    World world(4, 4);
    world.map_data();
    const std::uint64_t gpa = world.guest_entry_gpa(kGva, level);
    world.put(world.ept_entry(gpa, 1), 0);
    const Result plain = world.run(Kind::kWrite);
    EXPECT_EQ(plain.qualification, 0x81U);
    EXPECT_EQ(plain.gpa, gpa);
    EXPECT_EQ(plain.references.size(), 5 * (4 - level) + 4);
    *world.state.eptp |= 0x40;
    EXPECT_EQ(world.run(Kind::kFetch).qualification, 0x83U);
  }
}

TEST(GuestTablePage, ADataPageHasAccessedWhenReadAndDirtyWhenWritten) {
  for (const bool write : {false, true}) {
    World world(4, 4);
    world.map_data();
    *world.state.eptp |= 0x40;
    ASSERT_EQ(world.run(write ? Kind::kWrite : Kind::kRead).outcome, Outcome::kTranslated);
    EXPECT_EQ(world.at(world.ept_entry(kGpa, 1)) & (kEptA | kEptD), write ? kEptA | kEptD : kEptA);
    for (unsigned level = 2; level <= 4; ++level) {
      EXPECT_EQ(world.at(world.ept_entry(kGpa, level)) & (kEptA | kEptD), kEptA);
    }
    for (unsigned level = 1; level <= 4; ++level) {
      const std::uint64_t table = world.guest_entry_gpa(kGva, level);
      EXPECT_EQ(world.at(world.ept_entry(table, 1)) & (kEptA | kEptD), kEptA | kEptD);
    }
  }
}

TEST(GuestTablePage, AViolationLeavesTheTargetCleanAndItsTablesDirty) {
  World world(4, 4);
  world.map_data();
  *world.state.eptp |= 0x40;
  const std::uint64_t leaf = world.ept_entry(kGpa, 1);
  world.put(leaf, world.at(leaf) & ~std::uint64_t{2});
  const Result result = world.run(Kind::kWrite);
  EXPECT_EQ(result.qualification, 0x1aaU);
  EXPECT_EQ(world.at(leaf) & (kEptA | kEptD), 0U);
  const std::uint64_t table = world.guest_entry_gpa(kGva, 1);
  EXPECT_EQ(world.at(world.ept_entry(table, 1)) & (kEptA | kEptD), kEptA | kEptD);
}

TEST(GuestTablePage, FlagsAreWrittenRootToLeafAndBeforeWhatFollows) {
  World world(4, 4);
  world.map_data();
  *world.state.eptp |= 0x40;
  for (unsigned level = 1; level <= 4; ++level) {
    const std::uint64_t entry = world.guest_entry(kGva, level);
    world.put(entry, world.at(entry) & ~(kA | kD));
  }
  const std::uint64_t pte = world.guest_entry(kGva, 1);
  const std::uint64_t clean = world.at(pte);
  const Result result = world.run(Kind::kWrite);

  std::vector<Write> expected;
  const auto set = [&](std::uint64_t address) {
    expected.push_back({address, 8, world.at(address)});
  };
  // All tables share the EPT's upper entries, whose flags are set once.
  const std::uint64_t root_gpa = world.guest_entry_gpa(kGva, 4);
  for (unsigned level = 4; level >= 2; --level) set(world.ept_entry(root_gpa, level));
  for (unsigned level = 4; level >= 1; --level) {
    set(world.ept_entry(world.guest_entry_gpa(kGva, level), 1));
    if (level > 1) set(world.guest_entry(kGva, level));
  }
  expected.push_back({pte, 8, clean | kA});
  expected.push_back({pte, 8, clean | kA | kD});
  for (unsigned level = 4; level >= 1; --level) set(world.ept_entry(kGpa, level));
  EXPECT_EQ(result.writes, expected);
}

TEST(GuestTablePage, TheDirtyFlagIsSetBeforeTheFinalTranslationAndAccessedBeforeThePageFault) {
  World world(4, 4);
  world.map_data();
  const std::uint64_t pte = world.guest_entry(kGva, 1);
  world.put(pte, world.at(pte) & ~(kA | kD));
  world.put(world.ept_entry(kGpa, 1), 0);
  EXPECT_EQ(world.run(Kind::kWrite).qualification, 0x182U);
  EXPECT_EQ(world.at(pte) & (kA | kD), kA | kD);

  World read_only(4, 4);
  read_only.map_guest(kGva, kGpa, 1, 0x05);
  const std::uint64_t entry = read_only.guest_entry(kGva, 1);
  EXPECT_EQ(read_only.run(Kind::kWrite).outcome, Outcome::kPageFault);
  EXPECT_EQ(read_only.at(entry) & (kA | kD), kA);
}

TEST(GuestTablePage, AnUnusedEntryKeepsItsFlags) {
  World world(4, 4);
  world.map_guest(kGva, kGpa, 1, 0x6);  // not present
  const std::uint64_t above = world.guest_entry(kGva, 2);
  world.put(above, world.at(above) & ~kA);
  EXPECT_EQ(world.run(Kind::kRead).error_code, 0U);
  EXPECT_EQ(world.at(above) & kA, kA);
  EXPECT_EQ(world.at(world.guest_entry(kGva, 1)) & kA, 0U);
}

}  // namespace
}  // namespace eptsim::oracle::test
