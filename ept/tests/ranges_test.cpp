#include <gtest/gtest.h>

#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;
using arch::PageSize;
using Kind = ReferenceResult::Kind;

std::vector<std::pair<std::uint64_t, PageSize>> sizes(const ExtendedPageTable& table) {
  std::vector<std::pair<std::uint64_t, PageSize>> pages;
  for (const Mapping& page : table.mappings()) pages.emplace_back(page.gpa.value(), page.size);
  return pages;
}

TEST(MapRange, TakesTheLargestPagesThatFitAtEachPlace) {
  Machine m;
  // From 4 KiB below a 2 MiB boundary that lies 2 MiB below a 1 GiB boundary.
  const std::uint64_t begin = kGiB - 2 * kMiB - 4 * kKiB;
  expect_done(
      m.table.map_range(Gpa(begin), Hpa(8 * kGiB + begin), kGiB + 4 * kMiB + 8 * kKiB, kReadWrite));
  const std::vector<std::pair<std::uint64_t, PageSize>> expected{
      {begin, PageSize::k4K},
      {kGiB - 2 * kMiB, PageSize::k2M},
      {kGiB, PageSize::k1G},
      {2 * kGiB, PageSize::k2M},
      {2 * kGiB + 2 * kMiB, PageSize::k4K}};
  EXPECT_EQ(sizes(m.table), expected);
  for (std::uint64_t offset : {std::uint64_t{0}, 4095 * std::uint64_t{1}, 4 * kKiB, kMiB, kGiB}) {
    EXPECT_EQ(m.look(begin + offset).address, 8 * kGiB + begin + offset);
  }
  EXPECT_EQ(m.look(begin - 1).kind, Kind::kAbsent);
  EXPECT_EQ(m.look(begin + kGiB + 4 * kMiB + 8 * kKiB).kind, Kind::kAbsent);
}

TEST(MapRange, TakesSmallPagesWhereTheHostAddressIsNotAligned) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(0x1000), 4 * kMiB, kReadWrite));
  EXPECT_EQ(sizes(m.table).size(), 1024u);
  EXPECT_EQ(m.look(3 * kMiB).address, 3 * kMiB + 0x1000);
}

TEST(MapRange, TakesOnlyPagesThatTheProcessorHas) {
  Machine m({.page_1g = false});
  expect_done(m.table.map_range(Gpa(0), Hpa(0), kGiB, kReadWrite));
  EXPECT_EQ(sizes(m.table).size(), 512u);
  EXPECT_EQ(m.look(5).page_bits, 21u);
  Machine small({.page_2m = false, .page_1g = false});
  expect_done(small.table.map_range(Gpa(0), Hpa(0), 4 * kMiB, kReadWrite));
  EXPECT_EQ(small.look(5).page_bits, 12u);
}

TEST(MapRange, TakesPagesOfTheGivenSize) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(0), kGiB, kReadWrite, {.size = PageSize::k2M}));
  EXPECT_EQ(sizes(m.table).size(), 512u);
  EXPECT_EQ(
      m.table.map_range(Gpa(2 * kGiB), Hpa(2 * kGiB), 3 * kMiB, kReadWrite, {.size = PageSize::k2M})
          .error(),
      MapError::kUnaligned);
}

TEST(MapRange, CrossesTheBoundaryOfTheUppermostEntries) {
  Machine m({.maxphyaddr = 52, .depth = 5});
  for (const std::uint64_t boundary : {512 * kGiB, 512 * 512 * kGiB}) {
    expect_done(m.table.map_range(Gpa(boundary - 0x3000), Hpa(0x1000), 0x6000, kReadWrite));
    EXPECT_EQ(m.look(boundary - 0x3000).address, 0x1000u);
    EXPECT_EQ(m.look(boundary + 0x2fff).address, 0x6fffu);
    EXPECT_EQ(m.look(boundary + 0x3000).kind, Kind::kAbsent);
  }
}

