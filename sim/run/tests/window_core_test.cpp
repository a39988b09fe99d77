#include <gtest/gtest.h>

#include <random>
#include <string>

#include "sim/run/tests/support.hpp"

/// The core with a window, its cycles worked out by hand. Cycle 0 is the first; an instruction that
/// enters in cycle c retires in c + 1 at the soonest, so a run has a cycle that retires nothing.
namespace eptsim::sim {
namespace {

constexpr std::uint64_t kMemory = 10;  // cycles of data, and of each reference of a walk

/// Native, so that a fault costs nothing but walks; no caches; a core of the given size.
RunSettings window_machine(unsigned width, unsigned window, unsigned loads = 64) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.detail = Detail::kFull;
  settings.machine.core = {
      .width = width, .window = window, .loads = loads, .dependence = Dependence::kTrace};
  settings.machine.hardware.l1d.unified = {.entries = 64, .ways = 64};
  settings.machine.hardware.l1i.unified = {.entries = 64, .ways = 64};
  return settings;
}

Record with_instructions(Record record, std::uint32_t instructions) {
  record.instructions = instructions;
  return record;
}
Record depending(Record record, std::uint32_t loads_before) {
  record.depends_on = loads_before;
  return record;
}
/// Instructions that access nothing.
Record plain(std::uint32_t instructions) {
  return with_instructions(event(RecordKind::kInvlpg, 0x1000), instructions);
}

/// What comes after a warm-up of one access to each of the pages: every TLB look-up hits.
RunResult run_warm(RunSettings settings, const std::vector<std::uint64_t>& pages,
                   const std::vector<Record>& records) {
  std::vector<Record> all;
  for (const std::uint64_t page : pages) all.push_back(write(page));
  settings.warmup = all.size();
  all.insert(all.end(), records.begin(), records.end());
  return run(settings, all);
}
RunResult run_warm(const RunSettings& settings, const std::vector<Record>& records) {
  return run_warm(settings, {kHeap}, records);
}

void expect_classes(const RunResult& result, const CycleClasses& expected) {
  EXPECT_EQ(result.cycles_by.retiring, expected.retiring);
  EXPECT_EQ(result.cycles_by.data, expected.data);
  EXPECT_EQ(result.cycles_by.translation, expected.translation);
  EXPECT_EQ(result.cycles_by.exits, expected.exits);
  EXPECT_EQ(result.cycles_by.other, expected.other);
  EXPECT_EQ(result.cycles, expected.sum());
}

TEST(Width, SoManyInstructionsRetireInACycle) {
  const RunResult result = run_warm(window_machine(4, 64), {plain(40)});
  EXPECT_EQ(result.instructions, 40u);
  expect_classes(result, {.retiring = 10, .other = 1});
}

TEST(Width, TheLastCycleMayRetireFewer) {
  expect_classes(run_warm(window_machine(4, 64), {plain(41)}), {.retiring = 11, .other = 1});
}

TEST(Width, ARunOfManyInstructionsGoesThroughAtFullWidth) {
  const RunResult result = run_warm(window_machine(4, 9), {plain(4'000'001)});
  EXPECT_EQ(result.instructions, 4'000'001u);
  expect_classes(result, {.retiring = 1'000'001, .other = 1});
}

TEST(Window, OfOneInstructionTakesACycleForEach) {
  // It enters when the one before retires, and retires in the next cycle.
  expect_classes(run_warm(window_machine(4, 1), {plain(1000)}), {.retiring = 1000, .other = 1});
}

TEST(Window, SmallerThanTheWidthIsWhatGoesThroughInACycle) {
  expect_classes(run_warm(window_machine(4, 2), {plain(1000)}), {.retiring = 500, .other = 1});
}

TEST(Data, OfALoadIsThereAfterMemorysLatency) {
  // Enters in 0, done and retired in 10.
  expect_classes(run_warm(window_machine(4, 64), {read(kHeap)}), {.retiring = 1, .data = kMemory});
}

TEST(Data, OfLoadsThatDependOnNothingComesSideBySide) {
  // Four enter in cycle 0, four in 1; they retire in 10 and 11.
  expect_classes(run_warm(window_machine(4, 64), std::vector<Record>(8, read(kHeap))),
                 {.retiring = 2, .data = kMemory});
}

TEST(Data, OfAStoreIsNotWaitedFor) {
  expect_classes(run_warm(window_machine(4, 64), std::vector<Record>(8, write(kHeap))),
                 {.retiring = 2, .other = 1});
}

TEST(Data, OfAReadAndWriteIsWaitedFor) {
  expect_classes(run_warm(window_machine(4, 64), {record(RecordKind::kModify, kHeap)}),
                 {.retiring = 1, .data = kMemory});
}

TEST(Window, FullOfInstructionsBehindALoadLetsNoMoreIn) {
  // The load and seven more enter in 0 and 1. All eight retire in 10 and 11; the eight after them
  // enter in 10 and 11, and retire in 11 (behind the first four's second half: in 12) and 13.
  //   cycle 10: load, 1-3   11: 4-7   12: 8-11   13: 12-15
  expect_classes(run_warm(window_machine(4, 8), {read(kHeap), plain(15)}),
                 {.retiring = 4, .data = kMemory});
}

TEST(Window, LetsALoadInWhenItsPlaceIsFree) {
  // The second load is the ninth instruction: it enters when the first retires, in 10, and has its
  // data in 20. Cycle 11 retires four of the plain ones, 12 to 19 nothing.
  expect_classes(run_warm(window_machine(4, 8), {read(kHeap), with_instructions(read(kHeap), 8)}),
                 {.retiring = 3, .data = kMemory + 8});
}

TEST(Dependence, OfTheTraceMakesALoadWaitForTheDataOfAnother) {
  const std::vector<Record> chain = {read(kHeap), depending(read(kHeap), 1),
                                     depending(read(kHeap), 1)};
  expect_classes(run_warm(window_machine(4, 64), chain), {.retiring = 3, .data = 3 * kMemory - 2});
}

TEST(Dependence, ReachesBackOverOtherLoads) {
  const std::vector<Record> records = {read(kHeap), read(kHeap), depending(read(kHeap), 2)};
  expect_classes(run_warm(window_machine(4, 64), records),
                 {.retiring = 2, .data = 2 * kMemory - 1});
}

TEST(Dependence, MakesAStoreWaitForItsAddress) {
  // The store is ready in 10, and done in 11.
  expect_classes(run_warm(window_machine(4, 64), {read(kHeap), depending(write(kHeap), 1)}),
                 {.retiring = 2, .data = kMemory});
}

TEST(Dependence, OfNoneIgnoresTheTraces) {
  RunSettings settings = window_machine(4, 64);
  settings.machine.core.dependence = Dependence::kNone;
  const std::vector<Record> chain = {read(kHeap), depending(read(kHeap), 1),
                                     depending(read(kHeap), 1)};
  expect_classes(run_warm(settings, chain), {.retiring = 1, .data = kMemory});
}

TEST(Dependence, OfAllIsAPointerChase) {
  RunSettings settings = window_machine(4, 64);
  settings.machine.core.dependence = Dependence::kAll;
  // The warm-up has a store, which nothing waits for.
  expect_classes(run_warm(settings, std::vector<Record>(5, read(kHeap))),
                 {.retiring = 5, .data = 5 * kMemory - 4});
}

TEST(Dependence, OfALoadAcrossPagesIsOnBothItsParts) {
  const std::uint64_t across = kHeap + kPageBytes - 4;
  RunSettings settings = window_machine(4, 64);
  settings.machine.hardware.memory.l1d = {.bytes = 4096, .ways = 4, .hit_cycles = 3};
  // The lower part's line is in the cache, the upper's isn't: 3 + 10 cycles.
  const RunResult result = run_warm(settings, {kHeap, kHeap + kPageBytes},
                                    {read(kHeap + kPageBytes - 8), plain(1), read(across),
                                     depending(read(kHeap + kPageBytes - 8), 1)});
  // The first load takes 13 cycles; the event drains the window, twice as it stands alone.
  EXPECT_EQ(result.accesses, 4u);
  EXPECT_EQ(result.instructions, 4u);
  EXPECT_EQ(result.cycles, result.cycles_by.sum());
}

TEST(Loads, BeyondTheLimitWaitForTheOldestToBeDone) {
  // Two at a time: enter in 0, 10, 20, 30.
  expect_classes(run_warm(window_machine(4, 64, 2), std::vector<Record>(8, read(kHeap))),
                 {.retiring = 4, .data = 4 * kMemory - 3});
}

TEST(Loads, AreLimitedButNotStores) {
  expect_classes(run_warm(window_machine(4, 64, 1), std::vector<Record>(8, write(kHeap))),
                 {.retiring = 2, .other = 1});
}

TEST(Accesses, OfOneInstructionRetireWithIt) {
  // A load and a store of one instruction.
  const RunResult result = run_warm(
      window_machine(1, 64), {read(kHeap), with_instructions(write(kHeap), 0), write(kHeap)});
  EXPECT_EQ(result.instructions, 2u);
  EXPECT_EQ(result.accesses, 3u);
  expect_classes(result, {.retiring = 2, .data = kMemory});
}

TEST(Events, DrainTheWindow) {
  // The load retires in 10; what follows the event enters in 11, and retires in 12.
  const std::vector<Record> records = {read(kHeap), event(RecordKind::kInvlpg, 0x1000),
                                       write(kHeap)};
  expect_classes(run_warm(window_machine(4, 64), records),
                 {.retiring = 2, .data = kMemory, .other = 1});
}

TEST(SecondLevelTlb, AddsItsCyclesBeforeTheData) {
  RunSettings settings = window_machine(4, 64);
  settings.machine.hardware.l1d.unified = {.entries = 1, .ways = 1};
  // Both pages are in the second level, the second alone in the first.
  const RunResult result = run_warm(settings, {kHeap, kHeap + kPageBytes}, {read(kHeap)});
  EXPECT_EQ(result.l2.hits, 1u);
  expect_classes(result, {.retiring = 1, .data = kMemory, .translation = kL2Cycles});
}

TEST(SecondLevelTlb, HitsSideBySide) {
  RunSettings settings = window_machine(4, 64);
  settings.machine.hardware.l1d.unified = {.entries = 1, .ways = 1};
  const RunResult result = run_warm(settings, {kHeap, kHeap + kPageBytes, kHeap + 2 * kPageBytes},
                                    {read(kHeap), read(kHeap + kPageBytes)});
  EXPECT_EQ(result.l2.hits, 2u);
  expect_classes(result, {.retiring = 1, .data = kMemory, .translation = kL2Cycles});
}

/// After a warm-up of the pages and the INVLPG of each.
RunResult run_walking(RunSettings settings, const std::vector<std::uint64_t>& pages,
                      const std::vector<Record>& records) {
  std::vector<Record> all;
  for (const std::uint64_t page : pages) all.push_back(event(RecordKind::kInvlpg, page));
  all.insert(all.end(), records.begin(), records.end());
  return run_warm(settings, pages, all);
}

// A walk that is asked for in cycle c holds at the walker from c + 1, and is taken then; its
// response is there after walk_cycles and two more, and the core goes on in the next cycle.
constexpr std::uint64_t kNativeWalk = lost_cycles(4);

TEST(Walk, IsLostTimeBeforeTheData) {
  const RunResult result = run_walking(window_machine(4, 64), {kHeap}, {read(kHeap)});
  EXPECT_EQ(result.walker.walks, 1u);
  expect_classes(result, {.retiring = 1, .data = kMemory, .translation = kL2Cycles + kNativeWalk});
}

/// A page that no TLB has is walked for from cycle 0 on, and a store to it is ready in `cycle`:
/// because it enters then, or because its address comes from a load of another page, whose data is
/// there then.
RunResult run_ready_in(std::uint64_t cycle, bool by_load) {
  const std::uint64_t other = kHeap + kPageBytes;
  std::vector<Record> records = {event(RecordKind::kInvlpg, kHeap), write(kHeap)};
  const auto instructions = static_cast<std::uint32_t>(by_load ? cycle - kMemory : cycle);
  if (by_load) records.push_back(with_instructions(read(other), instructions));
  records.push_back(by_load ? depending(write(kHeap + 8), 1)
                            : with_instructions(write(kHeap + 8), instructions));
  return run_warm(window_machine(1, 512), {kHeap, other}, records);
}

/// The cycle in which that walk's answer is taken.
constexpr std::uint64_t kAnswered = kL2Cycles + kNativeWalk;

void expect_merged(const RunResult& result) {
  EXPECT_EQ(result.l1d.misses, 2u);
  EXPECT_EQ(result.walk_queue.merged, 1u);
  EXPECT_EQ(result.walker.walks, 1u);
}
void expect_filled(const RunResult& result) {
  EXPECT_EQ(result.l1d.misses, 1u);
  EXPECT_EQ(result.walk_queue.merged, 0u);
  EXPECT_EQ(result.walker.walks, 1u);
}

TEST(Walk, HasFilledNoTlbBeforeItsAnswer) { expect_merged(run_ready_in(kAnswered - 1, false)); }
TEST(Walk, HasFilledTheTlbsForWhatEntersInTheCycleOfItsAnswer) {
  expect_filled(run_ready_in(kAnswered, false));
}
TEST(Walk, IsSharedByWhatIsReadyTheCycleBeforeItsAnswer) {
  expect_merged(run_ready_in(kAnswered - 1, true));
}
TEST(Walk, HasFilledTheTlbsForWhatIsReadyInTheCycleOfItsAnswer) {
  expect_filled(run_ready_in(kAnswered, true));
}

/// Reads of two pages that no TLB has.
RunResult run_two_walks(unsigned slots) {
  RunSettings settings = window_machine(4, 64);
  settings.machine.hardware.walker.walks = slots;
  const std::uint64_t other = kHeap + kPageBytes;
  const RunResult result = run_walking(settings, {kHeap, other}, {read(kHeap), read(other)});
  EXPECT_EQ(result.walker.walks, 2u);
  EXPECT_EQ(result.walk_queue.most, 2u);
  return result;
}

TEST(Walks, OfTwoPagesFollowEachOtherOnAWalkerOfOneSlot) {
  // The first's response leaves in the cycle before the core goes on, and the slot takes the second
  // in the next: what asking costs is over by then. The first's data and retirement lie beside the
  // second walk.
  const std::uint64_t first = kL2Cycles + kNativeWalk;
  const std::uint64_t second = first + kNativeWalk - 1;
  expect_classes(run_two_walks(1),
                 {.retiring = 2, .data = 2 * kMemory, .translation = second - kMemory - 1});
}

TEST(Walks, OfTwoPagesOverlapOnAWalkerOfTwoSlots) {
  // The second goes in a cycle after the first, and stays a cycle behind it.
  const RunResult result = run_two_walks(2);
  expect_classes(result, {.retiring = 2, .data = kMemory, .translation = kL2Cycles + kNativeWalk});
  EXPECT_EQ(result.walk_queue.cycles, kNativeWalk - 1 + kNativeWalk);
}

TEST(Walks, ToOnePageMerge) {
  const std::vector<Record> reads = {read(kHeap), read(kHeap + 8), read(kHeap + 800)};
  const RunResult result = run_walking(window_machine(4, 64), {kHeap}, reads);
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walk_queue.merged, 2u);
  EXPECT_EQ(result.walk_queue.most, 1u);
  expect_classes(result, {.retiring = 1, .data = kMemory, .translation = kL2Cycles + kNativeWalk});
}

