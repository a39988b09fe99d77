#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/traffic.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Reason;

class CacheLookup : public Traffic, public testing::WithParamInterface<const char*> {
 protected:
  CacheLookup() : Traffic(GetParam()) {
    for (unsigned level = 1; level <= 4; ++level) guest_beside(level) = guest(level);
  }
  /// The entry next to the one that kLinear uses, which refers to the same.
  std::uint64_t& guest_beside(unsigned level) { return bench.memory[guest_entry(level) + 8]; }
  void step_beside(unsigned level) { request.address = kLinear + (1ull << (12 + 9 * (level - 1))); }
};

INSTANTIATE_TEST_SUITE_P(Walker, CacheLookup, testing::Values("small", "default"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(CacheLookup, EmptyCachesAreAskedOnceForEachAddress) {
  const mmu::WalkResponse cold = walk_alone();
  // The first guest table's page fills the EPT caches for the others, which lie beside it.
  EXPECT_EQ(lookups(), "C0 E0 E2 E2 E2 E2");
  EXPECT_EQ(cold.references, 12u);
  EXPECT_EQ(cold.cycles, 1 + 6 + 12 * 5u);
  EXPECT_EQ(cold.outcome.hpa, host_page(kDataPage) + kOffset);
}

TEST_P(CacheLookup, AfterAResetNothingIsLeftOfWalksAndCaches) {
  walk_alone();
  response_ready = [](mmu::Cycle) { return false; };
  for (std::uint32_t tag = 0; tag < 5; ++tag) offer(tag);
  run_until(now + 9);
  ASSERT_GE(taken.size(), 2u);
  reset();
  EXPECT_FALSE(unit.outputs().memory);
  EXPECT_FALSE(unit.outputs().response);
  response_ready = [](mmu::Cycle) { return true; };
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "C0 E0 E2 E2 E2 E2");
  EXPECT_EQ(response.references, 12u);
  EXPECT_EQ(response.cycles, 1 + 6 + 12 * 5u);
  EXPECT_EQ(answered.size(), 1u);
}

TEST_P(CacheLookup, TheSameWalkAgainReadsTheGuestsLeafAlone) {
  walk_alone();
  const mmu::WalkResponse warm = walk_alone();
  EXPECT_EQ(lookups(), "C2 N1");
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].request.address, guest_entry(1));
  EXPECT_EQ(asked[0].request.place, (mmu::Place{1, 0}));
  // First step, two look-ups, one reference.
  EXPECT_EQ(warm.cycles, 1 + 2 + 5u);
  EXPECT_EQ(looked_up[0].cycle, taken.rbegin()->second + 2);
  EXPECT_EQ(asked[0].valid, looked_up[0].cycle + 1);
  EXPECT_EQ(looked_up[1].cycle, asked[0].taken + 4 + 1);
  EXPECT_EQ(warm.outcome.hpa, host_page(kDataPage) + kOffset);
  EXPECT_EQ(warm.outcome.gpa, guest_page(kDataPage) + kOffset);
  EXPECT_EQ(warm.outcome.memory_type, arch::MemoryType::kWB);
}

TEST_P(CacheLookup, EachLevelOfTheCombinedCachesSkipsWhatIsAboveIt) {
  walk_alone();
  step_beside(1);
  EXPECT_EQ(walk_alone().references, 1u);
  EXPECT_EQ(lookups(), "C2 N1");
  step_beside(2);
  EXPECT_EQ(walk_alone().references, 2u);
  EXPECT_EQ(lookups(), "C3 N1 N1");
  step_beside(3);
  EXPECT_EQ(walk_alone().references, 3u);
  EXPECT_EQ(lookups(), "C4 N1 N1 N1");
  step_beside(4);
  EXPECT_EQ(walk_alone().references, 4u);
  EXPECT_EQ(lookups(), "C0 N1 N1 N1 N1 N1");
}

