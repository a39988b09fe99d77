#include <gtest/gtest.h>

#include <vector>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

using mmu::Place;
using mmu::StepKind;

class Timing : public NestedTables {};

TEST_F(Timing, AWalkOfFourLevelsReadsTwentyFourEntriesInOrder) {
  const FinishedWalk run = walk();
  ASSERT_EQ(run.transfers.size(), 24u);
  std::size_t n = 0;
  for (unsigned guest_level = 4; guest_level + 1 > 0; --guest_level) {
    const unsigned page = guest_level > 0 ? table_page(guest_level) : kDataPage;
    for (unsigned level = 4; level > 0; --level, ++n) {
      EXPECT_EQ(run.transfers[n].request.address, ept_entry(level, page)) << n;
      EXPECT_EQ(run.transfers[n].request.place.guest_level, guest_level) << n;
      EXPECT_EQ(run.transfers[n].request.place.ept_level, level) << n;
    }
    if (guest_level > 0) {
      EXPECT_EQ(run.transfers[n].request.address, guest_entry(guest_level)) << n;
      EXPECT_EQ(run.transfers[n].request.place.guest_level, guest_level) << n;
      EXPECT_TRUE(run.transfers[n].request.place.is_guest_entry()) << n;
      ++n;
    }
  }
  EXPECT_EQ(run.response.tag, 7u);
  EXPECT_EQ(run.response.references, 24u);
  EXPECT_EQ(run.outcome().kind, mmu::OutcomeKind::kTranslated);
  EXPECT_EQ(run.outcome().gpa, guest_page(kDataPage) + kOffset);
  EXPECT_EQ(run.outcome().hpa, host_page(kDataPage) + kOffset);
}

TEST_F(Timing, AWalkOfTwentyFourReferencesCountsAHundredAndTwentyOneCycles) {
  bench.now = 1000;
  const FinishedWalk run = walk();
  EXPECT_EQ(run.request_taken, 1000u);
  for (std::size_t n = 0; n < run.transfers.size(); ++n) {
    EXPECT_EQ(run.transfers[n].first_valid, 1002 + 5 * n) << n;
  }
  EXPECT_EQ(run.response_valid, 1122u);
  EXPECT_EQ(run.response.cycles, 121u);
}

TEST_F(Timing, EveryLatencyCountsOnceForEachMemoryRequest) {
  guest(1) &= ~kD;
  for (const mmu::Cycle latency : {1u, 2u, 200u}) {
    bench.latency = latency;
    guest(1) &= ~kD;
    const FinishedWalk run = walk(arch::AccessKind::kWrite);
    ASSERT_EQ(run.transfers.size(), 25u);
    EXPECT_EQ(run.response.references, 24u);
    EXPECT_EQ(run.response.cycles, 25 * (latency + 1) + 1);
    EXPECT_EQ(run.response_valid, run.request_taken + 25 * (latency + 1) + 2);
  }
}

TEST_F(Timing, MemoryThatHoldsARequestBackDelaysItAndChangesNothing) {
  bench.memory_ready = [](mmu::Cycle cycle) { return cycle % 3 == 0; };
  const FinishedWalk run = walk();
  ASSERT_EQ(run.transfers.size(), 24u);
  mmu::Cycle expected = run.request_taken + 2;
  for (const Transfer& transfer : run.transfers) {
    EXPECT_EQ(transfer.first_valid, expected);
    while (expected % 3 != 0) ++expected;
    EXPECT_EQ(transfer.taken, expected);
    expected += bench.latency + 1;
  }
  EXPECT_EQ(run.response_valid, expected);
  EXPECT_EQ(run.response.cycles, expected - run.request_taken - 1);
  EXPECT_EQ(run.outcome().hpa, host_page(kDataPage) + kOffset);
}

TEST_F(Timing, AResponseWaitsUntilItIsTakenAndCountsNoFurther) {
  bench.response_ready = [](mmu::Cycle cycle) { return cycle >= 500; };
  const FinishedWalk run = walk();
  EXPECT_EQ(run.response_valid, 122u);
  EXPECT_EQ(run.response_taken, 500u);
  EXPECT_EQ(run.response.cycles, 121u);
}

TEST_F(Timing, ARequestIsTakenInTheCycleAfterAResponseLeftAndNotBefore) {
  walk();  // The unit is idle in the cycle after the response was taken.
  EXPECT_EQ(bench.now, 123u);
  EXPECT_TRUE(bench.walker.outputs().request_ready);

  context.ept_enabled = false;
  context.cr0 = 1;
  const mmu::WalkContext flat(context);
  RtlWalker walker;
  mmu::WalkerInputs inputs;
  inputs.request = mmu::WalkRequest{.tag = 1, .context = &flat, .request = request};
  inputs.response_ready = true;
  // Offered in every cycle, taken in every third: idle, ready, respond, idle, ...
  for (mmu::Cycle cycle = 0; cycle < 9; ++cycle) {
    EXPECT_EQ(walker.outputs().request_ready, cycle % 3 == 0) << cycle;
    EXPECT_EQ(walker.outputs().next_cycle, cycle % 3 == 1 ? cycle : mmu::kNever) << cycle;
    EXPECT_EQ(walker.outputs().response.has_value(), cycle % 3 == 2) << cycle;
    inputs.cycle = cycle;
    walker.tick(inputs);
  }
}

