#include "sim/run/intervals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

/// Intervals of a run of `accesses`, in which access n takes n cycles.
std::vector<Interval> intervals_of(std::uint64_t accesses) {
  Intervals intervals;
  Interval total;
  while (total.accesses != accesses) {
    total.cycles += ++total.accesses;
    if (total.accesses == intervals.next_end()) intervals.end(total);
  }
  return intervals.up_to(total).intervals;
}

Interval sum_of(const std::vector<Interval>& intervals) {
  Interval sum;
  for (const Interval& interval : intervals) sum += interval;
  return sum;
}

TEST(Intervals, OfAShortRunAreItsAccesses) {
  const std::vector<Interval> intervals = intervals_of(3);
  ASSERT_THAT(intervals, SizeIs(3));
  EXPECT_THAT(intervals, Each(Field(&Interval::accesses, 1)));
  EXPECT_EQ(intervals[2].cycles, 3u);
}

TEST(Intervals, AreEqualButTheLastNeverTooManyAndSumToTheRun) {
  for (std::uint64_t accesses = 1; accesses <= 3000; ++accesses) {
    std::vector<Interval> intervals = intervals_of(accesses);
    ASSERT_LE(intervals.size(), kIntervals) << accesses;
    if (accesses >= kIntervals) {
      ASSERT_GE(intervals.size(), kIntervals / 2) << accesses;
    }
    const Interval sum = sum_of(intervals);
    ASSERT_EQ(sum.accesses, accesses);
    ASSERT_EQ(sum.cycles, accesses * (accesses + 1) / 2);
    const Interval last = intervals.back();
    intervals.pop_back();
    if (intervals.empty()) continue;
    ASSERT_THAT(intervals, Each(Field(&Interval::accesses, intervals.front().accesses)));
    ASSERT_LE(last.accesses, intervals.front().accesses);
  }
}

TEST(Intervals, WhatComesAfterTheLastAccessIsInTheLastOne) {
  Intervals intervals;
  intervals.end({.accesses = 1, .cycles = 5});
  EXPECT_THAT(intervals.up_to({.accesses = 1, .cycles = 9}).intervals, SizeIs(1));
  EXPECT_EQ(intervals.up_to({.accesses = 1, .cycles = 9}).intervals[0].cycles, 9u);
}

/// The same as a course.
Course course_of(std::uint64_t accesses) {
  std::vector<Interval> intervals = intervals_of(accesses);
  const std::uint64_t length = intervals.front().accesses;
  return {.length = length, .intervals = std::move(intervals)};
}

TEST(Courses, OfSeveralCoresAreSummedWhereEachIsAsFar) {
  // Intervals of 16 accesses, of 4 and of 1.
  const std::vector<Interval> all = side_by_side({course_of(3000), course_of(570), course_of(7)});
  ASSERT_THAT(all, SizeIs((3000 + 15) / 16));
  EXPECT_EQ(all[0].accesses, 16u + 16 + 7);
  EXPECT_EQ(all[1].accesses, 16u + 16);
  EXPECT_EQ(all[35].accesses, 16u + 570 % 16);
  EXPECT_EQ(all[36].accesses, 16u);
  EXPECT_EQ(all.back().accesses, 3000 % 16);
  // Access n takes n cycles.
  EXPECT_EQ(all[1].cycles, 2 * (32u * 33 / 2 - 16 * 17 / 2));
  EXPECT_EQ(sum_of(all).accesses, 3577u);
  EXPECT_EQ(side_by_side({course_of(570)}), intervals_of(570));
  EXPECT_THAT(side_by_side({{}, course_of(3), {}}), SizeIs(3));
}

// ---------------------------------------------------------------------------------------------

/// Pages in turn, more than the TLBs hold, with plain instructions between and after them.
std::vector<Record> sweep(std::uint64_t accesses) {
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < accesses; ++i) {
    Record access = i % 3 == 0 ? write(kHeap + kPageBytes * (i % 40)) : read(kHeap + 8 * i);
    access.instructions = static_cast<std::uint32_t>(1 + i % 5);
    records.push_back(access);
  }
  return records;
}

struct Case {
  const char* name;
  Detail detail;
  std::uint64_t warmup;
  std::optional<std::uint64_t> limit;
  std::uint64_t protect_interval;
};

class Timeline : public testing::TestWithParam<Case> {};

