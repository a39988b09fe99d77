#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Walks with paging-structure caches and a nested TLB.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x0000'5678'9abc'd010;

/// A machine whose caches hold one walk of kGva, and the count of a second walk that may use only
/// what `admit` lets through.
unsigned second_walk(
    unsigned guest_levels, unsigned ept_levels,
    const std::function<bool(const WalkTables&, const PageAddress&, const CachedEntry&)>& admit,
    Walk::Lookups lookups = Walk::Lookups::kAsked) {
  WalkTables tables(guest_levels, ept_levels);
  const PageAddress page = tables.map(kGva);
  ToyCaches caches;
  run_cached(tables, access(AccessKind::kRead, kGva), caches, lookups);
  caches.admit = [&](const CachedEntry& entry) { return admit(tables, page, entry); };
  const CachedResult result = run_cached(tables, access(AccessKind::kRead, kGva), caches, lookups);
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(result.outcome.hpa, page.hpa);
  return result.references;
}

bool combined(const CachedEntry& entry, unsigned level) {
  return entry.kind == LookupKind::kCombined && entry.level == level;
}

TEST(WalkCaches, WhatHitsDecidesHowManyReferencesAreLeft) {
  EXPECT_EQ(second_walk(4, 4, [](auto&, auto&, auto&) { return false; }), 24u);
  EXPECT_EQ(second_walk(4, 4,
                        [](const WalkTables& tables, auto&, const CachedEntry& entry) {
                          return entry.kind == LookupKind::kNestedTlb &&
                                 ToyCaches::holds(entry, tables.guest_entry_gpa(kGva, 4));
                        }),
            20u)
      << "nothing but the translation of CR3's address";
  for (unsigned level = 2; level <= 4; ++level) {
    EXPECT_EQ(second_walk(4, 4, [&](auto&, auto&, auto& entry) { return combined(entry, level); }),
              5 * (level - 1))
        << "combined entry of level " << level;
  }
  EXPECT_EQ(second_walk(4, 4,
                        [](auto&, const PageAddress& page, const CachedEntry& entry) {
                          return combined(entry, 2) ||
                                 (entry.kind == LookupKind::kEptStructure && entry.level == 2 &&
                                  ToyCaches::holds(entry, page.gpa));
                        }),
            2u)
      << "combined PDE, and the EPT's PDE for the data";
  EXPECT_EQ(second_walk(4, 4,
                        [](auto&, const PageAddress& page, const CachedEntry& entry) {
                          return combined(entry, 2) || (entry.kind == LookupKind::kNestedTlb &&
                                                        ToyCaches::holds(entry, page.gpa));
                        }),
            1u)
      << "combined PDE, and the nested TLB for the data";
  EXPECT_EQ(
      second_walk(4, 4, [](auto&, auto&, auto& e) { return e.kind == LookupKind::kNestedTlb; }), 4u)
      << "every address in the nested TLB";
  EXPECT_EQ(second_walk(4, 4,
                        [](auto&, auto&, auto& entry) {
                          return entry.kind == LookupKind::kEptStructure && entry.level == 2;
                        }),
            9u)
      << "the EPT's PDE for all five addresses";
  EXPECT_EQ(second_walk(4, 4, [](auto&, auto&, auto&) { return true; }), 1u) << "everything";
}

TEST(WalkCaches, FiveLevelsHaveOneMoreOfEach) {
  for (unsigned level = 2; level <= 5; ++level) {
    EXPECT_EQ(second_walk(5, 5, [&](auto&, auto&, auto& entry) { return combined(entry, level); }),
              6 * (level - 1));
    EXPECT_EQ(second_walk(5, 5,
                          [&](auto&, auto&, auto& entry) {
                            return entry.kind == LookupKind::kEptStructure && entry.level == level;
                          }),
              5 + 6 * (level - 1));
  }
}

TEST(WalkCaches, WithEptOffTheSameLookupHoldsGuestTables) {
  for (unsigned level = 2; level <= 4; ++level) {
    EXPECT_EQ(second_walk(4, 0, [&](auto&, auto&, auto& entry) { return combined(entry, level); }),
              level - 1);
  }
}