TEST_F(Timing, AContextOfferedDuringAWalkDoesNotTouchIt) {
  mmu::Context other = context;
  other.ept_enabled = false;
  other.cr0 = 1;
  other.cpu.maxphyaddr = 32;
  const mmu::WalkContext prepared(other);
  mmu::Request another;
  another.address = 0x1234;
  Bench twin;
  twin.memory = bench.memory;
  const FinishedWalk alone = twin.run(context, request);
  // Another request stands at the port in every cycle in which memory is asked.
  bench.meanwhile = [&](const mmu::MemoryRequest&) {
    mmu::WalkerInputs inputs;
    inputs.cycle = bench.now;
    inputs.request = mmu::WalkRequest{.tag = 99, .context = &prepared, .request = another};
    bench.walker.tick(inputs);
  };
  const FinishedWalk run = walk();
  EXPECT_EQ(run.response.tag, 7u);
  EXPECT_EQ(run.transfers.size(), alone.transfers.size());
  EXPECT_EQ(run.outcome().hpa, alone.outcome().hpa);
}

TEST_F(Timing, AnAnswerThatNothingAskedForIsIgnored) {
  mmu::WalkerInputs inputs;
  inputs.answer = mmu::MemoryAnswer{.id = 0, .value = 0x1007};
  bench.walker.tick(inputs);
  EXPECT_TRUE(bench.walker.outputs().request_ready);
  bench.meanwhile = [&](const mmu::MemoryRequest&) {
    inputs.cycle = bench.now;
    bench.walker.tick(inputs);  // while the request is still held
  };
  EXPECT_EQ(walk().outcome().hpa, host_page(kDataPage) + kOffset);
  bench.meanwhile = [](const mmu::MemoryRequest&) {};
}

TEST_F(Timing, AnAnswerWithAnotherIdIsIgnored) {
  const mmu::WalkContext prepared(context);
  RtlWalker walker;
  mmu::WalkerInputs inputs;
  inputs.request = mmu::WalkRequest{.tag = 1, .context = &prepared, .request = request};
  walker.tick(inputs);
  walker.tick({.cycle = 1});
  ASSERT_TRUE(walker.outputs().memory.has_value());
  const std::uint8_t id = walker.outputs().memory->id;
  walker.tick({.cycle = 2, .memory_ready = true});
  walker.tick({.cycle = 3, .answer = mmu::MemoryAnswer{.id = static_cast<std::uint8_t>(id + 1)}});
  EXPECT_FALSE(walker.outputs().memory.has_value());
  EXPECT_FALSE(walker.outputs().response.has_value());
  walker.tick({.cycle = 4, .answer = mmu::MemoryAnswer{.id = id}});
  EXPECT_TRUE(walker.outputs().response.has_value());
}

TEST_F(Timing, CyclesWithoutAValidInputInWhichItIsNotActiveNeedNotBeClocked) {
  ept_flags_on();
  guest(2) &= ~kA;
  Bench twin;
  twin.memory = bench.memory;
  twin.clock_idle_cycles = false;
  twin.latency = bench.latency = 37;
  twin.memory_ready = bench.memory_ready = [](mmu::Cycle cycle) { return cycle % 5 == 2; };
  request.access = arch::AccessKind::kWrite;
  const FinishedWalk every = walk();
  const FinishedWalk some = twin.run(context, request);
  ASSERT_EQ(every.transfers.size(), some.transfers.size());
  for (std::size_t n = 0; n < every.transfers.size(); ++n) {
    EXPECT_EQ(every.transfers[n].request.address, some.transfers[n].request.address);
    EXPECT_EQ(every.transfers[n].taken, some.transfers[n].taken);
  }
  EXPECT_EQ(every.response.cycles, some.response.cycles);
  EXPECT_EQ(every.response_valid, some.response_valid);
}

TEST_F(Timing, TwoWalkersDoNotShareAnything) {
  Bench other;
  other.memory = bench.memory;
  other.memory[ept_entry(1, kDataPage)] = 0x7000 | kRwx | kWbType;
  std::optional<FinishedWalk> inner;
  bench.meanwhile = [&](const mmu::MemoryRequest& asked) {
    // A whole walk of the other unit in the middle of this one's.
    if (asked.place == Place{2, 0}) inner = other.run(context, request, 8);
  };
  const FinishedWalk run = walk();
  EXPECT_EQ(run.outcome().hpa, host_page(kDataPage) + kOffset);
  EXPECT_EQ(run.response.cycles, 121u);
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(inner->response.tag, 8u);
  EXPECT_EQ(inner->outcome().hpa, 0x7000 + kOffset);
}

TEST_F(Timing, ResetEndsAWalk) {
  const mmu::WalkContext prepared(context);
  RtlWalker walker;
  mmu::WalkerInputs inputs;
  inputs.request = mmu::WalkRequest{.tag = 1, .context = &prepared, .request = request};
  walker.tick(inputs);
  walker.tick({.cycle = 1});
  ASSERT_TRUE(walker.outputs().memory.has_value());
  walker.reset();
  EXPECT_TRUE(walker.outputs().request_ready);
  EXPECT_FALSE(walker.outputs().memory.has_value());
}

}  // namespace
}  // namespace eptsim::tb
