#include "sim/run/physical_frames.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace eptsim::sim {
namespace {

using arch::PageSize;

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kGiB = 1ull << 30;

TEST(PhysicalFrames, FramesAreAlignedAndNeverOverlap) {
  PhysicalFrames pool(5 * kGiB + 3 * kMiB);
  std::set<std::uint64_t> pages;  // of 4 KiB, those that are out
  const PageSize sizes[] = {PageSize::k4K, PageSize::k2M, PageSize::k4K, PageSize::k1G};
  for (unsigned i = 0; i < 16; ++i) {
    const PageSize size = sizes[i % 4];
    if (size == PageSize::k1G && i > 8) continue;
    const auto frame = pool.take(size);
    ASSERT_TRUE(frame);
    EXPECT_EQ(*frame % arch::bytes(size), 0u);
    EXPECT_LE(*frame + arch::bytes(size), pool.bytes());
    for (std::uint64_t page = *frame; page < *frame + arch::bytes(size); page += 4096) {
      ASSERT_TRUE(pages.insert(page).second) << std::hex << page;
    }
  }
  EXPECT_EQ(pool.taken_bytes(), pages.size() * 4096);
}

TEST(PhysicalFrames, EveryFrameButTheFirstCanBeTaken) {
  PhysicalFrames pool(4 * kMiB + 5 * 4096 + 17);
  unsigned frames = 0;
  std::uint64_t next = 4096;
  // Lowest first: below the first 2 MiB boundary, the piece at the end, then the whole block.
  while (const auto frame = pool.take(PageSize::k4K)) {
    EXPECT_NE(*frame, 0u);
    if (frames < 511) {
      EXPECT_EQ(*frame, next);
    }
    next += 4096;
    ++frames;
  }
  EXPECT_EQ(frames, 1024u + 5 - 1);
  EXPECT_FALSE(pool.take(PageSize::k2M));
}

TEST(PhysicalFrames, ALargeFrameNeedsAnAlignedBlock) {
  PhysicalFrames pool(2 * kGiB - 4096);  // the only aligned GiB begins at 0, which is never given
  EXPECT_FALSE(pool.take(PageSize::k1G));
  EXPECT_EQ(pool.taken_bytes(), 0u);
  PhysicalFrames larger(2 * kGiB);
  EXPECT_EQ(larger.take(PageSize::k1G), kGiB);
  EXPECT_FALSE(larger.take(PageSize::k1G));
}

TEST(PhysicalFrames, SmallFramesLeaveLargeBlocksWhole) {
  PhysicalFrames pool(2 * kGiB);
  for (unsigned i = 0; i < 511; ++i) ASSERT_LT(pool.take(PageSize::k4K).value(), 2 * kMiB);
  // The 2 MiB at the bottom are used up: one block of 2 MiB is split, and not the upper GiB.
  EXPECT_EQ(pool.take(PageSize::k4K), 2 * kMiB);
  EXPECT_EQ(pool.take(PageSize::k2M), 4 * kMiB);
  EXPECT_EQ(pool.take(PageSize::k1G), kGiB);
}

TEST(PhysicalFrames, AFrameGivenBackIsTheNextToGo) {
  PhysicalFrames pool(64 * kMiB);
  const auto first = pool.take(PageSize::k4K);
  pool.take(PageSize::k4K);
  pool.give_back(*first, PageSize::k4K);
  EXPECT_EQ(pool.taken_bytes(), 4096u);
  EXPECT_EQ(pool.take(PageSize::k4K), first);
}

/// How many of `count` requests for frames of `size` are refused.
unsigned refused(PhysicalFrames& pool, PageSize size, unsigned count) {
  unsigned none = 0;
  for (unsigned i = 0; i < count; ++i) none += pool.take(size) ? 0 : 1;
  return none;
}

TEST(FragmentedFrames, RefuseLargeFramesInTheirShareHoweverLargeTheMemory) {
  for (const unsigned percent : {10u, 50u, 90u}) {
    PhysicalFrames pool(1ull << 44, {.percent = percent, .seed = 1});
    EXPECT_NEAR(refused(pool, PageSize::k2M, 10'000), percent * 100, 200) << percent;
    EXPECT_NEAR(refused(pool, PageSize::k1G, 10'000), percent * 100, 200) << percent;
  }
}

TEST(FragmentedFrames, HaveTheirExtremes) {
  PhysicalFrames whole(16 * kGiB, {.percent = 0, .seed = 1});
  EXPECT_EQ(refused(whole, PageSize::k2M, 1000), 0u);
  PhysicalFrames broken(16 * kGiB, {.percent = 100, .seed = 1});
  EXPECT_EQ(refused(broken, PageSize::k2M, 1000), 1000u);
  EXPECT_EQ(refused(broken, PageSize::k1G, 10), 10u);
  EXPECT_EQ(refused(broken, PageSize::k4K, 10), 0u);
}

TEST(FragmentedFrames, LoseNoSmallFrame) {
  // Whatever was refused before, every small frame can be had, once.
  PhysicalFrames pool(8 * kMiB, {.percent = 60, .seed = 5});
  while (pool.take(PageSize::k2M)) {
  }
  std::set<std::uint64_t> frames;
  const std::uint64_t large = pool.taken_bytes();
  while (const auto frame = pool.take(PageSize::k4K)) EXPECT_TRUE(frames.insert(*frame).second);
  EXPECT_EQ(frames.size() * 4096 + large, 8 * kMiB - 4096);
}

TEST(FragmentedFrames, AreTheSmallOnesInOrderOnceNoLargeOneIsToBeHad) {
  PhysicalFrames broken(64 * kMiB, {.percent = 100, .seed = 1});
  PhysicalFrames small(64 * kMiB);
  for (unsigned i = 0; i < 4000; ++i) {
    if (i % 300 == 0) {
      EXPECT_FALSE(broken.take(PageSize::k2M));
    }
    ASSERT_EQ(broken.take(PageSize::k4K), small.take(PageSize::k4K));
  }
}

TEST(FragmentedFrames, AreTheSameForTheSameSeedAndOthersForAnother) {
  const auto pattern = [](std::uint64_t seed) {
    PhysicalFrames pool(kGiB, {.percent = 50, .seed = seed});
    std::vector<bool> given;
    for (unsigned i = 0; i < 200; ++i) given.push_back(pool.take(PageSize::k2M).has_value());
    return given;
  };
  EXPECT_EQ(pattern(1), pattern(1));
  EXPECT_NE(pattern(1), pattern(2));
}

TEST(ReservedFrames, AreNeverGivenOutAndAllOthersAre) {
  const std::vector<FrameRange> kReserved = {
      {0, 8192}, {20480, 24576}, {2 * kMiB - 4096, 2 * kMiB + 4096}, {4 * kMiB, 6 * kMiB}};
  PhysicalFrames pool(8 * kMiB);
  pool.reserve(kReserved);
  std::uint64_t reserved = 0;
  for (const FrameRange& range : kReserved) reserved += range.end - range.begin;
  EXPECT_EQ(pool.taken_bytes(), reserved);
  const auto large = pool.take(PageSize::k2M);
  EXPECT_EQ(large, 6 * kMiB);  // the only one that is whole
  EXPECT_FALSE(pool.take(PageSize::k2M));
  std::set<std::uint64_t> frames;
  std::optional<std::uint64_t> first;
  while (const auto frame = pool.take(PageSize::k4K)) {
    if (!first) first = frame;
    EXPECT_TRUE(frames.insert(*frame).second);
    for (const FrameRange& range : kReserved) {
      EXPECT_TRUE(*frame < range.begin || *frame >= range.end) << *frame;
    }
  }
  EXPECT_EQ(first, 8192u);
  EXPECT_EQ(frames.size() * 4096, 6 * kMiB - reserved);
  EXPECT_EQ(pool.taken_bytes(), 8 * kMiB);
}

TEST(ReservedFrames, StaySoWhenTheyAreGivenBack) {
  PhysicalFrames pool(16384);
  pool.reserve({{8192, 12288}});
  pool.give_back(8192, PageSize::k4K);
  EXPECT_EQ(pool.take(PageSize::k4K), 4096u);
  EXPECT_EQ(pool.take(PageSize::k4K), 12288u);
  EXPECT_FALSE(pool.take(PageSize::k4K));
  pool.give_back(4096, PageSize::k4K);
  EXPECT_EQ(pool.take(PageSize::k4K), 4096u);
}

TEST(PhysicalFrames, AMemoryOfOnePageHasNothingToGive) {
  PhysicalFrames pool(4096);
  EXPECT_FALSE(pool.take(PageSize::k4K));
}

}  // namespace
}  // namespace eptsim::sim