unsigned second_guest_walk(unsigned guest_levels, unsigned ept_levels,
                           const std::function<bool(const CachedEntry&)>& admit) {
  return second_walk(
      guest_levels, ept_levels,
      [&](auto&, auto&, const CachedEntry& entry) { return admit(entry); },
      Walk::Lookups::kAskedOfGuest);
}

TEST(WalkCaches, OfTheGuestsAddressesLeaveTheNextTableToBeTranslated) {
  EXPECT_EQ(second_guest_walk(4, 4, [](auto&) { return false; }), 24u);
  for (const auto& [level, references] : {std::pair{4u, 19u}, {3u, 14u}, {2u, 9u}}) {
    EXPECT_EQ(second_guest_walk(4, 4, [&](auto& entry) { return combined(entry, level); }),
              references);
  }
  EXPECT_EQ(second_guest_walk(5, 5, [](auto& entry) { return combined(entry, 5); }), 4u * 6 + 5);
  for (unsigned level = 2; level <= 4; ++level) {
    EXPECT_EQ(second_guest_walk(4, 0, [&](auto& entry) { return combined(entry, level); }),
              level - 1)
        << "with EPT off it makes no difference";
  }
  const auto with = [](LookupKind kind) {
    return [kind](const CachedEntry& entry) {
      return combined(entry, 2) ||
             (entry.kind == kind && (kind == LookupKind::kNestedTlb || entry.level == 2));
    };
  };
  EXPECT_EQ(second_guest_walk(4, 4, with(LookupKind::kEptStructure)), 1u + 1 + 1);
  EXPECT_EQ(second_guest_walk(4, 4, with(LookupKind::kNestedTlb)), 1u);
}

