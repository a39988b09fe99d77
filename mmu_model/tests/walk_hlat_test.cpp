#include <gtest/gtest.h>

#include <utility>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// HLAT paging: which addresses it is for, and how it hands them back to ordinary paging.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kRestart = 1u << 11;
// One address in each half; both exist with 48 bits.
constexpr std::uint64_t kLower = 0x0000'5678'9abc'd010, kUpper = 0xffff'9678'9abc'd010;

/// A guest whose HLAT tables and ordinary tables map the same address to different pages.
struct HlatGuest {
  explicit HlatGuest(std::uint64_t address = kUpper, unsigned levels = 4,
                     PageSize hlat_page = PageSize::k4K, PageSize page = PageSize::k4K,
                     PageSize ept_page = PageSize::k4K)
      : gva(address), tables(levels, levels) {
    tables.context.controls.hlat = true;
    ordinary = tables.map(gva, page, ept_page);
    in_hlat([&] { hlat = tables.map(gva, hlat_page, ept_page); });
  }

  /// Does something to the HLAT tables as if they were CR3's.
  template <class Action>
  void in_hlat(Action action) {
    std::swap(tables.context.cr3, tables.context.hlat_pointer);
    action();
    std::swap(tables.context.cr3, tables.context.hlat_pointer);
  }
  std::uint64_t hlat_entry(unsigned level) {
    std::uint64_t entry = 0;
    in_hlat([&] { entry = tables.guest_entry(gva, level); });
    return entry;
  }
  TranslateResult run(AccessKind kind = AccessKind::kRead, bool user = false) {
    return tables.run(access(kind, gva, user));
  }

  std::uint64_t gva;
  WalkTables tables;
  PageAddress ordinary;
  PageAddress hlat;
};

TEST(WalkHlat, ThePrefixSizeChoosesTheAddresses) {
  for (const std::uint64_t gva : {kLower, kUpper}) {
    for (const unsigned size : {0u, 1u, 2u, 63u, 0x8000u}) {
      HlatGuest guest(gva);
      guest.tables.context.hlat_prefix_size = static_cast<std::uint16_t>(size);
      const TranslateResult result = guest.run();
      EXPECT_EQ(result.outcome.gpa,
                size == 0 || gva == kUpper ? guest.hlat.gpa : guest.ordinary.gpa);
      EXPECT_EQ(result.references, 24u);
      guest.tables.context.controls.hlat = false;
      EXPECT_EQ(guest.run().outcome.gpa, guest.ordinary.gpa);
    }
  }
}

TEST(WalkHlat, ReferencesInItsTablesAreToldApart) {
  HlatGuest guest;
  guest.tables.context.hlat_pointer |= 0x18;  // PWT and PCD are no part of the address
  const TranslateResult result = guest.run();
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  const std::vector<Reference>& references = guest.tables.recording.references;
  ASSERT_EQ(references.size(), 24u);
  for (unsigned i = 0; i < 24; ++i) EXPECT_EQ(references[i].place.hlat, i < 20) << i;
  EXPECT_EQ(references[4].address, guest.hlat_entry(4));
}

TEST(WalkHlat, ARestartTranslatesAnewFromCr3) {
  for (const unsigned levels : {4u, 5u}) {
    for (unsigned level = 1; level <= levels; ++level) {
      HlatGuest guest(kUpper, levels);
      guest.tables.set(guest.hlat_entry(level), kRestart);
      const TranslateResult result = guest.run(AccessKind::kWrite);
      EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
      EXPECT_EQ(result.outcome.gpa, guest.ordinary.gpa);
      const unsigned whole = (levels + 1) * (levels + 1) - 1;
      EXPECT_EQ(result.references, (levels + 1 - level) * (levels + 1) + whole);
      if (level == 1) {
        EXPECT_EQ(result.references, levels == 4 ? 20u + 24u : 30u + 35u);
      }
      unsigned in_hlat = 0;
      for (const Reference& reference : guest.tables.recording.references) {
        in_hlat += reference.place.hlat;
      }
      EXPECT_EQ(in_hlat, result.references - whole);
      // The entry that restarts was used: accessed, but never dirty.
      EXPECT_EQ(guest.tables.memory.at(guest.hlat_entry(level)) & (kA | kD), kA);
      EXPECT_EQ(guest.tables.memory.at(guest.tables.guest_entry(kUpper, 1)) & (kA | kD), kA | kD);
    }
  }
}

