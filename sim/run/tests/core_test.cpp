#include <gtest/gtest.h>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

/// `rounds` rounds of reads of `pages` pages in a row.
std::vector<Record> loop_over(unsigned pages, unsigned rounds) {
  std::vector<Record> records;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned page = 0; page < pages; ++page) {
      records.push_back(read(kHeap + page * kPageBytes));
    }
  }
  return records;
}

// The TLBs have 4 and 8 entries, fully associative, least recently used out first.
TEST(TlbReach, PagesThatFitTheFirstLevelCostNothing) {
  RunSettings settings = small_machine();
  settings.warmup = 4;
  const RunResult result = run(settings, loop_over(4, 11));
  EXPECT_EQ(result.accesses, 40u);
  EXPECT_EQ(result.l1d.hits, 40u);
  EXPECT_EQ(result.l2.accesses, 0u);
  EXPECT_EQ(result.cycles_by.translation, 0u);
  EXPECT_EQ(result.cycles, 40u);
}

TEST(TlbReach, PagesThatFitTheSecondLevelCostItsHits) {
  RunSettings settings = small_machine();
  settings.warmup = 8;
  const RunResult result = run(settings, loop_over(8, 11));
  EXPECT_EQ(result.l1d.misses, 80u);
  EXPECT_EQ(result.l2.hits, 80u);
  EXPECT_EQ(result.walker.walks, 0u);
  EXPECT_EQ(result.cycles_by.translation, 80 * kL2Cycles);
  EXPECT_EQ(result.cycles, 80 + 80 * kL2Cycles);
}

TEST(TlbReach, OnePageMoreThanFitsMakesEveryAccessWalk) {
  RunSettings settings = small_machine();
  settings.warmup = 9;
  const RunResult result = run(settings, loop_over(9, 11));
  EXPECT_EQ(result.l2.misses, 90u);
  EXPECT_EQ(result.walker.walks, 90u);
  EXPECT_EQ(result.walker.references, 90u * 24);
  EXPECT_EQ(result.cycles_by.translation, 90 * (kL2Cycles + lost_cycles(24)));
}

TEST(TlbReach, FetchesAndDataHaveFirstLevelsOfTheirOwn) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 2;
  std::vector<Record> records;
  for (unsigned i = 0; i < 6; ++i) {
    records.push_back(i % 2 == 0 ? record(RecordKind::kFetch, kHeap) : read(kHeap));
  }
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.l1i.hits, 2u);
  EXPECT_EQ(result.l1d.hits, 2u);
}

TEST(Core, LeavesFetchesOutWhenTold) {
  RunSettings settings = small_machine();
  settings.fetch = false;
  const RunResult result =
      run(settings, {record(RecordKind::kFetch, 0x401000), read(kHeap),
                     record(RecordKind::kFetch, ~0ull << 63)});  // not even looked at
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_EQ(result.instructions, 3u);
  EXPECT_EQ(result.l1i.accesses, 0u);
}

TEST(Core, AnAccessAcrossAPageBoundaryIsTwoTranslations) {
  RunSettings settings = small_machine();
  settings.warmup = 2;
  const std::uint64_t last = kHeap + kPageBytes - 4;
  const RunResult result =
      run(settings, {record(RecordKind::kRead, last, 8), record(RecordKind::kRead, last, 4),
                     record(RecordKind::kRead, last, 5)});
  EXPECT_EQ(result.accesses, 1u + 2);
  EXPECT_EQ(result.l1d.hits, 3u);
  EXPECT_EQ(result.instructions, 2u);
  EXPECT_EQ(result.page_bytes, 2 * kPageBytes);
}

TEST(Core, AnAccessUpToThePagesEndDoesNotTouchTheNext) {
  const RunResult result =
      run(small_machine(), {record(RecordKind::kRead, kHeap + kPageBytes - 4,
                                   static_cast<std::uint16_t>(kPageBytes + 4))});
  EXPECT_EQ(result.accesses, 2u);
}

TEST(Core, AVeryLongAccessIsATranslationForEachOfItsPages) {
  const RunResult result =
      run(small_machine(), {record(RecordKind::kRead, kHeap + 1, 3 * kPageBytes)});
  EXPECT_EQ(result.accesses, 4u);
  EXPECT_EQ(result.guest_page_faults, 4u);
}