TEST(MapRange, ReachesTheLastAddressAndNotBeyond) {
  Machine m;
  const std::uint64_t end = std::uint64_t{1} << 46;
  EXPECT_EQ(m.table.map_range(Gpa(end - 0x1000), Hpa(0), 0x2000, kReadWrite).error(),
            MapError::kAddressTooWide);
  EXPECT_EQ(m.table.map_range(Gpa(0), Hpa(end - 0x1000), 0x2000, kReadWrite).error(),
            MapError::kAddressTooWide);
  EXPECT_EQ(m.table.map_range(Gpa(0x1000), Hpa(0), ~std::uint64_t{0xfff}, kReadWrite).error(),
            MapError::kAddressTooWide);
  expect_done(m.table.map_range(Gpa(end - 0x1000), Hpa(0), 0x1000, kReadWrite));
  EXPECT_TRUE(m.table.walk(Gpa(end - 1)));
}

TEST(MapRange, ChangesNothingIfOnePageIsTaken) {
  Machine m;
  expect_done(m.table.map(Gpa(5 * kMiB), Hpa(0x1000), kReadWrite));
  expect_done(m.table.map(Gpa(kGiB), Hpa(0), kReadWrite, {.size = PageSize::k1G}));
  const auto content = m.memory.content();
  const MapOptions small{.size = PageSize::k4K};
  EXPECT_EQ(m.table.map_range(Gpa(0), Hpa(0), 8 * kMiB, kReadWrite, small).error(),
            MapError::kDuplicated);
  EXPECT_EQ(m.table.map_range(Gpa(0), Hpa(0), 8 * kMiB, kReadWrite).error(),
            MapError::kCoversSmallerPages);
  EXPECT_EQ(m.table.map_range(Gpa(kGiB - kMiB), Hpa(0), 2 * kMiB, kReadWrite, small).error(),
            MapError::kCoveredByLargePage);
  EXPECT_EQ(m.memory.content(), content);
}

TEST(MapRange, OfNothingMapsNothing) {
  Machine m;
  EXPECT_FALSE(m.table.map_range(Gpa(0), Hpa(0), 0, kReadWrite)->needs_invept());
  EXPECT_EQ(m.frames.in_use().size(), 1u);
}

TEST(UnmapRange, GivesBackEveryPageAndPassesOverHoles) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(4 * kMiB), 4 * kMiB, kReadWrite));
  expect_done(m.table.map(Gpa(6 * kMiB), Hpa(0x1000), kReadWrite));
  expect_done(m.table.map(Gpa(8 * kMiB), Hpa(0x2000), kReadWrite));
  const auto unmapped = m.table.unmap_range({Gpa(2 * kMiB), Gpa(8 * kMiB)});
  ASSERT_TRUE(unmapped);
  ASSERT_EQ(unmapped->pages.size(), 2u);
  EXPECT_EQ(unmapped->pages[0].hpa, Hpa(6 * kMiB));
  EXPECT_EQ(unmapped->pages[0].size, PageSize::k2M);
  EXPECT_EQ(unmapped->pages[1].hpa, Hpa(0x1000));
  EXPECT_EQ(unmapped->pending.ranges().size(), 2u);
  EXPECT_EQ(sizes(m.table).size(), 2u);
}

TEST(UnmapRange, RefusesToCutALargePage) {
  Machine m;
  expect_done(m.table.map(Gpa(2 * kMiB), Hpa(0), kReadWrite, {.size = PageSize::k2M}));
  const auto content = m.memory.content();
  EXPECT_EQ(m.table.unmap_range({Gpa(0), Gpa(3 * kMiB)}).error(), UnmapRangeError::kPartlyCovered);
  EXPECT_EQ(m.table.unmap_range({Gpa(3 * kMiB), Gpa(8 * kMiB)}).error(),
            UnmapRangeError::kPartlyCovered);
  EXPECT_EQ(m.table.unmap_range({Gpa(0), Gpa(8 * kMiB)}, PageSize::k4K).error(),
            UnmapRangeError::kWrongPageSize);
  EXPECT_EQ(m.table.unmap_range({Gpa(0), Gpa(7 * kMiB)}, PageSize::k2M).error(),
            UnmapRangeError::kUnaligned);
  EXPECT_EQ(m.table.unmap_range({Gpa(1), Gpa(0x1000)}).error(), UnmapRangeError::kUnaligned);
  EXPECT_EQ(m.table.unmap_range({Gpa(0), Gpa(std::uint64_t{1} << 47)}).error(),
            UnmapRangeError::kAddressTooWide);
  EXPECT_EQ(m.memory.content(), content);
  EXPECT_TRUE(m.table.unmap_range({Gpa(0), Gpa(4 * kMiB)}, PageSize::k2M));
}