TEST(WalkHlat, AnEntryOfALargePageMayRestart) {
  HlatGuest guest(kUpper, 4, PageSize::k2M);
  guest.tables.set(guest.hlat_entry(2), kRestart);
  const TranslateResult result = guest.run(AccessKind::kWrite);
  EXPECT_EQ(result.outcome.gpa, guest.ordinary.gpa);
  EXPECT_EQ(result.references, 15u + 24u);
  EXPECT_EQ(guest.tables.memory.at(guest.hlat_entry(2)) & (kA | kD), kA);
}

TEST(WalkHlat, ARestartDropsTheRightsOfTheHlatTables) {
  HlatGuest guest;
  guest.tables.clear(guest.hlat_entry(3), kGuestW | kU);
  guest.tables.set(guest.hlat_entry(2), kNx);
  EXPECT_EQ(guest.run(AccessKind::kWrite, true).outcome.error_code, 7u);
  guest.tables.set(guest.hlat_entry(1), kRestart);
  const TranslateResult result = guest.run(AccessKind::kWrite, true);
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
  EXPECT_EQ(result.outcome.guest_rights, GuestRights{});
  // And those of CR3's tables count.
  guest.tables.clear(guest.tables.guest_entry(kUpper, 4), kU);
  EXPECT_EQ(guest.run(AccessKind::kRead, true).outcome.error_code, 5u) << "without bit 7";
}

TEST(WalkHlat, NoLargerPageIsCachedThanTheRestartingEntryCovers) {
  const std::pair<unsigned, PageSize> cases[] = {
      {4, PageSize::k1G}, {3, PageSize::k1G}, {2, PageSize::k2M}, {1, PageSize::k4K}};
  for (const auto& [level, size] : cases) {
    HlatGuest guest(kUpper, 4, PageSize::k4K, PageSize::k1G, PageSize::k1G);
    guest.tables.set(guest.hlat_entry(level), kRestart);
    const Outcome outcome = guest.run().outcome;
    EXPECT_EQ(outcome.page_size, size);
    EXPECT_EQ(outcome.guest_page_size, PageSize::k1G);
    EXPECT_EQ(outcome.ept_page_size, PageSize::k1G);
  }
}

TEST(WalkHlat, AbsentAndMalformedEntriesAreToldAsOfHlat) {
  for (unsigned level = 1; level <= 4; ++level) {
    HlatGuest guest;
    guest.tables.memory.put(guest.hlat_entry(level), kRestart);
    TranslateResult result = guest.run(AccessKind::kWrite, true);
    EXPECT_EQ(result.outcome.reason, Reason::kGuestNotPresent);
    EXPECT_EQ(result.outcome.error_code, 0x86u);
    EXPECT_EQ(result.outcome.place,
              (Place{.guest_level = static_cast<std::uint8_t>(level), .hlat = true}));
    guest.tables.memory.put(guest.hlat_entry(level), kRestart | kP | 1ull << 48);
    result = guest.run();
    EXPECT_EQ(result.outcome.reason, Reason::kGuestReservedBit);
    EXPECT_EQ(result.outcome.error_code, 0x89u);
    EXPECT_EQ(result.references, 5 * (5 - level));
  }
}

TEST(WalkHlat, MissingRightsAndWhatComesAfterARestartAreNot) {
  HlatGuest guest;
  guest.tables.clear(guest.hlat_entry(1), kGuestW);
  EXPECT_EQ(guest.run(AccessKind::kWrite).outcome.error_code, 3u);
  guest.tables.set(guest.hlat_entry(2), kRestart);
  guest.tables.memory.put(guest.tables.guest_entry(kUpper, 2), 0);
  const Outcome outcome = guest.run().outcome;
  EXPECT_EQ(outcome.reason, Reason::kGuestNotPresent);
  EXPECT_EQ(outcome.error_code, 0u);
  EXPECT_EQ(outcome.place, (Place{2, 0}));
}

TEST(WalkHlat, OrdinaryTablesDoNotRestart) {
  HlatGuest guest;
  guest.tables.set(guest.hlat_entry(4), kRestart);
  for (unsigned level = 1; level <= 4; ++level) {
    guest.tables.set(guest.tables.guest_entry(kUpper, level), kRestart);
  }
  EXPECT_EQ(guest.run().outcome.gpa, guest.ordinary.gpa);
  EXPECT_EQ(guest.tables.recording.references.size(), 5u + 24u);
}

