#include <gtest/gtest.h>

#include <functional>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// EPT paging-write control, and guest-paging verification, which rests on it.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x1234'5678'9ab8;
constexpr std::uint64_t kVgp = 1ull << 57, kPw = 1ull << 58;  // EPT leaf

struct Guest {
  explicit Guest(bool ept_flags = false, PageSize ept_page = PageSize::k4K) : tables(4, 4) {
    if (ept_flags) tables.context.eptp |= 1u << 6;
    tables.context.controls.paging_write = true;
    page = tables.map(kGva, PageSize::k4K, ept_page, ept_page);
  }
  /// The EPT entry of `level` for the page of the guest table of `guest_level`; 0: the page itself.
  std::uint64_t ept(unsigned guest_level, unsigned level = 1) const {
    return tables.ept_entry(guest_level == 0 ? page.gpa : tables.guest_entry_gpa(kGva, guest_level),
                            level);
  }
  TranslateResult run(AccessKind kind = AccessKind::kRead) {
    return tables.run(access(kind, kGva));
  }
  WalkTables tables;
  PageAddress page;
};

void expect_ok(const TranslateResult& result) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
}
void expect_violation(const TranslateResult& result, std::uint64_t qualification) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation) << describe(result.outcome);
  EXPECT_EQ(result.outcome.qualification, qualification);
}

TEST(WalkPagingWrite, AReadOnlyPageOfAGuestTableMayBeWrittenByWalksAlone) {
  for (const bool ept_flags : {false, true}) {
    for (unsigned level = 1; level <= 4; ++level) {
      Guest guest(ept_flags);
      guest.tables.clear(guest.ept(level), kW);
      expect_violation(guest.run(), 0xab);
      guest.tables.set(guest.ept(level), kPw);
      expect_ok(guest.run(AccessKind::kWrite));
      EXPECT_EQ(guest.tables.memory.at(guest.tables.guest_entry(kGva, level)) & kA, kA);
      EXPECT_EQ(guest.tables.memory.at(guest.ept(level)) & (kEptA | kEptD),
                ept_flags ? kEptA | kEptD : 0u);
      guest.tables.context.controls.paging_write = false;
      if (ept_flags) {
        expect_violation(guest.run(), 0xab);
      } else {
        expect_ok(guest.run());  // no flag is missing any more
      }
    }
  }
}

TEST(WalkPagingWrite, LargePagesAreRescuedToo) {
  for (const PageSize size : {PageSize::k2M, PageSize::k1G}) {
    Guest guest(true, size);
    const unsigned leaf = arch::leaf_level(size);
    guest.tables.clear(guest.ept(2, leaf), kW);
    guest.tables.set(guest.ept(2, leaf), kPw);
    expect_ok(guest.run());
  }
}

TEST(WalkPagingWrite, EntriesAboveTheLeafStillNeedW) {
  for (unsigned level = 2; level <= 4; ++level) {
    Guest guest;
    guest.tables.set(guest.ept(1), kPw);
    guest.tables.set(guest.ept(1, level), kPw);
    guest.tables.clear(guest.ept(1, level), kW);
    const TranslateResult result = guest.run();
    expect_violation(result, 0xab);
    EXPECT_EQ(result.outcome.place, (Place{1, static_cast<std::uint8_t>(level)}));
  }
}

TEST(WalkPagingWrite, TheAccessItselfIsNotRescued) {
  Guest guest(true);
  guest.tables.clear(guest.ept(0), kW);
  guest.tables.set(guest.ept(0), kPw);
  expect_violation(guest.run(AccessKind::kWrite), 0x1aa);
  EXPECT_EQ(guest.tables.memory.at(guest.ept(0)) & (kEptA | kEptD), 0u);
}

TEST(WalkPagingWrite, APageWithoutRMisconfiguresWithTheBit) {
  for (const PageSize size : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
    const unsigned leaf = arch::leaf_level(size);
    Guest guest(false, size);
    guest.tables.clear(guest.ept(0, leaf), kR | kW);
    expect_ok(guest.run(AccessKind::kFetch));
    guest.tables.set(guest.ept(0, 4), kPw);  // leads to a table: ignored
    expect_ok(guest.run(AccessKind::kFetch));
    guest.tables.set(guest.ept(0, leaf), kPw);
    const TranslateResult result = guest.run(AccessKind::kFetch);
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptMisconfiguration);
    EXPECT_EQ(result.outcome.reason, Reason::kEptPagingWriteWithoutRead);
    guest.tables.context.controls.paging_write = false;
    expect_ok(guest.run(AccessKind::kFetch));
  }
}

