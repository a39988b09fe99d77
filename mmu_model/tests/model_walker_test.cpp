#include "mmu_model/walker/model_walker.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/word_access.hpp"

/// The walker on its ports, cycle by cycle, against docs/microarchitecture.md.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;

struct Transfer {
  Cycle first_valid = 0;
  Cycle taken = 0;
  MemoryRequest request;
};

/// Everything around a walker: tables, a memory of fixed latency, and back-pressure on demand.
class WalkerBench {
 public:
  explicit WalkerBench(unsigned guest_levels = 4, unsigned ept_levels = 4)
      : tables(guest_levels, ept_levels) {}

  WalkTables tables;
  unsigned latency = 4;
  /// Whether memory takes a request that it sees in this cycle; whether the response is taken.
  std::function<bool(Cycle)> memory_ready = [](Cycle) { return true; };
  std::function<bool(Cycle)> response_ready = [](Cycle) { return true; };

  /// Sets the accessed flags that a walk of `gva` would otherwise set.
  void mark_accessed(std::uint64_t gva, PageSize page = PageSize::k4K) {
    for (unsigned level = arch::leaf_level(page); level <= tables.guest_levels(); ++level) {
      tables.set(tables.guest_entry(gva, level), kA);
    }
  }

  /// Offers `request` from `cycle` on and runs until its response was taken.
  void run(const Request& request, Cycle cycle) {
    context = WalkContext(tables.context);
    transfers.clear();
    response_valid.reset();
    for (now = cycle;; ++now) {
      if (step(now == cycle ? std::optional(WalkRequest{7, &*context, request}) : std::nullopt)) {
        return;
      }
      ASSERT_LT(now, cycle + 100000) << "no response";
    }
  }

  /// One cycle, with `request` offered. Whether a response was taken in it.
  bool step(const std::optional<WalkRequest>& request) {
    const WalkerOutputs outputs = walker.outputs();
    WalkerInputs inputs{.cycle = now, .request = request};
    inputs.memory_ready = memory_ready(now);
    inputs.response_ready = response_ready(now);
    if (outputs.memory) {
      if (!offered) offered = now;
      if (inputs.memory_ready) {
        transfers.push_back({*offered, now, *outputs.memory});
        offered.reset();
        answer_at = now + latency;
      }
    }
    if (answer_at == now) {
      inputs.answer = MemoryAnswer{transfers.back().request.id, serve(transfers.back().request)};
      answer_at = kNever;
    }
    if (outputs.response && !response_valid) {
      response_valid = now;
      response = *outputs.response;
    }
    const bool taken = outputs.response && inputs.response_ready;
    walker.tick(inputs);
    return taken;
  }

  std::uint64_t serve(const MemoryRequest& request) {
    const arch::Hpa address{request.address};
    switch (request.kind) {
      case StepKind::kCompareExchange:
        return compare_exchange(tables.memory, address, request.size, request.expected,
                                request.desired);
      case StepKind::kWrite: write(tables.memory, address, request.size, request.desired); return 0;
      default: return read(tables.memory, address, request.size);
    }
  }

  ModelWalker walker;
  std::optional<WalkContext> context;
  Cycle now = 0;
  std::optional<Cycle> offered;
  Cycle answer_at = kNever;
  std::vector<Transfer> transfers;
  std::optional<Cycle> response_valid;
  WalkResponse response;
};