TEST(WalkHlat, AViolationOnAnHlatTableIsOneOnAPagingStructure) {
  HlatGuest guest;
  std::uint64_t table = 0;
  guest.in_hlat([&] { table = guest.tables.guest_entry_gpa(kUpper, 2); });
  guest.tables.clear(guest.tables.ept_entry(table, 1), kW);
  const Outcome outcome = guest.run().outcome;
  EXPECT_EQ(outcome.qualification, 0xabu);
  EXPECT_EQ(outcome.gpa, table);
  EXPECT_EQ(outcome.place, (Place{.guest_level = 2, .ept_level = 1, .hlat = true}));
}

TEST(WalkHlat, AnEntryThatChangesUnderItsSwapRestartsOrNotAsFound) {
  for (const bool becomes : {true, false}) {
    HlatGuest guest;
    const std::uint64_t entry = guest.hlat_entry(2);
    if (!becomes) guest.tables.set(entry, kRestart);
    const std::uint64_t changed = guest.tables.memory.at(entry) ^ kRestart;
    guest.tables.memory.before_swap = [&](std::uint64_t address) {
      if (address == entry && (guest.tables.memory.at(entry) & kA) == 0) {
        guest.tables.memory.put(entry, changed);
      }
    };
    const TranslateResult result = guest.run();
    EXPECT_EQ(result.outcome.gpa, becomes ? guest.ordinary.gpa : guest.hlat.gpa);
    EXPECT_EQ(result.references, becomes ? 15u + 24u : 24u);
  }
}

TEST(WalkHlat, ALeafThatComesToRestartUnderItsDirtySwapIsNotMadeDirty) {
  HlatGuest guest;
  const std::uint64_t leaf = guest.hlat_entry(1);
  guest.tables.set(leaf, kA);
  guest.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == leaf) guest.tables.set(leaf, kRestart);
  };
  const TranslateResult result = guest.run(AccessKind::kWrite);
  EXPECT_EQ(result.outcome.gpa, guest.ordinary.gpa);
  EXPECT_EQ(result.references, 44u);
  EXPECT_EQ(guest.tables.memory.at(leaf) & kD, 0u);
}

TEST(WalkHlat, VerificationForgetsTheHlatTablesAtARestart) {
  constexpr std::uint64_t kVgp = 1ull << 57, kPw = 1ull << 58;
  for (const bool restarts : {true, false}) {
    HlatGuest guest;
    guest.tables.context.controls.paging_write = true;
    guest.tables.context.controls.guest_paging_verification = true;
    guest.tables.set(guest.tables.ept_entry(guest.ordinary.gpa, 1), kVgp);
    guest.tables.set(guest.tables.ept_entry(guest.hlat.gpa, 1), kVgp);
    for (unsigned level = 1; level <= 4; ++level) {
      const std::uint64_t table = guest.tables.guest_entry_gpa(kUpper, level);
      guest.tables.set(guest.tables.ept_entry(table, 1), kPw);
    }
    if (restarts) guest.tables.set(guest.hlat_entry(1), kRestart);
    const Outcome outcome = guest.run().outcome;
    EXPECT_EQ(outcome.kind, restarts ? OutcomeKind::kTranslated : OutcomeKind::kEptViolation);
    EXPECT_EQ(outcome.qualification, restarts ? 0u : 0x81b9u);
  }
}

TEST(WalkHlat, CombinedEntriesStandForHlatTablesAlone) {
  HlatGuest guest;
  const std::uint64_t neighbour = kUpper ^ 0x1000;
  guest.tables.map(neighbour);
  PageAddress in_hlat;
  guest.in_hlat([&] { in_hlat = guest.tables.map(neighbour); });
  guest.tables.set(guest.hlat_entry(1), kRestart);
  ToyCaches caches;
  // The address restarts: of its walk in CR3's tables nothing may answer its neighbour's.
  EXPECT_EQ(run_cached(guest.tables, access(AccessKind::kRead, kUpper), caches).outcome.gpa,
            guest.ordinary.gpa);
  EXPECT_EQ(run_cached(guest.tables, access(AccessKind::kRead, neighbour), caches).outcome.gpa,
            in_hlat.gpa);
  caches.admit = [](const CachedEntry& entry) { return entry.kind == LookupKind::kCombined; };
  const CachedResult hit = run_cached(guest.tables, access(AccessKind::kRead, neighbour), caches);
  EXPECT_EQ(hit.outcome.gpa, in_hlat.gpa);
  EXPECT_EQ(hit.references, 5u);
  const CachedResult again = run_cached(guest.tables, access(AccessKind::kRead, kUpper), caches);
  EXPECT_EQ(again.outcome.gpa, guest.ordinary.gpa);
  EXPECT_EQ(again.references, 1u + 24u) << "the restarting entry, and then all of CR3's tables";
}

}  // namespace
}  // namespace eptsim::mmu::test
