#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "mmu_model/tests/walker_bench.hpp"

/// One walk alone on the walker's ports, cycle by cycle, against docs/microarchitecture.md.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;

TEST(ModelWalker, AWalkOf24ReferencesDoesEachInItsCycle) {
  WalkerBench bench;
  const PageAddress page = bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.offer(7, access(AccessKind::kRead, kGva + 0x123, true), 10);
  bench.run();

  ASSERT_EQ(bench.transfers.size(), 24u);
  std::size_t i = 0;
  for (unsigned guest = 5; guest-- > 0;) {
    for (unsigned ept = 5; ept-- > (guest == 0 ? 1u : 0u); ++i) {
      const WalkerBench::Transfer& transfer = bench.transfers[i];
      EXPECT_EQ(transfer.request.kind, StepKind::kRead);
      EXPECT_EQ(transfer.request.id, 0u);
      EXPECT_EQ(transfer.request.place.guest_level, guest) << i;
      EXPECT_EQ(transfer.request.place.ept_level, ept) << i;
      // Taken in 10, the first step in 11.
      EXPECT_EQ(transfer.first_valid, 12 + 5 * i);
      EXPECT_EQ(transfer.taken, 12 + 5 * i);
      const std::uint64_t gpa = guest == 0 ? page.gpa : bench.tables.guest_entry_gpa(kGva, guest);
      EXPECT_EQ(transfer.request.address,
                ept == 0 ? bench.tables.guest_entry(kGva, guest) : bench.tables.ept_entry(gpa, ept))
          << i;
    }
  }
  const WalkerBench::Responded& answer = bench.response(7);
  EXPECT_EQ(answer.first_valid, 10u + 122);
  EXPECT_EQ(answer.response.cycles, 121u);
  EXPECT_EQ(answer.response.references, 24u);
  EXPECT_EQ(answer.response.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(answer.response.outcome.hpa, page.hpa + 0x123);
}

TEST(ModelWalker, EachReferenceCostsTheLatencyAndOneCycle) {
  for (const unsigned latency : {1u, 2u, 7u, 200u}) {
    for (const auto& [guest, ept, references] :
         {std::tuple{PageSize::k2M, PageSize::k2M, 15u}, {PageSize::k1G, PageSize::k1G, 8u}}) {
      WalkerBench bench;
      bench.latency = latency;
      bench.tables.map(kGva, guest, ept, ept);
      bench.mark_accessed(kGva, guest);
      const WalkerBench::Responded& answer = bench.run(access(AccessKind::kRead, kGva));
      EXPECT_EQ(answer.response.references, references);
      EXPECT_EQ(answer.first_valid, references * (latency + 1) + 2);
      EXPECT_EQ(answer.response.cycles, references * (latency + 1) + 1);
    }
  }
}

TEST(ModelWalker, ARequestThatMemoryDoesNotTakeStaysAsItIs) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.memory_ready = [](Cycle cycle) { return cycle % 3 == 0; };
  bench.offer(7, access(AccessKind::kRead, kGva), 0);
  std::optional<MemoryRequest> before;
  Cycle waited = 0;
  while (bench.responses.empty()) {
    const std::optional<MemoryRequest> memory = bench.walker.outputs().memory;
    if (before) {
      ASSERT_TRUE(memory) << "withdrawn in cycle " << bench.now;
      EXPECT_EQ(memory->address, before->address);
      EXPECT_EQ(memory->place, before->place);
      ++waited;
    }
    before = bench.now % 3 != 0 ? memory : std::nullopt;
    bench.cycle();
  }
  EXPECT_EQ(bench.transfers.size(), 24u);
  EXPECT_GE(waited, 24u);
  EXPECT_EQ(bench.response(7).response.cycles, 24 * 5 + 1 + waited);
  for (const WalkerBench::Transfer& transfer : bench.transfers) EXPECT_EQ(transfer.taken % 3, 0u);
}

TEST(ModelWalker, AResponseStaysUntilTakenAndTheNextRequestWaitsOneCycleMore) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.response_ready = [](Cycle cycle) { return cycle == 150 || cycle > 200; };
  bench.offer(1, access(AccessKind::kRead, kGva), 10);
  bench.offer(2, access(AccessKind::kRead, kGva), 11);
  bench.run();
  EXPECT_EQ(bench.response(1).first_valid, 132u);
  EXPECT_EQ(bench.response(1).taken, 150u);
  EXPECT_EQ(bench.response(1).response.cycles, 121u);
  EXPECT_EQ(bench.accepted[2], 151u);
  EXPECT_EQ(bench.response(2).first_valid, 151u + 122);
}

