#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

namespace eptsim::oracle::test {
namespace {

constexpr std::uint64_t kSizes[] = {0, 0x1000, 0x200000, 0x40000000};

struct Row {
  unsigned guest_levels, ept_levels, guest_page;
  std::size_t ept_4k, ept_2m, ept_1g;
};

// Paging-structure reads of a walk with every cache off. Pages are named by the level of the leaf.
constexpr Row kNested[] = {
    {4, 4, 1, 24, 19, 14}, {4, 4, 2, 19, 15, 11}, {4, 4, 3, 14, 11, 8},  {4, 5, 1, 29, 24, 19},
    {4, 5, 2, 23, 19, 15}, {4, 5, 3, 17, 14, 11}, {5, 4, 1, 29, 23, 17}, {5, 4, 2, 24, 19, 14},
    {5, 4, 3, 19, 15, 11}, {5, 5, 1, 35, 29, 23}, {5, 5, 2, 29, 24, 19}, {5, 5, 3, 23, 19, 15},
};

TEST(Figures, NestedWalksReadAsManyEntriesAsTheTableSays) {
  for (const Row& row : kNested) {
    const std::size_t expected[] = {0, row.ept_4k, row.ept_2m, row.ept_1g};
    for (unsigned ept_page = 1; ept_page <= 3; ++ept_page) {
      SCOPED_TRACE(testing::Message() << row.guest_levels << "/" << row.ept_levels << " guest page "
                                      << row.guest_page << " EPT page " << ept_page);
      World world(row.guest_levels, row.ept_levels, ept_page);
      world.map_data(row.guest_page, ept_page);
      ASSERT_EQ(refused(world.state), std::nullopt);
      const Result result = world.run(Kind::kRead);
      EXPECT_EQ(result.outcome, Outcome::kTranslated);
      EXPECT_EQ(result.references.size(), expected[ept_page]);
      EXPECT_EQ(result.hpa, result.gpa + World::kShift);
      EXPECT_EQ(result.gpa - kGpa, kGva & (kSizes[row.guest_page] - 1));
      EXPECT_EQ(result.guest_page_size, kSizes[row.guest_page]);
      EXPECT_EQ(result.ept_page_size, kSizes[ept_page]);
      EXPECT_EQ(result.page_size, kSizes[std::min(row.guest_page, ept_page)]);
    }
  }
}

TEST(Figures, NativeWalksReadOneEntryALevel) {
  for (const unsigned levels : {4U, 5U}) {
    for (unsigned page = 1; page <= 3; ++page) {
      World world(levels, 0);
      world.map_data(page);
      const Result result = world.run(Kind::kRead);
      EXPECT_EQ(result.outcome, Outcome::kTranslated);
      EXPECT_EQ(result.references.size(), levels + 1 - page);
      EXPECT_EQ(result.hpa, result.gpa);
      EXPECT_EQ(result.ept_page_size, 0U);
      EXPECT_EQ(result.page_size, kSizes[page]);
    }
  }
}

TEST(Figures, WithoutGuestPagingOnlyTheEptIsRead) {
  for (const unsigned levels : {4U, 5U}) {
    for (unsigned page = 1; page <= 3; ++page) {
      World world(0, levels);
      world.map_ept(0x40000000, 0x4040000000, page);
      const Result result = world.run({.address = 0x40000123});
      EXPECT_EQ(result.outcome, Outcome::kTranslated);
      EXPECT_EQ(result.hpa, 0x4040000123U);
      EXPECT_EQ(result.references.size(), levels + 1 - page);
      EXPECT_EQ(result.guest_page_size, 0U);
      EXPECT_EQ(result.page_size, kSizes[page]);
    }
  }
}

TEST(Figures, WithoutAnyPagingNothingIsRead) {
  World world(0, 0);
  const Result result = world.run({.address = 0x12345678});
  EXPECT_EQ(result.hpa, 0x12345678U);
  EXPECT_TRUE(result.references.empty());
}

TEST(Figures, LeafSizesMayDifferFromTableToTable) {
  World world(4, 4, 2);  // tables on 2-MByte pages
  world.map_data(1, 1);
  EXPECT_EQ(world.run(Kind::kRead).references.size(), 4U + 4 * 3 + 4);
}

TEST(Figures, TheTwentyFourReferencesComeInTheOrderOfTheWalk) {
  World world(4, 4);
  world.map_data();
  const Result result = world.run(Kind::kRead);
  std::vector<Reference> expected;
  const auto ept = [&](std::uint64_t gpa) {
    for (unsigned level = 4; level >= 1; --level) {
      const std::uint64_t address = world.ept_entry(gpa, level);
      expected.push_back({Structure::kEpt, level, address, world.at(address)});
    }
  };
  for (unsigned level = 4; level >= 1; --level) {
    ept(world.guest_entry_gpa(kGva, level));
    const std::uint64_t address = world.guest_entry(kGva, level);
    expected.push_back({Structure::kGuest, level, address, world.at(address)});
  }
  ept(kGpa);
  EXPECT_EQ(result.references, expected);
  EXPECT_TRUE(result.writes.empty());
}

TEST(Figures, AGuestPhysicalRequestReadsTheEptOnly) {
  World world(4, 4);
  world.map_data();
  const Result result = world.run({.address = kGpa + 5, .linear = false});
  EXPECT_EQ(result.outcome, Outcome::kTranslated);
  EXPECT_EQ(result.hpa, kGpa + World::kShift + 5);
  EXPECT_EQ(result.references.size(), 4U);
  EXPECT_EQ(result.guest_page_size, 0U);
  EXPECT_FALSE(result.gva_valid);
}

}  // namespace
}  // namespace eptsim::oracle::test