TEST(WalkPagingWrite, AWriteThatIsRescuedIsLogged) {
  Guest guest(true);
  guest.tables.context.controls.pml = true;
  guest.tables.context.pml_address = 0x9000;
  guest.tables.context.pml_index = 100;
  guest.tables.clear(guest.ept(4), kW);
  guest.tables.set(guest.ept(4), kPw);
  EXPECT_EQ(guest.run().pml_index, 96);
  EXPECT_EQ(guest.tables.memory.at(0x9000 + 800),
            guest.tables.guest_entry_gpa(kGva, 4) & ~0xfffull);
}

TEST(WalkPagingWrite, ALeafThatLosesTheBitUnderItsSwapIsAViolation) {
  Guest guest(true);
  guest.tables.clear(guest.ept(3), kW);
  guest.tables.set(guest.ept(3), kPw);
  const std::uint64_t leaf = guest.ept(3);
  guest.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == leaf) guest.tables.clear(leaf, kPw);
  };
  expect_violation(guest.run(), 0xab);
  EXPECT_EQ(guest.tables.memory.at(leaf) & (kEptA | kEptD), 0u);
}

TEST(WalkPagingWrite, AHitCarriesTheBitOfTheTableItLeadsTo) {
  // Neighbours in the last table, whose page is read-only: the one's flags are set by its walk, the
  // other's through the caches.
  for (const bool rescued : {true, false}) {
    Guest guest;
    guest.tables.map(kGva ^ 0x1000);
    guest.tables.set(guest.tables.guest_entry(kGva, 1), kA);
    guest.tables.clear(guest.ept(1), kW);
    if (rescued) guest.tables.set(guest.ept(1), kPw);
    ToyCaches caches;
    run_cached(guest.tables, access(AccessKind::kRead, kGva), caches);
    for (const LookupKind only : {LookupKind::kCombined, LookupKind::kNestedTlb}) {
      caches.admit = [only](const CachedEntry& entry) { return entry.kind == only; };
      const CachedResult result =
          run_cached(guest.tables, access(AccessKind::kRead, kGva ^ 0x1000), caches);
      EXPECT_EQ(result.outcome.kind,
                rescued ? OutcomeKind::kTranslated : OutcomeKind::kEptViolation);
      EXPECT_EQ(result.references > 20, !rescued) << "asked again, without the caches";
      guest.tables.clear(guest.tables.guest_entry(kGva ^ 0x1000, 1), kA);
    }
  }
}

// --- Guest-paging verification -------------------------------------------------------------------

struct VerifiedGuest : Guest {
  explicit VerifiedGuest(PageSize ept_page = PageSize::k4K) : Guest(false, ept_page) {
    tables.context.controls.guest_paging_verification = true;
    const unsigned leaf = arch::leaf_level(ept_page);
    for (unsigned level = 1; level <= 4; ++level) tables.set(ept(level, leaf), kPw);
    tables.set(ept(0, leaf), kVgp);
  }
};

TEST(WalkPagingVerification, EveryGuestEntryMustLieInAPageWithPagingWriteAccess) {
  for (const PageSize size : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
    for (unsigned level = 1; level <= 4; ++level) {
      VerifiedGuest guest(size);
      const unsigned leaf = arch::leaf_level(size);
      expect_ok(guest.run(AccessKind::kWrite));
      guest.tables.clear(guest.ept(level, leaf), kPw);
      const TranslateResult result = guest.run(AccessKind::kWrite);
      expect_violation(result, 0x81ba);
      EXPECT_EQ(result.outcome.reason, Reason::kEptPagingVerification);
      EXPECT_EQ(result.outcome.gpa, guest.page.gpa);
      EXPECT_EQ(result.outcome.place, (Place{0, static_cast<std::uint8_t>(leaf)}));
      EXPECT_EQ(result.references, 24 - 5 * (leaf - 1));
      expect_violation(guest.run(AccessKind::kFetch), 0x81bc);
      guest.tables.clear(guest.ept(0, leaf), kVgp);
      expect_ok(guest.run());
    }
  }
}

TEST(WalkPagingVerification, BothControlsAreNeeded) {
  VerifiedGuest guest;
  guest.tables.clear(guest.ept(2), kPw);
  guest.tables.context.controls.guest_paging_verification = false;
  expect_ok(guest.run());
  guest.tables.context.controls.guest_paging_verification = true;
  guest.tables.context.controls.paging_write = false;
  expect_ok(guest.run());
}

