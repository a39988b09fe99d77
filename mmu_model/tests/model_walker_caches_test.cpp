#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>

#include "mmu_model/tests/walker_bench.hpp"

/// Structure caches and nested TLB in the walker's time: look-ups, fills, invalidation, disable
/// bits, replacement, against docs/microarchitecture.md.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;
constexpr std::uint64_t kGpa = 0x40'0000'0000;

constexpr std::uint64_t kPagingWrite = 1ull << 58;

constexpr WalkerConfiguration kNestedAlone = {.walks = 4, .nested_tlb = 4};

/// EPT pages at kGpa and after, whose walks have all of their upper levels in common.
WalkerBench page_bench(unsigned pages, const WalkerConfiguration& configuration = kNestedAlone) {
  WalkerBench bench(configuration);
  for (std::uint64_t i = 0; i < pages; ++i) {
    bench.tables.map_ept(kGpa + i * 0x1000, 0x7'0000'0000 + i * 0x1000, PageSize::k4K);
  }
  return bench;
}

unsigned references(WalkerBench& bench, std::uint64_t gpa) {
  return bench.run(guest_physical(gpa)).response.references;
}

// --- Look-ups ------------------------------------------------------------------------------------

TEST(WalkerLookUps, TheCombinedCachesTakeOneCycleAWalk) {
  WalkerBench bench({.combined = {0, 0, 2, 2, 2}});
  bench.tables.map(kGva);
  bench.tables.map(kGva + 0x1000);
  for (const std::uint64_t gva : {kGva, kGva + 0x1000}) bench.mark_accessed(gva);
  bench.offer(1, access(AccessKind::kRead, kGva), 10);
  bench.run();
  EXPECT_EQ(bench.response(1).response.cycles, 24u * 5 + 1 + 1);
  ASSERT_EQ(bench.lookups.size(), 1u);
  EXPECT_EQ(bench.lookups.begin()->first, 12u) << "the cycle after the first step";
  EXPECT_TRUE(bench.lookups.begin()->second.combined);
  EXPECT_EQ(bench.lookups.begin()->second.combined_level, 0u);
  EXPECT_EQ(bench.transfers[0].first_valid, 13u);

  bench.lookups.clear();
  const WalkResponse second = bench.run(access(AccessKind::kRead, kGva + 0x1000)).response;
  EXPECT_EQ(second.references, 1u + 4) << "the last guest entry, and the page's address";
  EXPECT_EQ(second.cycles, 5u * 5 + 1 + 1);
  EXPECT_EQ(bench.lookups.begin()->second.combined_level, 2u);
}

TEST(WalkerLookUps, EachGuestPhysicalAddressTakesOneCycle) {
  WalkerBench bench({.nested_tlb = 8});
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  const WalkResponse first = bench.run(access(AccessKind::kRead, kGva)).response;
  EXPECT_EQ(first.references, 24u);
  EXPECT_EQ(first.cycles, 24u * 5 + 1 + 5);
  bench.lookups.clear();
  const WalkResponse second = bench.run(access(AccessKind::kRead, kGva)).response;
  EXPECT_EQ(second.references, 4u) << "the guest's alone";
  EXPECT_EQ(second.cycles, 4u * 5 + 1 + 5);
  EXPECT_EQ(second.outcome.hpa, first.outcome.hpa);
  for (const auto& [cycle, lookup] : bench.lookups) {
    EXPECT_FALSE(lookup.combined);
    EXPECT_EQ(lookup.nested_level, 1u);
    EXPECT_FALSE(lookup.ept_asked);
  }
}

TEST(WalkerLookUps, NestedTlbAndEptStructuresAreAskedInOneCycle) {
  WalkerBench bench = page_bench(2, {.ept = {0, 0, 2, 2, 2}, .nested_tlb = 4});
  EXPECT_EQ(bench.run(guest_physical(kGpa)).response.cycles, 4u * 5 + 1 + 1);
  EXPECT_TRUE(bench.lookups.begin()->second.ept_asked);
  EXPECT_EQ(bench.lookups.begin()->second.ept_level, 0u);
  bench.lookups.clear();
  const WalkResponse neighbour = bench.run(guest_physical(kGpa + 0x1000)).response;
  EXPECT_EQ(neighbour.references, 1u);
  EXPECT_EQ(neighbour.cycles, 1u * 5 + 1 + 1);
  ASSERT_EQ(bench.lookups.size(), 1u);
  EXPECT_EQ(bench.lookups.begin()->second.nested_level, 0u);
  EXPECT_EQ(bench.lookups.begin()->second.ept_level, 2u);
}

