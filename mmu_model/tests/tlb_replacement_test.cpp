#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "mmu_model/tlb/tlb_level.hpp"

/// Sequences of pages through one level, against what the policy's definition says stays resident.
namespace eptsim::mmu {
namespace {

using arch::PageSize;

constexpr std::uint64_t kPage = 4096;

Context plain_context() {
  Context context;
  context.cr0 = 0x8001'0001;
  context.cr4 = 0x20;
  context.efer = 0xd00;
  return context;
}

/// A level of 4 KiB entries, and one address space.
class Level {
 public:
  Level(TlbGeometry geometry, Replacement replacement, std::uint64_t seed = 1)
      : level_({.unified = geometry, .replacement = replacement}, seed), context_(plain_context()) {
    query_.context = &context_;
    query_.space = space_of(context_);
    query_.rights_mode = 1;
  }

  bool hits(std::uint64_t page) {
    return level_.lookup(query_, {.address = page * kPage, .user = true}) != nullptr;
  }
  /// An access as the hierarchy makes it: a miss fills. Returns whether it hit.
  bool access(std::uint64_t page) {
    if (hits(page)) return true;
    const Outcome outcome{.gpa = page * kPage, .hpa = page * kPage};
    level_.fill(query_.space.vpid, page * kPage, make_tlb_entry(context_, outcome));
    return false;
  }
  TlbCounters counters() const { return level_.counters(); }