TEST_P(CacheLookup, EachLevelOfTheEptCachesSkipsWhatIsAboveIt) {
  request.linear = false;
  request.address = guest_page(kDataPage);
  EXPECT_EQ(walk_alone().references, 4u);
  EXPECT_EQ(lookups(), "E0");
  for (unsigned level = 2; level <= 4; ++level) {
    // The same tables again, one entry further at this level.
    bench.memory[ept_entry(level) + 8] = bench.memory[ept_entry(level)];
    request.address = guest_page(kDataPage) + (1ull << (12 + 9 * (level - 1)));
    EXPECT_EQ(walk_alone().references, level);
    EXPECT_EQ(lookups(), level < 4 ? "E" + std::to_string(level + 1) : "E0");
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked[0].request.address, ept_entry(level) + 8);
  }
}

TEST_P(CacheLookup, NoneIsKeptOfTheFifthLevel) {
  context.cr4 |= 1 << 12;
  context.cr3 = guest_page(table_page(5));
  context.eptp = kEptPml5 | 4 << 3 | 6;
  request.address = kLinear57;
  walk_alone();
  EXPECT_EQ(walk_alone().references, 1u);
  EXPECT_EQ(lookups(), "C2 N1");
  request.address ^= 1ull << 39;
  bench.memory[guest_entry(4) ^ 8] = guest(4);
  EXPECT_EQ(walk_alone().references, 5u);
  EXPECT_EQ(lookups(), "C0 N1 N1 N1 N1 N1 N1");
}

TEST_P(CacheLookup, ALinearAddressThatDiffersAboveBit47IsAnother) {
  context.cr4 |= 1 << 12;
  context.cr3 = guest_page(table_page(5));
  request.address = kLinear57;
  bench.memory[guest_entry(5) + 8] = guest(5);
  walk_alone();
  request.address += 1ull << 48;
  walk_alone();
  EXPECT_EQ(lookups().substr(0, 2), "C0");
}

TEST_P(CacheLookup, WithoutPagingTheCombinedCachesAreNotAsked) {
  context.cr0 = 1;
  request.address = guest_page(kDataPage);
  walk_alone();
  EXPECT_EQ(lookups(), "E0");
  walk_alone();
  EXPECT_EQ(lookups(), "N1");
}

TEST_P(CacheLookup, WithoutEptTheCombinedCachesHoldWhatTheGuestsTablesGive) {
  context.ept_enabled = false;
  context.cr3 = host_page(table_page(4));
  for (unsigned level = 4; level > 1; --level) {
    guest(level) = host_page(table_page(level - 1)) | kGuestUsed;
  }
  EXPECT_EQ(walk_alone().references, 4u);
  EXPECT_EQ(lookups(), "C0");
  EXPECT_EQ(walk_alone().references, 1u);
  EXPECT_EQ(lookups(), "C2");
}

