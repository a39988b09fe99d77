#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "testbench/rtl_walker/tests/traffic.hpp"

namespace eptsim::tb {
namespace {

class Slots : public Traffic {
 protected:
  explicit Slots(std::string_view configuration = "default") : Traffic(configuration) {
    // Caches are another matter, and look-ups would only shift the cycles.
    disabled = {.combined = true, .ept = true, .nested_tlb = true};
  }
  /// Without EPT and paging: one step, no memory.
  void flat() {
    context.ept_enabled = false;
    context.cr0 = 1;
  }
  /// Guest-physical, without EPT flags: a look-up that misses, then one read per EPT level.
  void guest_physical() {
    request.linear = false;
    request.address = guest_page(kDataPage);
  }
  std::vector<unsigned> ids() const {
    std::vector<unsigned> result;
    for (const Asked& one : asked) result.push_back(one.request.id);
    return result;
  }
  std::vector<std::uint32_t> tags() const {
    std::vector<std::uint32_t> result;
    for (const Answered& one : answered) result.push_back(one.response.tag);
    return result;
  }
};

TEST_F(Slots, ARequestIsTakenEachCycleUntilEverySlotHasAWalk) {
  guest_physical();
  for (std::uint32_t tag = 0; tag < 6; ++tag) offer(tag);
  run_until(6);
  EXPECT_EQ(taken, (std::map<std::uint32_t, mmu::Cycle>{{0, 0}, {1, 1}, {2, 2}, {3, 3}}));
  EXPECT_FALSE(unit.outputs().request_ready);
  run();
  // The slot whose response left in a cycle takes a request in the next.
  EXPECT_EQ(taken[4], answered[0].valid + 1);
  EXPECT_EQ(tags(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(Slots, TheIdleSlotWithTheLowestNumberIsTaken) {
  guest_physical();
  for (std::uint32_t tag = 0; tag < 4; ++tag) offer(tag);
  // Slots 1 and 3 are answered first, and their responses leave.
  latency = [](const mmu::MemoryRequest& of) { return of.id % 2 == 1 ? 1 : 100; };
  run_until(60);
  ASSERT_EQ(tags(), (std::vector<std::uint32_t>{1, 3}));
  asked.clear();
  offer(4);
  offer(5);
  run_until(70);
  ASSERT_GE(asked.size(), 2u);
  EXPECT_EQ(asked[0].request.id, 1);
  EXPECT_EQ(std::ranges::count(ids(), 3u), std::ranges::count(ids(), 1u));
  run();
}

TEST_F(Slots, TheEnginePicksReadySlotsInCyclicOrderAfterTheOnePickedLast) {
  guest_physical();
  offer(0);
  offer(1);
  offer(2);
  run_until(8);
  // First step and look-up of slot 0 are its picks in cycles 1 and 2 or 3: in cycle 2 slot 1, taken
  // in cycle 1, comes after 0; in cycle 3 slot 2 comes after 1; then 0, 1, 2 again.
  ASSERT_EQ(looked_up.size(), 3u);
  for (unsigned slot = 0; slot < 3; ++slot) {
    EXPECT_EQ(looked_up[slot].lookup.id, slot);
    EXPECT_EQ(looked_up[slot].cycle, 4 + slot);
  }
  ASSERT_GE(asked.size(), 1u);
  EXPECT_EQ(asked[0].valid, 5u);
  run();
}

TEST_F(Slots, AnAnswerGoesBeforeAReadySlotAndIsNoPick) {
  guest_physical();
  offer(0);
  latency = [](const mmu::MemoryRequest&) { return 1; };
  run_until(3);
  offer(1);  // Taken in cycle 3, ready from 4. Slot 0: step 1, look-up 2, asked 3, answered 4.
  run();
  ASSERT_EQ(looked_up.size(), 2u);
  EXPECT_EQ(looked_up[0].cycle, 2u);
  // Answers for slot 0 arrive in cycles 4, 6, 8 and 10, so slot 1 makes its steps in 5 and 7.
  EXPECT_EQ(looked_up[1].cycle, 7u);
  EXPECT_EQ(taken[1], 3u);
  EXPECT_EQ(answered[0].valid, 11u);
}

TEST_F(Slots, AnAnswerThatNoSlotWaitsForIsNone) {
  guest_physical();
  for (const std::uint8_t id : {std::uint8_t{1}, std::uint8_t{7}}) {  // an idle slot, and none
    unasked = mmu::MemoryAnswer{.id = id, .value = 0};
    const mmu::WalkResponse response = walk_alone();
    EXPECT_EQ(response.outcome.hpa, host_page(kDataPage));
    EXPECT_EQ(response.cycles, 1 + 1 + 4 * 5u);
  }
  EXPECT_EQ(answered.size(), 2u);
}

TEST_F(Slots, MemoryRequestsLeaveInTheOrderInWhichTheyEntered) {
  guest_physical();
  memory_ready = [](mmu::Cycle cycle) { return cycle >= 20; };
  for (std::uint32_t tag = 0; tag < 4; ++tag) offer(tag);
  run_until(24);
  EXPECT_EQ(ids(), (std::vector<unsigned>{0, 1, 2, 3}));
  for (unsigned n = 0; n < 4; ++n) EXPECT_EQ(asked[n].taken, 20 + n);
  EXPECT_EQ(asked[1].valid, 21u);
  run();
}

TEST_F(Slots, AnswersComeInAnyOrderAndEachReachesItsWalk) {
  guest_physical();
  latency = [](const mmu::MemoryRequest& of) { return 40 - 10 * of.id; };
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    request.address = guest_page(10 + tag);
    offer(tag);
  }
  run();
  EXPECT_EQ(tags(), (std::vector<std::uint32_t>{3, 2, 1, 0}));
  for (const Answered& one : answered) {
    EXPECT_EQ(one.response.outcome.hpa, host_page(10 + one.response.tag));
    EXPECT_EQ(one.response.references, 4u);
    EXPECT_EQ(one.response.cycles, one.valid - taken[one.response.tag] - 1);
  }
}

TEST_F(Slots, ResponsesWaitInTheOrderInWhichWalksEnded) {
  flat();
  response_ready = [](mmu::Cycle cycle) { return cycle >= 10; };
  for (std::uint32_t tag = 0; tag < 5; ++tag) offer(tag);
  run();
  EXPECT_EQ(tags(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  for (unsigned n = 0; n < 4; ++n) {
    EXPECT_EQ(answered[n].valid, n == 0 ? 2 : 10 + n);
    EXPECT_EQ(answered[n].response.cycles, 1u);
  }
  EXPECT_EQ(taken[4], 11u);
}

TEST_F(Slots, WalksKeepTheirOwnContexts) {
  for (std::uint32_t tag = 0; tag < 4; ++tag) {
    context.ept_enabled = tag % 2 == 0;
    context.cr0 = tag < 2 ? 0x8001'0001 : 1;
    bench.memory[guest_page(table_page(4)) + kIndex[4] * 8] = 0;  // Read only with EPT off.
    offer(tag);
  }
  request.linear = true;
  run();
  std::map<std::uint32_t, mmu::Outcome> outcomes;
  for (const Answered& one : answered) outcomes[one.response.tag] = one.response.outcome;
  EXPECT_EQ(outcomes[0].hpa, host_page(kDataPage) + kOffset);
  EXPECT_EQ(outcomes[1].reason, mmu::Reason::kGuestNotPresent);
  EXPECT_EQ(outcomes[2].kind, mmu::OutcomeKind::kEptViolation);
  EXPECT_EQ(outcomes[3].hpa, kLinear);
}

TEST_F(Slots, FourWalksInterleaveAndEachCountsItsOwnReferences) {
  ept_flags_on();
  request.access = arch::AccessKind::kWrite;
  guest(1) &= ~kD;
  for (std::uint32_t tag = 0; tag < 4; ++tag) offer(tag);
  run();
  for (const Answered& one : answered) {
    EXPECT_EQ(one.response.outcome.hpa, host_page(kDataPage) + kOffset);
    EXPECT_GE(one.response.references, 24u);
  }
  EXPECT_EQ(guest(1), guest_page(kDataPage) | kGuestUsed | kD);
  EXPECT_EQ(ept_leaf(), host_page(kDataPage) | kRwx | kWbType | kEptA | kEptD);
}

TEST_F(Slots, CyclesInWhichTheUnitIsNotActiveNeedNotBeClocked) {
  RtlWalker every("default");
  RtlWalker some("default");
  const mmu::WalkContext prepared(context);
  std::vector<mmu::MemoryAnswer> owed;
  for (mmu::Cycle cycle = 0; cycle < 400; ++cycle) {
    mmu::WalkerInputs inputs;
    inputs.cycle = cycle;
    if (cycle % 90 < 3) inputs.request = {.tag = 1, .context = &prepared, .request = request};
    if (cycle % 3 == 1 && !owed.empty()) {
      inputs.answer = owed.back();
      owed.pop_back();
    }
    const mmu::WalkerOutputs before = every.outputs();
    ASSERT_EQ(before.memory.has_value(), some.outputs().memory.has_value()) << cycle;
    ASSERT_EQ(before.response.has_value(), some.outputs().response.has_value()) << cycle;
    ASSERT_EQ(before.request_ready, some.outputs().request_ready) << cycle;
    if (before.memory && cycle % 2 == 0) {
      EXPECT_EQ(before.memory->address, some.outputs().memory->address);
      inputs.memory_ready = true;
      owed.push_back({.id = before.memory->id, .value = bench.memory[before.memory->address]});
    }
    if (before.response) {
      EXPECT_EQ(before.response->cycles, some.outputs().response->cycles);
    }
    inputs.response_ready = before.response.has_value();
    const bool needed = some.outputs().next_cycle == cycle || inputs.request || inputs.answer ||
                        inputs.memory_ready || inputs.response_ready;
    if (needed) some.tick(inputs);
    every.tick(inputs);
  }
}

}  // namespace
}  // namespace eptsim::tb
