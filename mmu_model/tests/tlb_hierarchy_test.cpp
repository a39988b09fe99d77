#include "mmu_model/tests/tlb_bench.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>

#include "mmu_model/tests/random.hpp"

/// What the TLBs hold: levels, page sizes, replacement of what they had.
namespace eptsim::mmu::test {
namespace {

TEST_F(Tlbs, AMissAHitAndTheirCycles) {
  const TlbHit miss = tlbs.lookup(read(kAddress));
  EXPECT_EQ(miss.level, TlbHitLevel::kMiss);
  EXPECT_EQ(miss.entry, nullptr);
  EXPECT_EQ(miss.cycles, 8u);
  walked(read(kAddress), translated(kAddress));
  const TlbHit hit = tlbs.lookup(read(kAddress + 0x123));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.cycles, 1u);
  ASSERT_NE(hit.entry, nullptr);
  EXPECT_EQ(hit.entry->hpa_of(kAddress + 0x123), translated(kAddress).hpa + 0x123);
  EXPECT_EQ(hit.entry->gpa_of(kAddress + 0x123), translated(kAddress).gpa + 0x123);
  EXPECT_EQ(tlbs.l1d().accesses, 2u);
  EXPECT_EQ(tlbs.l1d().hits, 1u);
  EXPECT_EQ(tlbs.l1d().misses, 1u);
  EXPECT_EQ(tlbs.l2().accesses, 1u);
  EXPECT_EQ(tlbs.l2().misses, 1u);
  EXPECT_EQ(tlbs.l1i().accesses, 0u);
}

TEST_F(Tlbs, AMissMayTakeLongerThanAHitToBeKnown) {
  TlbSettings first = kFirst, second = kSecond;
  first.miss_cycles = 3;
  second.miss_cycles = 20;
  const auto miss = [&](const TlbSettings& l2, std::uint64_t address) {
    TlbHierarchy slow(first, first, l2, 1);
    slow.use(context);
    return slow.lookup(read(address)).cycles;
  };
  EXPECT_EQ(miss(second, kAddress), 20u) << "the last level that is there";
  EXPECT_EQ(miss({}, kAddress), 3u);
  EXPECT_EQ(miss(second, 1ull << 60), 20u) << "and so where no such address is";
}

TEST_F(Tlbs, ASecondLevelHitFillsTheFirst) {
  walked(read(kAddress), translated(kAddress));
  // Four more pages of the same first-level set.
  for (std::uint64_t i = 1; i <= 4; ++i) {
    walked(read(kAddress + i * 4 * k4K), translated(kAddress + i * 4 * k4K));
  }
  const TlbHit hit = tlbs.lookup(read(kAddress));
  EXPECT_EQ(hit.level, TlbHitLevel::kSecond);
  EXPECT_EQ(hit.cycles, 8u);
  EXPECT_EQ(hit.entry->hpa_of(kAddress), translated(kAddress).hpa);
  EXPECT_EQ(level(read(kAddress)), TlbHitLevel::kFirst);
}

TEST_F(Tlbs, FetchesHaveAFirstLevelOfTheirOwnAndShareTheSecond) {
  walked(read(kAddress), translated(kAddress));
  EXPECT_EQ(level(fetch(kAddress)), TlbHitLevel::kSecond);
  EXPECT_EQ(level(fetch(kAddress)), TlbHitLevel::kFirst);
  EXPECT_EQ(tlbs.l1i().accesses, 2u);
  EXPECT_EQ(tlbs.l1d().accesses, 0u);
}

TEST_F(Tlbs, AnEntryCoversTheSmallerOfGuestAndEptPage) {
  struct Case {
    PageSize guest, ept;
    std::uint64_t covers;
  };
  for (const Case& c : {Case{PageSize::k4K, PageSize::k1G, k4K},
                        {PageSize::k2M, PageSize::k4K, k4K},
                        {PageSize::k2M, PageSize::k2M, k2M},
                        {PageSize::k1G, PageSize::k2M, k2M},
                        {PageSize::k1G, PageSize::k1G, k1G}}) {
    tlbs.invalidate({});
    walked(read(kAddress), translated(kAddress, c.guest, c.ept));
    const std::uint64_t first = kAddress & ~(c.covers - 1);
    for (const std::uint64_t address : {first, first + c.covers - 1}) {
      const TlbHit hit = tlbs.lookup(read(address));
      ASSERT_TRUE(hit) << arch::name(c.guest) << " on " << arch::name(c.ept);
      EXPECT_EQ(hit.entry->hpa_of(address), translated(address).hpa);
      EXPECT_EQ(hit.entry->gpa_of(address), translated(address).gpa);
    }
    EXPECT_FALSE(hits(read(first - 1)));
    EXPECT_FALSE(hits(read(first + c.covers)));
  }
}

TEST_F(Tlbs, APageTooLargeForTheArraysIsHeldInPieces) {
  const TlbSettings split{
      .split = true, .k4 = {.entries = 16, .ways = 4}, .m2 = {.entries = 8, .ways = 4}};
  const TlbSettings small{.split = true, .k4 = {.entries = 16, .ways = 16}};
  TlbHierarchy hierarchy(small, split, kSecond, 1);
  hierarchy.use(context);
  hierarchy.take(context, read(kAddress), translated(kAddress, PageSize::k1G, PageSize::k1G));
  TlbHit hit = hierarchy.lookup(read(kAddress + 8));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.entry->size, PageSize::k2M);
  EXPECT_EQ(hit.entry->hpa_of(kAddress + 8), translated(kAddress + 8).hpa);
  EXPECT_EQ(hierarchy.lookup(read(kAddress + k2M)).level, TlbHitLevel::kSecond);
  EXPECT_EQ(hierarchy.lookup(fetch(kAddress + k2M)).level, TlbHitLevel::kSecond);
  hit = hierarchy.lookup(fetch(kAddress + k2M + 8));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.entry->size, PageSize::k4K);
  EXPECT_EQ(hit.entry->gpa_of(kAddress + k2M + 8), translated(kAddress + k2M + 8).gpa);
}