TEST(ModelWalker, AWalkOf24ReferencesDoesEachInItsCycle) {
  WalkerBench bench;
  const PageAddress page = bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.run(access(AccessKind::kRead, kGva + 0x123, true), 10);

  ASSERT_EQ(bench.transfers.size(), 24u);
  std::size_t i = 0;
  for (unsigned guest = 5; guest-- > 0;) {
    for (unsigned ept = 5; ept-- > (guest == 0 ? 1u : 0u); ++i) {
      const Transfer& transfer = bench.transfers[i];
      EXPECT_EQ(transfer.request.kind, StepKind::kRead);
      EXPECT_EQ(transfer.request.place.guest_level, guest) << i;
      EXPECT_EQ(transfer.request.place.ept_level, ept) << i;
      EXPECT_EQ(transfer.first_valid, 11 + 5 * i);
      EXPECT_EQ(transfer.taken, 11 + 5 * i);
      const std::uint64_t gpa = guest == 0 ? page.gpa : bench.tables.guest_entry_gpa(kGva, guest);
      EXPECT_EQ(transfer.request.address,
                ept == 0 ? bench.tables.guest_entry(kGva, guest) : bench.tables.ept_entry(gpa, ept))
          << i;
    }
  }
  EXPECT_EQ(bench.response_valid, 10u + 121);
  EXPECT_EQ(bench.response.cycles, 120u);
  EXPECT_EQ(bench.response.references, 24u);
  EXPECT_EQ(bench.response.tag, 7u);
  EXPECT_EQ(bench.response.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(bench.response.outcome.hpa, page.hpa + 0x123);
}

TEST(ModelWalker, EachReferenceCostsTheLatencyAndOneCycle) {
  for (const unsigned latency : {1u, 2u, 7u, 200u}) {
    for (const auto& [guest, ept, references] :
         {std::tuple{PageSize::k2M, PageSize::k2M, 15u}, {PageSize::k1G, PageSize::k1G, 8u}}) {
      WalkerBench bench;
      bench.latency = latency;
      bench.tables.map(kGva, guest, ept, ept);
      bench.mark_accessed(kGva, guest);
      bench.run(access(AccessKind::kRead, kGva), 0);
      EXPECT_EQ(bench.response.references, references);
      EXPECT_EQ(bench.response_valid, references * (latency + 1) + 1);
      EXPECT_EQ(bench.response.cycles, references * (latency + 1));
    }
  }
}

TEST(ModelWalker, ARequestThatMemoryDoesNotTakeStaysAsItIs) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.memory_ready = [](Cycle cycle) { return cycle % 3 == 0; };
  std::optional<MemoryRequest> before;
  bench.context.emplace(bench.tables.context);
  Cycle waited = 0;
  const WalkRequest request{7, &*bench.context, access(AccessKind::kRead, kGva)};
  bool done = false;
  for (bench.now = 0; !done; ++bench.now) {
    const std::optional<MemoryRequest> memory = bench.walker.outputs().memory;
    if (before) {
      ASSERT_TRUE(memory) << "withdrawn in cycle " << bench.now;
      EXPECT_EQ(memory->address, before->address);
      EXPECT_EQ(memory->place, before->place);
      ++waited;
    }
    before = bench.now % 3 != 0 ? memory : std::nullopt;
    done = bench.step(bench.now == 0 ? std::optional(request) : std::nullopt);
  }
  EXPECT_EQ(bench.transfers.size(), 24u);
  EXPECT_GE(waited, 24u);
  EXPECT_EQ(bench.response.cycles, 24 * 5 + waited);
  for (const Transfer& transfer : bench.transfers) EXPECT_EQ(transfer.taken % 3, 0u);
}

TEST(ModelWalker, AResponseStaysUntilTakenAndTheNextRequestWaitsOneCycleMore) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.response_ready = [](Cycle cycle) { return cycle == 150; };
  bench.run(access(AccessKind::kRead, kGva), 10);
  EXPECT_EQ(bench.now, 150u);
  EXPECT_EQ(bench.response_valid, 131u);
  EXPECT_EQ(bench.response.cycles, 120u);
  EXPECT_TRUE(bench.walker.outputs().request_ready);
  EXPECT_FALSE(bench.walker.outputs().response);
  bench.response_ready = [](Cycle) { return true; };
  bench.run(access(AccessKind::kRead, kGva), 151);
  EXPECT_EQ(bench.response_valid, 151u + 121);
}