TEST(Walks, OfAReadDoNotServeAWriteToThePage) {
  const std::vector<Record> both = {read(kHeap), write(kHeap)};
  EXPECT_EQ(run_walking(window_machine(4, 64), {kHeap}, both).walker.walks, 2u);
}

TEST(Walks, OfAWriteServeAReadOfThePage) {
  const std::vector<Record> both = {write(kHeap), read(kHeap)};
  EXPECT_EQ(run_walking(window_machine(4, 64), {kHeap}, both).walker.walks, 1u);
}

TEST(Fetches, HoldUpEntryUntilTheyAreTranslated) {
  // The store of the first instruction enters in 0. The fetch of the second is looked up in 0 too;
  // its instruction enters when the walk is answered, and retires in the next cycle.
  const std::uint64_t data = kHeap + kPageBytes;
  const RunResult result =
      run_warm(window_machine(4, 64), {kHeap, data},
               {event(RecordKind::kInvlpg, kHeap), write(data), record(RecordKind::kFetch, kHeap),
                with_instructions(write(data), 0)});
  EXPECT_EQ(result.instructions, 2u);
  EXPECT_EQ(result.walker.walks, 1u);
  const std::uint64_t entered = kL2Cycles + kNativeWalk;
  EXPECT_EQ(result.cycles, entered + 2);
  // Cycle 0 and that of entry retire nothing for want of anything entered, cycle 1 the first.
  expect_classes(result, {.retiring = 2, .translation = entered - 2, .other = 2});
}