TEST(ProtectRange, OwesAnInveptWhereARightIsTakenAway) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(4 * kMiB), 2 * kMiB + 0x2000, kReadWrite));
  expect_done(m.table.map(Gpa(4 * kMiB), Hpa(0), kReadOnly));
  const auto pending = m.table.protect_range({Gpa(0), Gpa(8 * kMiB)}, kReadExecute);
  ASSERT_TRUE(pending);
  ASSERT_EQ(pending->ranges().size(), 1u);
  EXPECT_EQ(pending->ranges()[0], range_of(Gpa(0), 2 * kMiB + 0x2000));
  for (const std::uint64_t gpa : {std::uint64_t{0}, 2 * kMiB, 4 * kMiB}) {
    EXPECT_EQ(m.look(gpa).rights, 5u);
  }
  EXPECT_EQ(m.table.protect_range({Gpa(0), Gpa(8 * kMiB)}, {.write = true}).error(),
            ProtectRangeError::kBadPermission);
  EXPECT_EQ(m.table.protect_range({Gpa(0), Gpa(kMiB)}, kReadOnly).error(),
            ProtectRangeError::kPartlyCovered);
}

TEST(Mappings, ListPagesThatOverlapARange) {
  Machine m;
  expect_done(m.table.map(Gpa(2 * kMiB), Hpa(0), kReadOnly, {.size = PageSize::k2M}));
  expect_done(m.table.map(Gpa(5 * kMiB), Hpa(0x1000), kReadOnly));
  const auto count = [&](std::uint64_t begin, std::uint64_t end) {
    const Mappings pages = m.table.mappings({Gpa(begin), Gpa(end)});
    return std::ranges::distance(pages.begin(), pages.end());
  };
  EXPECT_EQ(count(0, 2 * kMiB), 0);
  EXPECT_EQ(count(0, 2 * kMiB + 1), 1);
  EXPECT_EQ(count(3 * kMiB, 5 * kMiB), 1);
  EXPECT_EQ(count(3 * kMiB, 5 * kMiB + 1), 2);
  EXPECT_EQ(count(5 * kMiB + 0x1000, std::uint64_t{1} << 52), 0);
}

TEST(Harvest, FindsThePagesThatProcessorsUsed) {
  Machine m;
  expect_done(m.table.map_range(Gpa(0), Hpa(4 * kMiB), 2 * kMiB + 0x3000, kReadWrite));
  const auto set = [&](std::uint64_t gpa, std::uint64_t flags) {
    auto entry = m.table.walk(Gpa(gpa))->entry;
    entry.store(entry.load() | flags);
  };
  set(0, 0x300);
  set(2 * kMiB + 0x1000, 0x100);
  const auto used = m.table.harvest({Gpa(0), Gpa(kGiB)});
  ASSERT_EQ(used.size(), 2u);
  EXPECT_TRUE(used[0].dirty());
  EXPECT_FALSE(used[1].dirty());
  EXPECT_EQ(used[1].gpa, Gpa(2 * kMiB + 0x1000));

  const auto clean = m.table.clear_flags({Gpa(0), Gpa(kGiB)}, {.accessed = false, .dirty = true});
  ASSERT_EQ(clean.pages.size(), 1u);
  EXPECT_TRUE(clean.pages[0].dirty()) << "as it was before";
  ASSERT_EQ(clean.pending.ranges().size(), 1u);
  EXPECT_EQ(clean.pending.ranges()[0], range_of(Gpa(0), 2 * kMiB));
  EXPECT_EQ(m.table.harvest({Gpa(0), Gpa(kGiB)}).size(), 2u) << "accessed still";
  EXPECT_EQ(m.table.clear_flags({Gpa(0), Gpa(kGiB)}).pages.size(), 2u);
  EXPECT_TRUE(m.table.harvest({Gpa(0), Gpa(kGiB)}).empty());
  EXPECT_FALSE(m.table.clear_flags({Gpa(0), Gpa(kGiB)}).pending.needs_invept());
}

}  // namespace
}  // namespace eptsim::ept::test