 private:
  TlbLevel level_;
  WalkContext context_;
  TlbQuery query_;
};

std::vector<std::uint64_t> some_pages(std::size_t count, std::uint64_t among) {
  std::vector<std::uint64_t> pages;
  std::uint64_t x = 12345;
  for (std::size_t i = 0; i < count; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    pages.push_back((x >> 40) % among);
  }
  return pages;
}

/// The definition of LRU and of FIFO: a list of pages for each set, the next victim in front.
std::vector<bool> by_list(const std::vector<std::uint64_t>& pages, unsigned sets, unsigned ways,
                          bool hits_move) {
  std::vector<std::vector<std::uint64_t>> lists(sets);
  std::vector<bool> hits;
  for (const std::uint64_t page : pages) {
    auto& list = lists[page % sets];
    const auto found = std::find(list.begin(), list.end(), page);
    hits.push_back(found != list.end());
    if (found != list.end()) {
      if (!hits_move) continue;
      list.erase(found);
    } else if (list.size() == ways) {
      list.erase(list.begin());
    }
    list.push_back(page);
  }
  return hits;
}

void expect_hits(Level& level, const std::vector<std::uint64_t>& pages,
                 const std::vector<bool>& expected) {
  for (std::size_t i = 0; i < pages.size(); ++i) {
    ASSERT_EQ(level.access(pages[i]), expected[i]) << "access " << i << " to page " << pages[i];
  }
  const auto hits = static_cast<std::uint64_t>(std::count(expected.begin(), expected.end(), true));
  EXPECT_EQ(level.counters().accesses, pages.size());
  EXPECT_EQ(level.counters().hits, hits);
  EXPECT_EQ(level.counters().misses, pages.size() - hits);
}

TEST(TlbReplacement, LruHitsWhatAListOfRecentPagesHolds) {
  for (const auto& [sets, ways] : {std::pair{16u, 6u}, {1u, 96u}, {128u, 12u}, {8u, 1u}}) {
    Level level({.entries = sets * ways, .ways = ways}, Replacement::kLru);
    const auto pages = some_pages(20000, 2 * sets * ways);
    expect_hits(level, pages, by_list(pages, sets, ways, true));
  }
}

TEST(TlbReplacement, FifoHitsWhatAQueueOfFillsHolds) {
  for (const auto& [sets, ways] : {std::pair{16u, 6u}, {1u, 64u}, {4u, 4u}}) {
    Level level({.entries = sets * ways, .ways = ways}, Replacement::kFifo);
    const auto pages = some_pages(20000, 2 * sets * ways);
    expect_hits(level, pages, by_list(pages, sets, ways, false));
  }
}

TEST(TlbReplacement, TreePlruOfTwoWaysIsLru) {
  Level level({.entries = 32, .ways = 2}, Replacement::kTreePlru);
  const auto pages = some_pages(20000, 64);
  expect_hits(level, pages, by_list(pages, 16, 2, true));
}

TEST(TlbReplacement, TreePlruOfFourWaysEvictsWhereTheBitsPoint) {
  Level level({.entries = 4, .ways = 4}, Replacement::kTreePlru);
  for (std::uint64_t page : {10, 11, 12, 13}) EXPECT_FALSE(level.access(page));
  // Use of way 0, then of way 2: root and left node point to way 1, whatever way 3 saw.
  EXPECT_TRUE(level.access(10));
  EXPECT_TRUE(level.access(12));
  EXPECT_FALSE(level.access(14));
  EXPECT_FALSE(level.hits(11));
  // The root points right now, and the right node away from way 2, to way 3.
  EXPECT_FALSE(level.access(15));
  EXPECT_FALSE(level.hits(13));
  EXPECT_TRUE(level.hits(10));
  EXPECT_TRUE(level.hits(12));
  EXPECT_TRUE(level.hits(14));
}

TEST(TlbReplacement, SrripGivesUpWhatWasUsedOnceBeforeWhatWasUsedAgain) {
  Level level({.entries = 4, .ways = 4}, Replacement::kSrrip);
  for (std::uint64_t page : {10, 11, 12, 13}) EXPECT_FALSE(level.access(page));
  EXPECT_TRUE(level.access(10));
  EXPECT_TRUE(level.access(12));
  // Any number of pages used once go through the places of 11 and 13.
  for (std::uint64_t page = 20; page < 22; ++page) EXPECT_FALSE(level.access(page));
  EXPECT_FALSE(level.hits(11));
  EXPECT_FALSE(level.hits(13));
  EXPECT_TRUE(level.hits(10));
  EXPECT_TRUE(level.hits(12));
}

TEST(TlbReplacement, SrripForgetsWhatIsNeverUsedAgain) {
  Level level({.entries = 2, .ways = 2}, Replacement::kSrrip);
  EXPECT_FALSE(level.access(1));
  EXPECT_TRUE(level.access(1));
  // Page 1 is expected soon, 0. Each that comes next ages it by one until it is as late as they.
  EXPECT_FALSE(level.access(2));
  EXPECT_FALSE(level.access(3));  // ages 1 to 1, 2 goes
  EXPECT_FALSE(level.access(4));  // to 2, 3 goes
  EXPECT_FALSE(level.access(5));  // to 3: both are last, and the first goes
  EXPECT_FALSE(level.hits(1));
  EXPECT_TRUE(level.hits(5));
}

TEST(TlbReplacement, RandomRepeatsWithItsSeedAndReachesEveryWay) {
  const auto pages = some_pages(5000, 24);
  const auto run = [&](std::uint64_t seed) {
    Level level({.entries = 12, .ways = 12}, Replacement::kRandom, seed);
    std::vector<bool> hits;
    for (const std::uint64_t page : pages) hits.push_back(level.access(page));
    return hits;
  };
  EXPECT_EQ(run(7), run(7));
  EXPECT_NE(run(7), run(8));

  RandomReplacement policy(12, 1);
  std::set<unsigned> ways;
  for (int i = 0; i < 500; ++i) ways.insert(policy.victim(0));
  EXPECT_EQ(ways.size(), 12u);
  EXPECT_EQ(*ways.rbegin(), 11u);
}

TEST(TlbReplacement, AnInvalidatedWayIsFilledBeforeAnyoneIsEvicted) {
  TlbLevel level({.unified = {.entries = 4, .ways = 4}}, 1);
  const WalkContext context(plain_context());
  TlbQuery query{.context = &context, .space = space_of(context), .rights_mode = 1};
  const auto fill = [&](std::uint64_t page) {
    level.fill(1, page * kPage, make_tlb_entry(context, {.hpa = page * kPage}));
  };
  const auto hits = [&](std::uint64_t page) {
    return level.lookup(query, {.address = page * kPage}) != nullptr;
  };
  for (std::uint64_t page : {1, 2, 3, 4}) fill(page);
  level.invalidate({.linear = 3 * kPage});
  EXPECT_FALSE(hits(3));
  fill(5);
  for (std::uint64_t page : {1, 2, 4, 5}) EXPECT_TRUE(hits(page)) << page;
}

}  // namespace
}  // namespace eptsim::mmu