TEST(WalkerLookUps, WhatNeedsNoReferenceAnswersInTheCycleOfItsLookUp) {
  WalkerBench bench = page_bench(1);
  bench.run(guest_physical(kGpa));
  const WalkResponse again = bench.run(guest_physical(kGpa + 0x18)).response;
  EXPECT_EQ(again.references, 0u);
  EXPECT_EQ(again.cycles, 2u);
  EXPECT_EQ(again.outcome.hpa, 0x7'0000'0018u);
}

TEST(WalkerLookUps, ALeafThatMustBecomeDirtyDoesNotAnswer) {
  WalkerBench bench({.ept = {0, 0, 2}, .nested_tlb = 4});
  bench.tables.context.eptp |= 0x40;
  bench.tables.map_ept(kGpa, 0x7'0000'0000, PageSize::k4K);
  bench.run(guest_physical(kGpa));
  bench.lookups.clear();
  const WalkResponse write = bench.run(guest_physical(kGpa, AccessKind::kWrite)).response;
  EXPECT_EQ(write.references, 1u);
  ASSERT_EQ(bench.lookups.size(), 1u);
  EXPECT_EQ(bench.lookups.begin()->second.nested_level, 0u);
  EXPECT_TRUE(bench.lookups.begin()->second.ept_asked);
  EXPECT_EQ(bench.lookups.begin()->second.ept_level, 2u);
  EXPECT_NE(bench.tables.memory.at(bench.tables.ept_entry(kGpa, 1)) & kEptD, 0u);
  EXPECT_EQ(bench.run(guest_physical(kGpa, AccessKind::kWrite)).response.references, 0u);
}