TEST(ModelWalker, ARequestIsTakenOnlyWhenIdle) {
  WalkerBench bench;
  bench.tables.map(kGva);
  const PageAddress other = bench.tables.map(kGva + 0x1000);
  bench.mark_accessed(kGva);
  bench.offer(1, access(AccessKind::kRead, kGva), 0);
  // Stands at the door all the time, also in the cycle in which the response leaves.
  bench.offer(2, access(AccessKind::kRead, kGva + 0x1000), 1);
  bench.run();
  EXPECT_EQ(bench.request_ready, (std::vector<Cycle>{0, 123}));
  EXPECT_EQ(bench.tags_answered(), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(bench.response(2).response.outcome.hpa, other.hpa);
}

TEST(ModelWalker, WhatNeedsNoMemoryIsAnsweredAfterItsFirstStep) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.offer(7, access(AccessKind::kRead, 0x8000'0000'0000'0000), 10);
  bench.run();
  const WalkerBench::Responded& answer = bench.response(7);
  EXPECT_EQ(answer.first_valid, 12u);
  EXPECT_EQ(answer.response.cycles, 1u);
  EXPECT_EQ(answer.response.references, 0u);
  EXPECT_EQ(answer.response.outcome.kind, OutcomeKind::kGeneralProtection);
}

TEST(ModelWalker, AFlagUpdateTakesAsLongAsAReferenceAndIsNone) {
  WalkerBench bench;
  bench.tables.map(kGva);
  const WalkerBench::Responded& answer = bench.run(access(AccessKind::kWrite, kGva, true));
  EXPECT_EQ(answer.response.references, 24u);
  ASSERT_EQ(bench.transfers.size(), 24u + 5);  // accessed four times, dirty once
  EXPECT_EQ(answer.response.cycles, 29u * 5 + 1);
  const MemoryRequest& first =
      bench.transfers[5].request;  // after four EPT entries and one of the guest
  EXPECT_EQ(first.kind, StepKind::kCompareExchange);
  EXPECT_EQ(first.place, (Place{4, 0}));
  EXPECT_EQ(first.address, bench.tables.guest_entry(kGva, 4));
  EXPECT_EQ(first.desired, first.expected | kA);
  EXPECT_EQ(bench.tables.memory.at(bench.tables.guest_entry(kGva, 1)) & (kA | kD), kA | kD);
}

TEST(ModelWalker, ASwapThatFindsAnotherWordJudgesItAsIfJustRead) {
  WalkerBench bench;
  bench.tables.map(kGva);
  const std::uint64_t entry = bench.tables.guest_entry(kGva, 1);
  bench.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == entry) bench.tables.clear(entry, kP);
  };
  const WalkResponse response = bench.run(access(AccessKind::kRead, kGva)).response;
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(response.outcome.reason, Reason::kGuestNotPresent);
  EXPECT_EQ(response.references, 20u);
  EXPECT_EQ(response.cycles, 24u * 5 + 1);  // 20 references, 3 updates and the swap that failed
}

TEST(ModelWalker, AfterAResetAWalkUnderWayIsForgotten) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  const WalkContext context(bench.tables.context);
  bench.walker.tick({.request = WalkRequest{1, &context, access(AccessKind::kRead, kGva)}});
  EXPECT_FALSE(bench.walker.outputs().request_ready);
  EXPECT_EQ(bench.walker.outputs().next_cycle, 1u);
  bench.walker.tick({.cycle = 1});
  EXPECT_TRUE(bench.walker.outputs().memory);
  EXPECT_EQ(bench.walker.outputs().next_cycle, kNever) << "nothing to do until memory is ready";
  bench.walker.reset();
  EXPECT_TRUE(bench.walker.outputs().request_ready);
  EXPECT_FALSE(bench.walker.outputs().memory);
  EXPECT_EQ(bench.walker.outputs().next_cycle, kNever);
  bench.now = 30;
  EXPECT_EQ(bench.run(access(AccessKind::kRead, kGva)).first_valid, 30u + 122);
}

TEST(ModelWalker, LogEntriesAndExceptionInformationPassThroughTheMemoryPort) {
  WalkerBench bench;
  Context& context = bench.tables.context;
  context.eptp |= 1u << 6;
  context.controls.pml = true;
  context.controls.ept_violation_ve = true;
  context.pml_address = 0x1000;
  context.ve_info_address = 0x2000;
  const PageAddress page = bench.tables.map(kGva);
  bench.tables.clear(bench.tables.ept_entry(page.gpa, 1), kW);
  WalkTables at_once = bench.tables;
  const TranslateResult expected = at_once.run(access(AccessKind::kWrite, kGva));
  const WalkResponse response = bench.run(access(AccessKind::kWrite, kGva)).response;

  EXPECT_EQ(describe(response.outcome), describe(expected.outcome));
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kVirtualizationException);
  EXPECT_EQ(response.references, 24u) << "no log entry, load or store is one";
  EXPECT_EQ(response.pml_index, 507) << "four guest tables";
  EXPECT_EQ(bench.tables.memory.words, at_once.memory.words);
  unsigned loads = 0, writes = 0;
  for (const WalkerBench::Transfer& transfer : bench.transfers) {
    loads += transfer.request.kind == StepKind::kLoad;
    writes += transfer.request.kind == StepKind::kWrite;
  }
  EXPECT_EQ(loads, 1u);
  EXPECT_EQ(writes, 4u + 6u);
  EXPECT_EQ(response.cycles, bench.transfers.size() * (bench.latency + 1) + 1);
}

TEST(ModelWalker, HasOneToSixteenWalks) {
  EXPECT_THROW(ModelWalker({.walks = 0}), std::invalid_argument);
  EXPECT_THROW(ModelWalker({.walks = 17}), std::invalid_argument);
  EXPECT_NO_THROW(ModelWalker({.walks = 16}));
}

}  // namespace
}  // namespace eptsim::mmu::test