TEST(Faults, ArePreciseAndWhatIsYoungerBeginsAnew) {
  // In a fresh address space of four pages, each load's walk faults. The first is served, and all
  // of them begin anew; and so on: 4 + 3 + 2 + 1 faulting walks at most, and each page's fault is
  // served once.
  RunSettings settings = window_machine(4, 64);
  settings.machine.hardware.walker.walks = 4;
  std::vector<Record> records;
  for (unsigned page = 0; page < 4; ++page) records.push_back(read(kHeap + page * kPageBytes));
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.accesses, 4u);
  EXPECT_EQ(result.instructions, 4u);
  EXPECT_EQ(result.guest_page_faults, 4u);
  EXPECT_GE(result.walker.walks, 8u);
  EXPECT_EQ(result.l1d.accesses, 4u);
  EXPECT_EQ(result.l1d.misses, 4u);
  EXPECT_EQ(result.l2.misses, 4u);
  EXPECT_EQ(result.replayed_lookups, 4u + 3 + 2 + 1);
  EXPECT_EQ(result.cycles, result.cycles_by.sum());
}

TEST(Faults, OfANestedMachineCostTheirExits) {
  RunSettings settings = window_machine(4, 64);
  settings.mode = Mode::kNested;
  const RunResult result = run(settings, {read(kHeap)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.ept_violations, 5u);
  // As the blocking core has it, and the data.
  expect_classes(result, {.retiring = 1,
                          .data = kMemory,
                          .translation = 3 * kL2Cycles + lost_cycles(5) + lost_cycles(24 + 3) +
                                         lost_cycles(24),
                          .exits = 5 * kExitCycles});
}

TEST(IdealTlb, CostsNothingButServesFaults) {
  RunSettings settings = window_machine(4, 64);
  settings.mode = Mode::kNested;
  settings.machine.ideal_tlb = true;
  const RunResult result = run(settings, {read(kHeap), record(RecordKind::kFetch, kHeap)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.ept_violations, 5u);
  EXPECT_EQ(result.walker.walks, 0u);
  EXPECT_EQ(result.cycles_by.translation, 0u);
  EXPECT_EQ(result.cycles_by.exits, 5 * kExitCycles);
}

}  // namespace
}  // namespace eptsim::sim