TEST_P(CacheLookup, EverySpaceHasItsOwn) {
  const auto after = [this](auto change) {
    change(context);
    walk_alone();
    return lookups().substr(0, 2);
  };
  context.cr4 |= 1 << 17;
  context.cr3 |= 5;
  walk_alone();
  EXPECT_EQ(after([](mmu::Context&) {}), "C2");
  EXPECT_EQ(after([](mmu::Context& c) { c.vpid = 2; }), "C0");
  EXPECT_EQ(after([](mmu::Context& c) { c.vpid = 1; }), "C2");
  EXPECT_EQ(after([](mmu::Context& c) { c.cr3 ^= 1; }), "C0");
  EXPECT_EQ(after([](mmu::Context& c) { c.cr3 ^= 1; }), "C2");
  // Without PCIDs the number in CR3 means something else, and PCID 0 is in use.
  EXPECT_EQ(after([](mmu::Context& c) { c.cr4 ^= 1 << 17; }), "C0");
  EXPECT_EQ(after([](mmu::Context& c) { c.cr3 ^= 8; }), "C2");
  // The same tables under another root are other translations.
  for (unsigned entry = 0; entry < 512; ++entry) {
    bench.memory[0x66'6000 + entry * 8] = bench.memory[kEptRoot + entry * 8];
  }
  EXPECT_EQ(after([](mmu::Context& c) { c.eptp = 0x66'6000 | 3 << 3 | 6; }), "C0");
  EXPECT_EQ(lookups(), "C0 E0 E2 E2 E2 E2");
}

TEST_P(CacheLookup, DisabledCachesMissAndKeepWhatTheyHold) {
  walk_alone();
  disabled.combined = true;
  EXPECT_EQ(walk_alone().references, 4u);
  EXPECT_EQ(lookups(), "C0 N1 N1 N1 N1 N1");
  disabled = {.nested_tlb = true};
  EXPECT_EQ(walk_alone().references, 2u);
  EXPECT_EQ(lookups(), "C2 E2");
  disabled = {.ept = true, .nested_tlb = true};
  EXPECT_EQ(walk_alone().references, 5u);
  EXPECT_EQ(lookups(), "C2 E0");
  disabled = {};
  EXPECT_EQ(walk_alone().references, 1u);
  EXPECT_EQ(lookups(), "C2 N1");
}

TEST_P(CacheLookup, AWriteIsNotAnsweredByAPageWhoseDirtyFlagIsClear) {
  ept_flags_on();
  walk_alone();
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), kEptA);
  request.access = AccessKind::kWrite;
  EXPECT_EQ(walk_alone().references, 2u);
  EXPECT_EQ(lookups(), "C2 E2");
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_EQ(walk_alone().references, 1u);
  EXPECT_EQ(lookups(), "C2 N1");
}

TEST_P(CacheLookup, ARightThatAHitLacksIsLookedForInMemory) {
  ept_leaf() &= ~kW;
  walk_alone();
  ept_leaf() |= kW;  // More rights need no invalidation.
  request.access = AccessKind::kWrite;
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kTranslated);
  // The guest's leaf, then the whole walk from its first step, without look-ups.
  EXPECT_EQ(lookups(), "C2 N1");
  ASSERT_EQ(asked.size(), 25u);
  EXPECT_EQ(response.references, 25u);
  EXPECT_EQ(asked[1].request.address, ept_entry(4));
  EXPECT_EQ(asked[1].valid, looked_up[1].cycle + 1);
  EXPECT_EQ(response.cycles, 1 + 2 + 25 * 5u);
  EXPECT_EQ(walk_alone().references, 1u);
}

TEST_P(CacheLookup, ARightThatMemoryLacksTooIsReportedAsReadThere) {
  ept_leaf() &= ~kW;
  walk_alone();
  request.access = AccessKind::kWrite;
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(response.outcome.reason, Reason::kEptNotWritable);
  EXPECT_EQ(response.outcome.place, (mmu::Place{0, 1}));
  EXPECT_EQ(response.outcome.entry_address, ept_entry(1, kDataPage));
  EXPECT_EQ(response.references, 25u);
}

TEST_P(CacheLookup, AGuestRightThatAHitLacksIsLookedForInMemory) {
  guest(3) &= ~kRw;
  walk_alone();
  request.access = AccessKind::kWrite;
  mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "C2");
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(response.outcome.reason, Reason::kGuestNotWritable);
  guest(3) |= kRw;
  response = walk_alone();
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(response.references, 25u);
  EXPECT_EQ(walk_alone().references, 1u);
}

TEST_P(CacheLookup, AnUpdateThatAHitRefusesIsLookedForInMemory) {
  ept_leaf(table_page(1)) &= ~kW;
  walk_alone();
  guest(1) &= ~kA;
  mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "C2");
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(response.outcome.place, (mmu::Place{1, 1}));
  EXPECT_EQ(response.outcome.gpa, guest_entry_gpa(1));
  EXPECT_EQ(response.outcome.entry_address, ept_entry(1, table_page(1)));
  EXPECT_EQ(response.references, 1 + 20u);
  ept_leaf(table_page(1)) |= kW;
  response = walk_alone();
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_NE(guest(1) & kA, 0u);
}