TEST(ModelWalker, ARequestIsTakenOnlyWhenIdle) {
  WalkerBench bench;
  bench.tables.map(kGva);
  const PageAddress other = bench.tables.map(kGva + 0x1000);
  bench.mark_accessed(kGva);
  bench.context.emplace(bench.tables.context);
  const WalkRequest first{1, &*bench.context, access(AccessKind::kRead, kGva)};
  const WalkRequest second{2, &*bench.context, access(AccessKind::kRead, kGva + 0x1000)};
  std::vector<Cycle> ready;
  std::vector<WalkResponse> responses;
  for (bench.now = 0; responses.size() < 2; ++bench.now) {
    if (bench.walker.outputs().request_ready) ready.push_back(bench.now);
    bench.response_valid.reset();
    // The second stands at the door all the time, also in the cycle in which the response leaves.
    if (bench.step(bench.now == 0 ? first : second)) responses.push_back(bench.response);
  }
  EXPECT_EQ(ready, (std::vector<Cycle>{0, 122}));
  EXPECT_EQ(responses[0].tag, 1u);
  EXPECT_EQ(responses[1].tag, 2u);
  EXPECT_EQ(responses[1].outcome.hpa, other.hpa);
}

TEST(ModelWalker, WhatNeedsNoMemoryIsAnsweredInTheNextCycle) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.run(access(AccessKind::kRead, 0x8000'0000'0000'0000), 10);
  EXPECT_EQ(bench.response_valid, 11u);
  EXPECT_EQ(bench.response.cycles, 0u);
  EXPECT_EQ(bench.response.references, 0u);
  EXPECT_EQ(bench.response.outcome.kind, OutcomeKind::kGeneralProtection);
}

TEST(ModelWalker, AFlagUpdateTakesAsLongAsAReferenceAndIsNone) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.run(access(AccessKind::kWrite, kGva, true), 0);
  EXPECT_EQ(bench.response.references, 24u);
  ASSERT_EQ(bench.transfers.size(), 24u + 5);  // accessed four times, dirty once
  EXPECT_EQ(bench.response.cycles, 29u * 5);
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
  bench.run(access(AccessKind::kRead, kGva), 0);
  EXPECT_EQ(bench.response.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(bench.response.outcome.reason, Reason::kGuestNotPresent);
  EXPECT_EQ(bench.response.references, 20u);
  EXPECT_EQ(bench.response.cycles, 24u * 5);  // 20 references, 3 updates and the swap that failed
}

TEST(ModelWalker, AfterAResetAWalkUnderWayIsForgotten) {
  WalkerBench bench;
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.context.emplace(bench.tables.context);
  bench.step(WalkRequest{1, &*bench.context, access(AccessKind::kRead, kGva)});
  EXPECT_FALSE(bench.walker.outputs().request_ready);
  EXPECT_TRUE(bench.walker.outputs().memory);
  bench.walker.reset();
  EXPECT_TRUE(bench.walker.outputs().request_ready);
  EXPECT_FALSE(bench.walker.outputs().memory);
  EXPECT_EQ(bench.walker.outputs().next_cycle, kNever);
  bench.run(access(AccessKind::kRead, kGva), 30);
  EXPECT_EQ(bench.response_valid, 30u + 121);
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
  bench.run(access(AccessKind::kWrite, kGva), 0);

  EXPECT_EQ(describe(bench.response.outcome), describe(expected.outcome));
  EXPECT_EQ(bench.response.outcome.kind, OutcomeKind::kVirtualizationException);
  EXPECT_EQ(bench.response.references, 24u) << "no log entry, load or store is one";
  EXPECT_EQ(bench.response.pml_index, 507) << "four guest tables";
  EXPECT_EQ(bench.tables.memory.words, at_once.memory.words);
  unsigned loads = 0, writes = 0;
  for (const Transfer& transfer : bench.transfers) {
    loads += transfer.request.kind == StepKind::kLoad;
    writes += transfer.request.kind == StepKind::kWrite;
  }
  EXPECT_EQ(loads, 1u);
  EXPECT_EQ(writes, 4u + 6u);
  EXPECT_EQ(bench.response.cycles, bench.transfers.size() * (bench.latency + 1));
}

}  // namespace
}  // namespace eptsim::mmu::test