TEST_F(Tlbs, APageOf4MiBIsHeldAsTwoHalvesAndLeavesAsOne) {
  Context native = guest();
  native.ept_enabled = false;
  const WalkContext where(native);
  tlbs.use(where);
  constexpr std::uint64_t kBase = 0x1240'0000;
  tlbs.take(where, read(kBase + k2M + 5),
            translated(kBase + k2M + 5, PageSize::k4M, PageSize::k4M));
  EXPECT_TRUE(hits(read(kBase + k2M)));
  EXPECT_FALSE(hits(read(kBase)));
  tlbs.take(where, read(kBase), translated(kBase, PageSize::k4M, PageSize::k4M));
  tlbs.invalidate({.vpid = 1, .linear = kBase + 3 * k4K});
  EXPECT_FALSE(hits(read(kBase + k2M)));
  EXPECT_FALSE(hits(read(kBase)));
}

TEST_F(Tlbs, NothingIsHeldWithCachesOffAndAHitIsUncacheableThen) {
  walked(read(kAddress), translated(kAddress));
  Context raw = guest();
  raw.cr0 |= 1u << 30;
  const WalkContext where(raw);
  tlbs.use(where);
  const TlbHit hit = tlbs.lookup(read(kAddress));
  ASSERT_TRUE(hit);
  EXPECT_EQ(outcome_of(context, *hit.entry, kAddress).memory_type, arch::MemoryType::kWB);
  EXPECT_EQ(outcome_of(where, *hit.entry, kAddress).memory_type, arch::MemoryType::kUC);
  tlbs.take(where, read(kAddress + k4K), translated(kAddress + k4K));
  EXPECT_FALSE(hits(read(kAddress + k4K)));
}

TEST_F(Tlbs, AnEntryOfAnotherSizeForTheAddressGivesWay) {
  Outcome clean = translated(kAddress);
  clean.dirty = false;
  walked(read(kAddress), clean);
  walked(write(kAddress), translated(kAddress, PageSize::k2M, PageSize::k2M));
  EXPECT_TRUE(hits(write(kAddress)));
}

TEST_F(Tlbs, APageWalkedAgainTakesNoSecondPlace) {
  for (std::uint64_t i = 1; i < 4; ++i) {
    walked(read(kAddress + i * 4 * k4K), translated(kAddress + i * 4 * k4K));
  }
  for (int i = 0; i < 4; ++i) walked(read(kAddress), translated(kAddress));
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(level(read(kAddress + i * 4 * k4K)), TlbHitLevel::kFirst) << i;
  }
}