TEST_P(CacheLookup, AnEntryReadBelowAHitIsBelieved) {
  walk_alone();
  guest(1) &= ~kP;
  mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(response.outcome.reason, Reason::kGuestNotPresent);
  EXPECT_EQ(response.references, 1u);
  guest(1) |= kP | 1ull << 51;
  response = walk_alone();
  EXPECT_EQ(response.outcome.reason, Reason::kGuestReservedBit);
  EXPECT_EQ(response.references, 1u);
}

TEST_P(CacheLookup, ARestrictionOfALevelThatAHitSkipsHolds) {
  bench.memory[ept_entry(3)] &= ~kW;
  request.linear = false;
  request.address = guest_page(kDataPage);
  walk_alone();
  request.address = guest_page(kDataPage + 1);
  request.access = AccessKind::kWrite;
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "E2");
  EXPECT_EQ(response.outcome.reason, Reason::kEptNotWritable);
  // One reference below the hit, then all four.
  EXPECT_EQ(response.references, 5u);
}

TEST_P(CacheLookup, TheControlsOfTheWalkThatHitsSayWhichRightsCount) {
  constexpr std::uint64_t kPagingWrite = 1ull << 58;
  context.controls.paging_write = true;
  ept_leaf(table_page(1)) = (ept_leaf(table_page(1)) | kPagingWrite) & ~kW;
  for (const bool combined_disabled : {false, true}) {
    walk_alone();
    disabled.combined = combined_disabled;
    guest(1) &= ~kA;
    context.controls.paging_write = false;
    const mmu::WalkResponse refused = walk_alone();
    EXPECT_EQ(lookups(), combined_disabled ? "C0 N1 N1 N1 N1" : "C2");
    EXPECT_EQ(refused.outcome.kind, OutcomeKind::kEptViolation);
    EXPECT_EQ(refused.outcome.qualification, 0xabu);
    EXPECT_EQ(guest(1) & kA, 0u);
    context.controls.paging_write = true;
    const mmu::WalkResponse allowed = walk_alone();
    EXPECT_EQ(lookups().substr(0, 2), combined_disabled ? "C0" : "C2");
    EXPECT_EQ(allowed.outcome.kind, OutcomeKind::kTranslated);
    EXPECT_NE(guest(1) & kA, 0u);
  }
}

TEST_P(CacheLookup, WhatRefusedAHitIsForgottenWhenTheWalkBegunAgainIsRefusedAtOnce) {
  constexpr std::uint64_t kVerify = 1ull << 57;
  ept_leaf() |= kVerify;  // which means nothing without the control, and no table's page passes
  walk_alone();
  context.controls.paging_write = true;
  context.controls.guest_paging_verification = true;
  context.cr3 |= 1ull << 48;  // no EPT of 4 levels reaches it; the caches know the old one
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "C2 N1");
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(response.outcome.reason, Reason::kEptAddressTooWide);
  EXPECT_EQ(response.outcome.place.guest_level, 4);
  EXPECT_EQ(response.outcome.qualification, 0x81u) << "a guest table's, and bit 15 the page's";
}

TEST_P(CacheLookup, WhatWasFilledWithoutModeBasedExecuteGivesNoUserExecute) {
  ept_leaf() |= kXu;  // those above it lack the bit, which means nothing without the control
  request.access = AccessKind::kFetch;
  EXPECT_EQ(walk_alone().outcome.kind, OutcomeKind::kTranslated);
  context.controls.mode_based_execute = true;
  const mmu::WalkResponse response = walk_alone();
  EXPECT_EQ(lookups(), "C2 N1");
  EXPECT_EQ(response.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(response.outcome.qualification, 0x1bcu);
}

}  // namespace
}  // namespace eptsim::tb