TEST(WalkPagingVerification, OnlyTheFinalPageAsksForIt) {
  VerifiedGuest guest;
  guest.tables.clear(guest.ept(0), kVgp);
  for (unsigned level = 1; level <= 4; ++level) {
    guest.tables.set(guest.ept(level), kVgp);
    guest.tables.clear(guest.ept(level), kPw);
  }
  expect_ok(guest.run());
}

TEST(WalkPagingVerification, WhatElseIsRefusedIsToldFirst) {
  VerifiedGuest guest;
  guest.tables.clear(guest.ept(2), kPw);
  guest.tables.clear(guest.ept(0), kW);
  expect_violation(guest.run(AccessKind::kWrite), 0x1aa);
  guest.tables.clear(guest.tables.guest_entry(kGva, 1), kGuestW);
  EXPECT_EQ(guest.run(AccessKind::kWrite).outcome.kind, OutcomeKind::kPageFault);
}

TEST(WalkPagingVerification, AFailureLeavesTheFlagsOfThePageAlone) {
  VerifiedGuest guest;
  guest.tables.context.eptp |= 1u << 6;
  guest.tables.clear(guest.ept(2), kPw);
  expect_violation(guest.run(), 0x81b9);
  EXPECT_EQ(guest.tables.memory.at(guest.ept(0)) & (kEptA | kEptD), 0u);
  EXPECT_EQ(guest.tables.memory.at(guest.ept(2)) & (kEptA | kEptD), kEptA | kEptD);
}

TEST(WalkPagingVerification, WithoutGuestPagingItNeverFails) {
  for (const bool linear : {true, false}) {
    WalkTables tables(0, 4);
    tables.context.controls.paging_write = true;
    tables.context.controls.guest_paging_verification = true;
    const PageAddress page = tables.map(0x1234'5678);
    tables.set(tables.ept_entry(page.gpa, 1), kVgp);
    Request request = access(AccessKind::kRead, page.gva);
    request.linear = linear;
    expect_ok(tables.run(request));
  }
  VerifiedGuest guest;
  guest.tables.clear(guest.ept(4), kPw);
  Request request = access(AccessKind::kRead, guest.page.gpa);
  request.linear = false;
  expect_ok(guest.tables.run(request));
}

TEST(WalkPagingVerification, ATableThatMovesUnderAGuestFlagsSwapCounts) {
  // The entry of level 2 comes to lead to a table in a page without paging-write access.
  VerifiedGuest guest;
  const std::uint64_t other = kGva ^ 0x20'0000;
  const PageAddress page = guest.tables.map(other);
  guest.tables.set(guest.tables.ept_entry(page.gpa, 1), kVgp);
  const std::uint64_t entry = guest.tables.guest_entry(kGva, 2);
  const std::uint64_t moved = guest.tables.memory.at(guest.tables.guest_entry(other, 2));
  guest.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address != entry) return;
    guest.tables.memory.put(entry, moved);
    guest.tables.memory.before_swap = nullptr;
  };
  const TranslateResult result = guest.run();
  expect_violation(result, 0x81b9);
  EXPECT_EQ(result.outcome.gpa, page.gpa);
}

TEST(WalkPagingVerification, HitsRememberWhatTheSkippedEntriesLacked) {
  for (unsigned lacking = 0; lacking <= 4; ++lacking) {
    VerifiedGuest guest;
    if (lacking != 0) guest.tables.clear(guest.ept(lacking), kPw);
    // The neighbour's page doesn't ask, so the walk to it fills the caches.
    const PageAddress other = guest.tables.map(kGva ^ 0x1000);
    ToyCaches caches;
    run_cached(guest.tables, access(AccessKind::kRead, other.gva), caches);
    for (unsigned level = 2; level <= 4; ++level) {
      caches.admit = [level](const CachedEntry& entry) {
        return entry.kind == LookupKind::kCombined && entry.level == level;
      };
      const CachedResult result = run_cached(guest.tables, access(AccessKind::kRead, kGva), caches);
      if (lacking == 0) {
        EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
        EXPECT_EQ(result.references, 5 * (level - 1));
      } else {
        EXPECT_EQ(result.outcome.qualification, 0x81b9u) << lacking << ' ' << level;
        EXPECT_EQ(result.references, 5 * (level - 1) + 24) << "asked again, without the caches";
      }
    }
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