TEST(WalkCaches, OfTheGuestsAddressesHoldNothingOfTheEpt) {
  // The table moves in host memory, and only its own translation has been forgotten.
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  ToyCaches caches;
  caches.admit = [](const CachedEntry& entry) { return combined(entry, 2); };
  run_cached(tables, access(AccessKind::kRead, kGva), caches, Walk::Lookups::kAskedOfGuest);
  const std::uint64_t moved = 0x7'7777'7000;
  const std::uint64_t leaf = tables.ept_entry(tables.guest_entry_gpa(kGva, 1), 1);
  const std::uint64_t old = tables.guest_entry(kGva, 1);
  tables.memory.put(moved | (old & 0xfff), tables.memory.at(old));
  tables.memory.put(old, 0);
  tables.memory.put(leaf, (tables.memory.at(leaf) & ~0x000f'ffff'ffff'f000) | moved);
  const CachedResult found =
      run_cached(tables, access(AccessKind::kRead, kGva), caches, Walk::Lookups::kAskedOfGuest);
  EXPECT_EQ(found.references, 9u);
  EXPECT_EQ(found.outcome.hpa, page.hpa);

  // And so it does when the right to read it goes.
  tables.clear(leaf, kR | kW | kX);
  const CachedResult refused =
      run_cached(tables, access(AccessKind::kRead, kGva), caches, Walk::Lookups::kAskedOfGuest);
  EXPECT_EQ(refused.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(refused.outcome.gpa, tables.guest_entry_gpa(kGva, 1));
}

TEST(WalkCaches, OfTheGuestsAddressesHoldTheRightsOfWhatTheySkip) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.clear(tables.guest_entry(kGva, 3), kGuestW);
  tables.context.cr0 |= 1u << 16;
  ToyCaches caches;
  caches.admit = [](const CachedEntry& entry) { return combined(entry, 2); };
  run_cached(tables, access(AccessKind::kRead, kGva), caches, Walk::Lookups::kAskedOfGuest);
  const CachedResult refused =
      run_cached(tables, access(AccessKind::kWrite, kGva), caches, Walk::Lookups::kAskedOfGuest);
  EXPECT_EQ(refused.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(refused.outcome.place.guest_level, 3) << "found by beginning again";
  EXPECT_EQ(refused.references, 4u + 1 + 20) << "to the guest's leaf, and then all anew";
}

TEST(WalkCaches, AWalkThatFaultsFillsNoCombinedEntry) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  tables.memory.put(tables.ept_entry(page.gpa, 1), 0);
  ToyCaches caches;
  EXPECT_EQ(run_cached(tables, access(AccessKind::kRead, kGva), caches).outcome.kind,
            OutcomeKind::kEptViolation);
  for (const CachedEntry& entry : caches.entries()) {
    EXPECT_NE(entry.kind, LookupKind::kCombined);
    EXPECT_FALSE(entry.kind == LookupKind::kNestedTlb && ToyCaches::holds(entry, page.gpa));
  }
  EXPECT_FALSE(caches.entries().empty()) << "the tables themselves were translated";
}

TEST(WalkCaches, AWriteThroughACleanNestedEntrySetsTheDirtyFlag) {
  WalkTables tables(4, 4);
  tables.context.eptp |= 1u << 6;
  const PageAddress page = tables.map(kGva);
  ToyCaches caches;
  run_cached(tables, access(AccessKind::kRead, kGva), caches);
  const std::uint64_t leaf = tables.ept_entry(page.gpa, 1);
  EXPECT_EQ(tables.memory.at(leaf) & (kEptA | kEptD), kEptA);
  const CachedResult write = run_cached(tables, access(AccessKind::kWrite, kGva), caches);
  EXPECT_EQ(tables.memory.at(leaf) & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_EQ(write.references, 2u) << "the guest's leaf, and the EPT's";
  EXPECT_EQ(run_cached(tables, access(AccessKind::kWrite, kGva), caches).references, 1u);
}

TEST(WalkCaches, ARightThatMemoryHasGainedIsFoundBehindAHit) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  tables.clear(tables.ept_entry(page.gpa, 2), kW);
  ToyCaches caches;
  run_cached(tables, access(AccessKind::kRead, kGva), caches);
  tables.set(tables.ept_entry(page.gpa, 2), kW);
  const CachedResult result = run_cached(tables, access(AccessKind::kWrite, kGva), caches);
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(result.references, 1u + 24u);
  EXPECT_EQ(run_cached(tables, access(AccessKind::kWrite, kGva), caches).references, 1u)
      << "the entries found stale were filled anew";
}

TEST(WalkCaches, AHitCarriesTheEptRightsOfTheTableItLeadsTo) {
  // The page of the last guest table is read-only. One entry in it is accessed, its neighbour not.
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.map(kGva + 0x1000);
  const std::uint64_t table = tables.guest_entry_gpa(kGva + 0x1000, 1);
  tables.clear(tables.ept_entry(table, 1), kW);
  tables.set(tables.guest_entry(kGva, 1), kA);
  ToyCaches caches;
  EXPECT_EQ(run_cached(tables, access(AccessKind::kRead, kGva), caches).outcome.kind,
            OutcomeKind::kTranslated);
  const CachedResult result = run_cached(tables, access(AccessKind::kRead, kGva + 0x1000), caches);
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(result.outcome.qualification, 0xabu);
  EXPECT_EQ(result.outcome.gpa, table);
}

TEST(WalkCaches, AStaleHitIsFollowed) {
  // The caches' point, and what an invalidation is for: memory is not asked where an entry hits.
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  ToyCaches caches;
  run_cached(tables, access(AccessKind::kRead, kGva), caches);
  tables.memory.put(tables.ept_entry(page.gpa, 1), 0);
  tables.memory.put(tables.guest_entry(kGva, 3), 0);
  EXPECT_EQ(run_cached(tables, access(AccessKind::kRead, kGva), caches).outcome.hpa, page.hpa);
}

TEST(WalkCaches, AWalkIsAValueThatMayBeCopiedAtAnyStep) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  const WalkContext context(tables.context);
  Walk walk(context, access(AccessKind::kRead, kGva));
  Answer answer;
  for (;;) {
    Walk copy = walk;
    const Step step = copy.next(answer);
    walk = copy;
    if (step.kind == StepKind::kDone) break;
    answer = {};
    if (step.kind == StepKind::kRead) answer.value = tables.memory.at(step.address);
    if (step.kind == StepKind::kCompareExchange) {
      answer.value =
          tables.memory.compare_exchange64(arch::Hpa(step.address), step.expected, step.desired);
    }
  }
  EXPECT_EQ(walk.outcome().hpa, page.hpa);
  EXPECT_EQ(walk.references(), 24u);
}

// --- Any mix of honest hits gives what no hits would ---------------------------------------------

void make_context(Random& random, WalkTables& tables) {
  Context& context = tables.context;
  if (random.one_in(2)) context.eptp |= tables.ept_levels() != 0 ? 1u << 6 : 0;
  if (tables.ept_levels() != 0) context.controls.mode_based_execute = random.one_in(3);
  context.cpu.advanced_exit_info = random.one_in(2);
  context.cpu.execute_only = !random.one_in(3);
  if (random.one_in(3)) context.cr0 &= ~(1ull << 16);
  for (const unsigned bit : {20u, 21u, 22u, 24u, 7u}) {
    if (random.one_in(3)) context.cr4 |= 1ull << bit;
  }
  context.pkru = static_cast<std::uint32_t>(random.next());
  context.pkrs = static_cast<std::uint32_t>(random.next());
  context.rflags_ac = random.one_in(2);
}

PageSize any_size(Random& random) {
  const PageSize sizes[] = {PageSize::k4K, PageSize::k4K, PageSize::k2M, PageSize::k1G};
  return sizes[random.next() % 4];
}

/// Changes a few entries of both dimensions: rights mostly, sometimes worse.
void plant_faults(Random& random, WalkTables& tables) {
  for (auto& [address, value] : tables.memory.words) {
    if (!random.one_in(12)) continue;
    switch (random.next() % 8) {
      case 0: value = 0; break;
      case 1: value &= ~kW; break;
      case 2: value &= ~kX; break;  // the guest's U/S
      case 3: value ^= kXu; break;
      case 4: value ^= kNx; break;
      case 5: value |= 1ull << 48; break;
      case 6: value &= ~(kR | kW); break;
      case 7: value ^= (random.next() & 15) << 59; break;
    }
  }
}

TEST(WalkCaches, AnyMixOfHonestHitsGivesTheOutcomeOfNone) {
  unsigned translated = 0, faults = 0, fewer = 0;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    Random random(seed);
    const unsigned guest_levels = random.one_in(8) ? 0 : random.one_in(3) ? 5 : 4;
    const unsigned ept_levels = guest_levels != 0 && random.one_in(8) ? 0
                                : random.one_in(3)                    ? 5
                                                                      : 4;
    WalkTables tables(guest_levels, ept_levels, seed);
    std::vector<std::uint64_t> pages;
    const std::uint64_t base = guest_levels == 0 ? 0 : (random.next() & 0x3fff'c000'0000) | 0x10;
    for (unsigned i = 0; i < 6; ++i) {
      // Neighbours in the last table, beside some that share upper levels only.
      const std::uint64_t gva = (base + (random.next() & 3) * 0x1000 +
                                 (random.next() & 1) * 0x40'0000 + i * 0x8000'0000ull) &
                                (guest_levels == 0 ? 0xffff'ffff : ~0ull);
      tables.map(gva, any_size(random), any_size(random), any_size(random));
      pages.push_back(gva);
      if (guest_levels != 0) {
        tables.map(gva + 0x40'0000'0000, PageSize::k4K, PageSize::k4K, any_size(random));
        pages.push_back(gva + 0x40'0000'0000);
      }
    }
    make_context(random, tables);
    if (!random.one_in(4)) plant_faults(random, tables);

    WalkTables uncached = tables;
    ToyCaches caches;
    const unsigned one_refused_in = 2 + static_cast<unsigned>(random.next() % 6);
    caches.admit = [&](const CachedEntry&) { return !random.one_in(one_refused_in); };
    for (unsigned i = 0; i < 40; ++i) {
      const AccessKind kinds[] = {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch,
                                  AccessKind::kReadModifyWrite};
      Request request =
          access(kinds[random.next() % 4], pages[random.next() % pages.size()], random.one_in(2));
      request.implicit = random.one_in(8);
      const TranslateResult expected = uncached.run(request);
      const CachedResult got = run_cached(tables, request, caches);
      ASSERT_EQ(describe(got.outcome), describe(expected.outcome))
          << "seed " << seed << " access " << i;
      ASSERT_EQ(tables.memory.words, uncached.memory.words) << "seed " << seed << " access " << i;
      (expected.outcome.kind == OutcomeKind::kTranslated ? translated : faults) += 1;
      fewer += got.references < expected.references;
    }
  }
  // The stimulus is worth something only if all of these happen often.
  EXPECT_GT(translated, 10'000u);
  EXPECT_GT(faults, 10'000u);
  EXPECT_GT(fewer, 10'000u);
}

}  // namespace
}  // namespace eptsim::mmu::test