TEST_P(Timeline, SumsToWhatTheRunCounted) {
  RunSettings settings = small_machine();
  settings.detail = GetParam().detail;
  settings.warmup = GetParam().warmup;
  settings.limit = GetParam().limit;
  settings.machine.dirty_log = write_protection(GetParam().protect_interval);
  const RunResult result = run(settings, sweep(1000));
  ASSERT_EQ(result.accesses, GetParam().limit.value_or(1000 - GetParam().warmup));
  ASSERT_GE(result.timeline.size(), kIntervals / 2);
  const Interval expected{.accesses = result.accesses,
                          .instructions = result.instructions,
                          .cycles = result.cycles,
                          .translation_cycles = result.cycles_by.translation,
                          .exit_cycles = result.cycles_by.exits,
                          .lookups = result.l1d.accesses + result.l1i.accesses,
                          .first_level_misses = result.l1d.misses + result.l1i.misses,
                          .tlb_misses = result.l2.misses,
                          .walks = result.walker.walks,
                          .walk_cycles = result.walker.cycles};
  EXPECT_GT(expected.walks, 100u);
  EXPECT_EQ(sum_of(result.timeline), expected);
}

INSTANTIATE_TEST_SUITE_P(Runs, Timeline,
                         testing::Values(Case{"Waiting", Detail::kTranslation, 0, {}, 0},
                                         Case{"Window", Detail::kFull, 0, {}, 0},
                                         Case{"WindowWarmedUp", Detail::kFull, 137, {}, 0},
                                         Case{"WaitingLimited", Detail::kTranslation, 100, 555, 0},
                                         Case{"WindowLimited", Detail::kFull, 100, 555, 0},
                                         Case{"WindowProtected", Detail::kFull, 10, 777, 61},
                                         Case{"WaitingProtected", Detail::kTranslation, 10, 777,
                                              61}),
                         [](const auto& one) { return one.param.name; });

TEST(Timelines, OfSeveralCoresSumsToWhatAllCounted) {
  RunSettings settings = small_machine();
  settings.warmup = 50;
  std::vector<Record> others = sweep(333);
  for (Record& each : others) each.vcpu = 1;
  const RunResult result = run(settings, Programs{{sweep(1000)}, {others}});
  ASSERT_THAT(result.timeline, SizeIs((950 + 7) / 8));
  EXPECT_EQ(result.timeline.front().accesses, 2u * 8);
  EXPECT_EQ(result.timeline.back().accesses, 950u % 8);
  const Interval sum = sum_of(result.timeline);
  EXPECT_EQ(sum.accesses, result.accesses);
  EXPECT_EQ(sum.cycles, result.cycles_by.sum());
  EXPECT_EQ(sum.exit_cycles, result.cycles_by.exits);
  EXPECT_EQ(sum.lookups, result.l1d.accesses + result.l1i.accesses);
  EXPECT_EQ(sum.walks, result.walker.walks);
  EXPECT_EQ(sum.walk_cycles, result.walker.cycles);
}

class TimelineOf : public testing::TestWithParam<Detail> {};

TEST_P(TimelineOf, SaysWhenTheMissesWere) {
  // 300 accesses to one page, then 300 to a page each.
  std::vector<Record> records(300, read(kHeap));
  for (std::uint64_t page = 1; page <= 300; ++page) {
    records.push_back(read(kHeap + kPageBytes * page));
  }
  RunSettings settings = small_machine(Mode::kNative);
  settings.detail = GetParam();
  const RunResult result = run(settings, records);
  ASSERT_THAT(result.timeline, SizeIs(150)) << "four accesses each";
  std::uint64_t early = 0;
  std::uint64_t late = 0;
  for (std::size_t i = 1; i < 74; ++i) early += result.timeline[i].translation_cycles;
  for (std::size_t i = 75; i < 150; ++i) late += result.timeline[i].translation_cycles;
  EXPECT_EQ(early, 0u);
  EXPECT_GE(late, 300 * walk_cycles(4));
}

INSTANTIATE_TEST_SUITE_P(BothCores, TimelineOf,
                         testing::Values(Detail::kTranslation, Detail::kFull), [](const auto& one) {
                           return one.param == Detail::kFull ? "Window" : "Waiting";
                         });

TEST(TimelineOfAWarmup, IsEmptyIfItNeverEnded) {
  RunSettings settings = small_machine();
  settings.warmup = 50;
  EXPECT_THAT(run(settings, sweep(20)).timeline, IsEmpty());
}

}  // namespace
}  // namespace eptsim::sim