TEST(WalkerLookUps, ARefusalThatRestsOnAHitBeginsAgainWithoutLookUps) {
  WalkerBench bench = page_bench(1);
  bench.tables.clear(bench.tables.ept_entry(kGpa, 1), kW);
  bench.run(guest_physical(kGpa));
  bench.tables.set(bench.tables.ept_entry(kGpa, 1), kW);  // needs no invalidation
  bench.lookups.clear();
  bench.transfers.clear();
  const Cycle begun = bench.now;
  const WalkResponse write = bench.run(guest_physical(kGpa, AccessKind::kWrite)).response;
  EXPECT_EQ(write.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(write.references, 4u);
  ASSERT_EQ(bench.lookups.size(), 1u) << "none after the hit";
  EXPECT_EQ(bench.lookups.begin()->first, begun + 2);
  EXPECT_EQ(bench.lookups.begin()->second.nested_level, 1u);
  EXPECT_EQ(bench.transfers[0].first_valid, begun + 3) << "begins again in the same cycle";
  bench.lookups.clear();
  EXPECT_EQ(bench.run(guest_physical(kGpa, AccessKind::kWrite)).response.references, 0u)
      << "the walk begun again has filled";
  EXPECT_EQ(bench.lookups.size(), 1u) << "and the next one asks";
}

TEST(WalkerLookUps, ThirtyTwoBitPagingAsksTheLevelItHas) {
  WalkerBench bench({.combined = {0, 0, 2, 2, 2}}, 0, 0);
  bench.tables = thirty_two_bit_page();
  bench.run(access(AccessKind::kRead, kThirtyTwoBitPage));
  bench.lookups.clear();
  const WalkResponse again = bench.run(access(AccessKind::kRead, kThirtyTwoBitPage)).response;
  EXPECT_EQ(again.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(again.references, 1u);
  EXPECT_EQ(bench.lookups.begin()->second.combined_level, 2u);
}

TEST(WalkerLookUps, TheControlsOfTheWalkThatHitsSayWhichRightsCount) {
  for (const WalkerConfiguration& configuration :
       {WalkerConfiguration{.combined = {0, 0, 2}}, WalkerConfiguration{.nested_tlb = 8}}) {
    WalkerBench bench(configuration);
    bench.tables.map(kGva);
    bench.mark_accessed(kGva);
    const std::uint64_t entry = bench.tables.guest_entry(kGva, 1);
    const std::uint64_t table = bench.tables.ept_entry(bench.tables.guest_entry_gpa(kGva, 1), 1);
    bench.tables.clear(table, kW);
    bench.tables.set(table, kPagingWrite);
    bench.tables.context.controls.paging_write = true;
    EXPECT_EQ(bench.run(access(AccessKind::kRead, kGva)).response.references, 24u);
    bench.tables.clear(entry, kA);
    bench.tables.context.controls.paging_write = false;
    const WalkResponse refused = bench.run(access(AccessKind::kRead, kGva)).response;
    EXPECT_EQ(refused.outcome.kind, OutcomeKind::kEptViolation);
    EXPECT_EQ(refused.outcome.place, (Place{1, 1}));
    EXPECT_EQ(bench.tables.memory.at(entry) & kA, 0u);
    bench.tables.context.controls.paging_write = true;
    const WalkResponse allowed = bench.run(access(AccessKind::kRead, kGva)).response;
    EXPECT_EQ(allowed.outcome.kind, OutcomeKind::kTranslated);
    EXPECT_LT(allowed.references, 24u) << "the right is held";
  }
}

TEST(WalkerLookUps, WhatWasFilledWithoutModeBasedExecuteGivesNoUserExecute) {
  for (const WalkerConfiguration& configuration :
       {WalkerConfiguration{.ept = {0, 0, 8}}, WalkerConfiguration{.nested_tlb = 8}}) {
    WalkerBench bench(configuration);
    const PageAddress page = bench.tables.map(kGva);
    // Above the leaf the bit is clear, which means nothing without the control.
    bench.tables.clear(bench.tables.ept_entry(page.gpa, 3), kXu);
    const Request fetch = access(AccessKind::kFetch, kGva, true);
    EXPECT_EQ(bench.run(fetch).response.outcome.kind, OutcomeKind::kTranslated);
    bench.tables.context.controls.mode_based_execute = true;
    EXPECT_EQ(bench.run(fetch).response.outcome.kind, OutcomeKind::kEptViolation);
  }
}

// --- Fills ---------------------------------------------------------------------------------------

/// The references of a second walk of kGpa whose look-up comes in `cycle`; the first walk's last
/// answer comes in cycle 22, and no other in the two cycles before.
unsigned second_walk(WalkerBench& bench, Cycle cycle) {
  bench.offer(1, guest_physical(kGpa), 0);  // step in 1, look-up in 2, answers in 7, 12, 17, 22
  bench.offer(2, guest_physical(kGpa), cycle - (cycle > 22 ? 3 : 2));
  bench.run();
  EXPECT_EQ(bench.lookups.rbegin()->first, cycle);
  return bench.response(2).response.references;
}

TEST(WalkerFills, ALookUpSeesThemFromTheNextCycleOn) {
  WalkerBench before = page_bench(1);
  EXPECT_EQ(second_walk(before, 21), 4u);
  WalkerBench after = page_bench(1);
  EXPECT_EQ(second_walk(after, 23), 0u);
}

TEST(WalkerFills, AWalkThatFaultsKeepsWhatWasLocatedBefore) {
  WalkerBench bench({.combined = {0, 0, 2, 2, 2}, .nested_tlb = 8});
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.tables.clear(bench.tables.guest_entry(kGva, 1), kP);
  const WalkResponse fault = bench.run(access(AccessKind::kRead, kGva)).response;
  EXPECT_EQ(fault.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(fault.references, 20u);
  bench.lookups.clear();
  EXPECT_EQ(bench.run(access(AccessKind::kRead, kGva)).response.references, 4u);
  EXPECT_EQ(bench.lookups.begin()->second.combined_level, 0u)
      << "combined entries are kept when all is done";
}

TEST(WalkerFills, GoIntoTheLowestFreeEntryOrElseTheVictimOfTheTree) {
  WalkerBench bench = page_bench(8);
  const auto page = [](unsigned number) { return kGpa + number * 0x1000ull; };
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(references(bench, page(i)), 4u);
  EXPECT_EQ(references(bench, page(0)), 0u);
  // Last used: 0 of the lower half, 3 of the upper. The tree points away from 0: to 2.
  references(bench, page(4));
  for (const unsigned held : {0u, 1u, 3u, 4u}) EXPECT_EQ(references(bench, page(held)), 0u) << held;
  // Used in the order of 0, 1, 3 and, in entry 2, 4: the next goes away from all that to 0.
  EXPECT_EQ(references(bench, page(2)), 4u);
  for (const unsigned held : {1u, 2u, 3u, 4u}) EXPECT_EQ(references(bench, page(held)), 0u) << held;
  EXPECT_EQ(references(bench, page(0)), 4u);
}

TEST(WalkerFills, RemovingIsNoUseAndLeavesAnEntryFree) {
  WalkerBench bench = page_bench(8);
  const auto page = [](unsigned number) { return kGpa + number * 0x1000ull; };
  for (unsigned i = 0; i < 4; ++i) references(bench, page(i));
  for (const unsigned removed : {1u, 0u}) {
    bench.invalidations[bench.now] = {.guest_physical_mappings = true, .gpa = page(removed)};
    bench.cycle();
  }
  references(bench, page(4));  // entry 0
  references(bench, page(5));  // entry 1
  // Used last: 1 of the lower half, 3 of the upper, the lower after it: the victim is entry 2.
  references(bench, page(6));
  for (const unsigned held : {3u, 4u, 5u, 6u}) EXPECT_EQ(references(bench, page(held)), 0u) << held;
  EXPECT_EQ(references(bench, page(2)), 4u);
}

TEST(WalkerFills, AFillRemovesWhatCoversAnyOfTheSame) {
  WalkerBench bench = page_bench(3);
  for (unsigned i = 0; i < 3; ++i) references(bench, kGpa + i * 0x1000);
  // The three pages become one of 2 MiB, which 1 and 2 don't know of.
  bench.tables.memory.put(bench.tables.ept_entry(kGpa, 2),
                          0x9'0000'0000 | kR | kW | kX | kTypeWb | kLarge);
  EXPECT_EQ(bench.run(guest_physical(kGpa + 0x5000)).response.outcome.hpa, 0x9'0000'5000u);
  for (unsigned i = 0; i < 3; ++i) {
    const WalkResponse response = bench.run(guest_physical(kGpa + i * 0x1000)).response;
    EXPECT_EQ(response.references, 0u);
    EXPECT_EQ(response.outcome.hpa, 0x9'0000'0000 + i * 0x1000);
  }
}

// --- Invalidation --------------------------------------------------------------------------------

constexpr InvalidationScope kElsewhere = {.guest_physical_mappings = true, .gpa = 0};

/// Whether a walk of kGpa, its request taken in cycle 0 and its last answer in 22, leaves anything
/// in the nested TLB, if `scope` comes in `cycle`.
bool is_kept(Cycle cycle, const InvalidationScope& scope) {
  WalkerBench bench = page_bench(1);
  bench.invalidations[10 + cycle] = scope;
  bench.offer(1, guest_physical(kGpa), 10);
  bench.run();
  EXPECT_EQ(bench.response(1).response.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(bench.response(1).response.cycles, 4u * 5 + 2) << "it goes on";
  while (bench.now < 100) bench.cycle();
  return references(bench, kGpa) == 0;
}

TEST(WalkerInvalidation, AWalkThatItCrossesFillsNothing) {
  for (const Cycle cycle : {0, 1, 2, 9, 21}) EXPECT_FALSE(is_kept(cycle, kElsewhere)) << cycle;
  EXPECT_FALSE(is_kept(22, kElsewhere)) << "fills of its own cycle";
  EXPECT_TRUE(is_kept(23, kElsewhere)) << "what is filled is for others to remove";
  EXPECT_TRUE(is_kept(25, kElsewhere));
}

TEST(WalkerInvalidation, SweepsWhatFits) {
  const InvalidationScope fits = {.guest_physical_mappings = true, .gpa = kGpa + 0x123};
  EXPECT_FALSE(is_kept(23, fits));
  EXPECT_FALSE(is_kept(60, fits));
}

TEST(WalkerInvalidation, TheNextWalkInTheSlotFillsAgain) {
  WalkerBench bench = page_bench(1, {.nested_tlb = 4});
  bench.invalidations[5] = kElsewhere;
  EXPECT_EQ(references(bench, kGpa), 4u);
  EXPECT_EQ(references(bench, kGpa), 4u);
  EXPECT_EQ(references(bench, kGpa), 0u);
}

TEST(WalkerInvalidation, LookUpsOfItsCycleStillFind) {
  const InvalidationScope everything = {.guest_physical_mappings = true};
  for (const Cycle cycle : {101u, 102u}) {
    WalkerBench bench = page_bench(1);
    references(bench, kGpa);
    bench.invalidations[cycle] = everything;
    bench.now = 100;  // the look-up comes in 102
    EXPECT_EQ(references(bench, kGpa), cycle == 102 ? 0u : 4u);
  }
}

TEST(WalkerInvalidation, OfLinearAddressesLeavesGuestPhysicalMappings) {
  WalkerBench bench({.combined = {0, 0, 2, 2, 2}, .nested_tlb = 8});
  bench.tables.map(kGva);
  bench.mark_accessed(kGva);
  bench.run(access(AccessKind::kRead, kGva));
  bench.invalidations[bench.now] = {.vpid = bench.tables.context.vpid};
  bench.cycle();
  bench.lookups.clear();
  EXPECT_EQ(bench.run(access(AccessKind::kRead, kGva)).response.references, 4u);
  EXPECT_EQ(bench.lookups.begin()->second.combined_level, 0u);
}

// --- Disable bits --------------------------------------------------------------------------------

TEST(WalkerDisable, LookUpsMissAndTouchNothing) {
  WalkerBench bench = page_bench(8);
  const auto page = [](unsigned number) { return kGpa + number * 0x1000ull; };
  for (unsigned i = 0; i < 4; ++i) references(bench, page(i));
  const auto enabled = bench.disabled;
  bench.disabled = [](Cycle) { return CachesDisabled{.nested_tlb = true}; };
  EXPECT_EQ(references(bench, page(0)), 4u) << "and its fill is dropped";
  EXPECT_EQ(bench.lookups.rbegin()->second.nested_level, 0u);
  bench.disabled = enabled;
  references(bench, page(4));  // in place of 0: no look-up of it was a use
  for (const unsigned held : {1u, 2u, 3u, 4u}) EXPECT_EQ(references(bench, page(held)), 0u) << held;
  EXPECT_EQ(references(bench, page(0)), 4u);
}

TEST(WalkerDisable, CountsInTheCycleOfTheFill) {
  WalkerBench bench = page_bench(1);
  bench.disabled = [](Cycle cycle) { return CachesDisabled{.nested_tlb = cycle == 22}; };
  EXPECT_EQ(references(bench, kGpa), 4u);
  EXPECT_EQ(references(bench, kGpa), 4u);
  EXPECT_EQ(references(bench, kGpa), 0u);
}

TEST(WalkerDisable, InvalidationsSweepWhatStays) {
  WalkerBench bench = page_bench(1);
  references(bench, kGpa);
  bench.disabled = [](Cycle cycle) { return CachesDisabled{.nested_tlb = cycle < 100}; };
  bench.invalidations[50] = {.guest_physical_mappings = true};
  while (bench.now < 100) bench.cycle();
  EXPECT_EQ(references(bench, kGpa), 4u);
}

TEST(WalkerDisable, EachBitIsForItsOwnCaches) {
  const auto levels = [](CachesDisabled disabled) {
    WalkerBench bench({.combined = {0, 0, 2}, .ept = {0, 0, 8}, .nested_tlb = 8});
    bench.tables.map(kGva);
    bench.mark_accessed(kGva);
    bench.run(access(AccessKind::kRead, kGva));
    bench.lookups.clear();
    bench.disabled = [=](Cycle) { return disabled; };
    bench.run(access(AccessKind::kRead, kGva));
    const CacheLookup& combined = bench.lookups.begin()->second;
    const CacheLookup& page = bench.lookups.rbegin()->second;
    return std::tuple{combined.combined_level, page.nested_level, page.ept_level};
  };
  using Levels = std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>;
  EXPECT_EQ(levels({}), (Levels{2, 1, 0}));
  EXPECT_EQ(levels({.combined = true}), (Levels{0, 1, 0}));
  EXPECT_EQ(levels({.ept = true}), (Levels{2, 1, 0}));
  EXPECT_EQ(levels({.nested_tlb = true}), (Levels{2, 0, 2}));
  EXPECT_EQ(levels({.ept = true, .nested_tlb = true}), (Levels{2, 0, 0}));
}

}  // namespace
}  // namespace eptsim::mmu::test