TEST_F(Tlbs, ALevelThatIsOffNeitherHoldsNorCounts) {
  TlbHierarchy one_level(kFirst, kFirst, {}, 1);
  one_level.use(context);
  const TlbHit miss = one_level.lookup(read(kAddress));
  EXPECT_EQ(miss.cycles, 1u);
  one_level.take(context, read(kAddress), translated(kAddress));
  EXPECT_TRUE(one_level.lookup(read(kAddress)));
  EXPECT_EQ(one_level.l2().accesses, 0u);
  EXPECT_EQ(one_level.l1d().hits, 1u);
}

TlbSettings random_level(Random& random) {
  TlbSettings level{.unified = {.entries = 16, .ways = 4}, .hit_cycles = 1};
  if (random.one_in(2)) {
    level.split = true;
    level.shares_4k_2m = random.one_in(2);
    level.k4 = level.k4_m2 = {.entries = 8, .ways = 4};
    level.m2 = {.entries = 8, .ways = 2};
    level.g1 = {.entries = 4, .ways = 4};
  }
  if (random.one_in(3)) level.coalesce = 4;
  level.replacement = static_cast<Replacement>(random.below(5));
  return level;
}

/// Address spaces, and rights: the last has supervisor-mode writes obey R/W, and protection keys.
std::deque<WalkContext> some_contexts() {
  std::deque<WalkContext> contexts;
  Context context = guest();
  contexts.emplace_back(context);
  context.cr3 = 0x5001;  // another PCID
  contexts.emplace_back(context);
  context.vpid = 9;
  contexts.emplace_back(context);
  context.cr4 |= 1u << 22;  // PKE
  context.pkru = 0b1100;    // nothing of key 1
  contexts.emplace_back(context);
  return contexts;
}

TEST(TlbProperties, WhatIsRememberedOfTheLastUseOfASetChangesNothing) {
  Random random(21);
  const std::deque<WalkContext> contexts = some_contexts();
  Context elsewhere = guest();
  elsewhere.vpid = 77;
  const WalkContext nowhere(elsewhere);
  for (unsigned round = 0; round < 60; ++round) {
    const TlbSettings first = random_level(random);
    TlbHierarchy remembers(first, first, kSecond, round);
    TlbHierarchy forgets(first, first, kSecond, round);  // before each look-up
    const WalkContext* context = &contexts.front();
    remembers.use(*context);
    for (unsigned i = 0; i < 2000; ++i) {
      if (random.one_in(40)) remembers.use(*(context = &random.any(contexts)));
      forgets.use(nowhere);
      forgets.use(*context);
      const std::uint64_t address = kAddress + random.below(random.one_in(4) ? 64 : 5) * k4K;
      if (random.one_in(50)) {
        InvalidationScope scope{.vpid = context->raw.vpid};
        if (random.one_in(2)) scope.linear = address;
        remembers.invalidate(scope);
        forgets.invalidate(scope);
      }
      constexpr std::array kKinds = {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch};
      const Request request{.address = address, .access = random.any(kKinds), .user = true};
      const TlbHit expected = forgets.lookup(request);
      const TlbEntry* const early = random.one_in(2) ? remembers.lookup_hit(request) : nullptr;
      const TlbHit hit =
          early != nullptr ? TlbHit{early, TlbHitLevel::kFirst, 1} : remembers.lookup(request);
      ASSERT_EQ(hit.level, expected.level) << "round " << round << ", look-up " << i;
      ASSERT_EQ(hit.cycles, expected.cycles);
      if (hit) {
        ASSERT_EQ(hit.entry->hpa_of(address), expected.entry->hpa_of(address));
        continue;
      }
      constexpr std::array kSizes = {PageSize::k4K, PageSize::k4K, PageSize::k2M, PageSize::k1G};
      Outcome outcome = translated(address, random.any(kSizes), random.any(kSizes));
      outcome.dirty = request.access == AccessKind::kWrite || random.one_in(2);
      outcome.protection_key = static_cast<std::uint8_t>(random.below(2));
      remembers.take(*context, request, outcome);
      forgets.take(*context, request, outcome);
    }
    ASSERT_EQ(remembers.l1d().hits, forgets.l1d().hits);
    ASSERT_EQ(remembers.l1d().misses, forgets.l1d().misses);
    ASSERT_EQ(remembers.l1i().hits, forgets.l1i().hits);
    ASSERT_EQ(remembers.l2().accesses, forgets.l2().accesses);
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