TEST(Core, TheWarmUpLeavesTablesAndTlbsButNoCount) {
  RunSettings settings = small_machine();
  settings.warmup = 3;
  const RunResult result = run(settings, loop_over(3, 2));
  EXPECT_EQ(result.accesses, 3u);
  EXPECT_EQ(result.cycles, 3u);
  EXPECT_EQ(result.ept_violations, 0u);
  EXPECT_EQ(result.guest_page_faults, 0u);
  EXPECT_TRUE(result.hot_pages.empty());
  EXPECT_EQ(result.guest_table_bytes, 4 * kPageBytes);
  EXPECT_EQ(result.page_bytes, 3 * kPageBytes);
}

TEST(Core, ATraceThatEndsInTheWarmUpCountsNothing) {
  RunSettings settings = small_machine();
  settings.warmup = 100;
  const RunResult result = run(settings, loop_over(9, 2));
  EXPECT_EQ(result.accesses, 0u);
  EXPECT_EQ(result.cycles, 0u);
  EXPECT_EQ(result.l1d.accesses, 0u);
  EXPECT_EQ(result.walker.walks, 0u);
  EXPECT_FALSE(result.partial);
}

TEST(Core, TheLimitCountsFromTheWarmUpOn) {
  RunSettings settings = small_machine();
  settings.warmup = 4;
  settings.limit = 10;
  const RunResult result = run(settings, loop_over(4, 100));
  EXPECT_EQ(result.accesses, 10u);
  EXPECT_EQ(result.instructions, 10u);
  EXPECT_FALSE(result.partial);
}

TEST(Core, ALimitOfNothingRunsNothing) {
  RunSettings settings = small_machine();
  settings.limit = 0;
  const RunResult result = run(settings, loop_over(4, 1));
  EXPECT_EQ(result.accesses, 0u);
  EXPECT_EQ(result.guest_page_faults, 0u);
}

TEST(Core, ALimitIsKeptToTheAccessHoweverFarItIs) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 70'001;
  settings.limit = 131'073;
  std::vector<std::uint64_t> progress;
  MemoryTrace trace(loop_over(4, 100'000));
  const std::atomic<bool> stop{false};
  const RunResult result = simulate(settings, trace, stop,
                                    [&](std::uint64_t accesses) { progress.push_back(accesses); });
  EXPECT_EQ(result.accesses, 131'073u);
  EXPECT_EQ(result.cycles, 131'073u);
  EXPECT_EQ(progress, (std::vector<std::uint64_t>{65'536, 131'072, 196'608}));
}

TEST(Core, ALimitJustBeforeProgressIsDueIsKeptToo) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 4;
  settings.limit = 65'536 - 4 - 1;
  EXPECT_EQ(run(settings, loop_over(4, 20'000)).accesses, 65'531u);
}

TEST(Core, RanksPagesAndInstructionsByWhatTheirWalksCost) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 9;
  auto records = loop_over(9, 2);  // nine walks, all alike
  for (unsigned i = 0; i < 9; ++i) records[9 + i].ip = i < 6 ? 0x500000 : 0x400000 + i;
  records.push_back(event(RecordKind::kInvlpg, kHeap + 5 * kPageBytes));
  records.push_back(read(kHeap + 5 * kPageBytes + 123));
  records.back().ip = 0;  // not known
  const RunResult result = run(settings, records);
  const std::uint64_t cost = walk_cycles(4);
  ASSERT_EQ(result.hot_pages.size(), 9u);
  EXPECT_EQ(result.hot_pages[0].address, kHeap + 5 * kPageBytes);
  EXPECT_EQ(result.hot_pages[0].walks, 2u);
  EXPECT_EQ(result.hot_pages[0].walk_cycles, 2 * cost);
  EXPECT_EQ(result.hot_pages[1].address, kHeap);  // equals by address
  EXPECT_EQ(result.hot_pages[8].address, kHeap + 8 * kPageBytes);
  ASSERT_EQ(result.hot_instructions.size(), 4u);
  EXPECT_EQ(result.hot_instructions[0].address, 0x500000u);
  EXPECT_EQ(result.hot_instructions[0].walk_cycles, 6 * cost);
  EXPECT_EQ(result.hot_instructions[1].address, 0x400006u);
}

TEST(Core, TheListOfHotPagesIsCutAtItsLength) {
  const RunResult result = run(small_machine(Mode::kNative), loop_over(50, 1));
  EXPECT_EQ(result.hot_pages.size(), kHotSpots);
}

}  // namespace
}  // namespace eptsim::sim
