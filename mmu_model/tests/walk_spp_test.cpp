#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Sub-page write permissions: which writes they can rescue, and what their tables may say.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x1234'5678'9000;
constexpr std::uint64_t kSpp = 1ull << 61;  // EPT leaf
constexpr std::uint64_t kRoot = 0x5'0000'1000;

/// A guest whose page at kGva the EPT maps read-only but for its sub-pages.
struct SppGuest {
  explicit SppGuest(unsigned guest_levels = 4, std::uint64_t address = kGva,
                    unsigned ept_levels = 4)
      : tables(guest_levels, ept_levels), gva(address) {
    tables.context.controls.sub_page_permission = true;
    tables.context.sppt_pointer = kRoot;
    page = tables.map(gva);
    ept_leaf = tables.ept_entry(page.gpa, 1);
    protect(page.gpa);
    for (unsigned level = 4; level >= 2; --level) {
      tables.memory.put(entry(level), (kRoot + (5 - level) * 0x1000) | 1);
    }
  }
  void protect(std::uint64_t gpa) {
    const std::uint64_t leaf = tables.ept_entry(gpa, 1);
    tables.clear(leaf, kW);
    tables.set(leaf, kSpp);
  }
  /// Of the SPP entry for the page; level 1 is the vector's. Each level has one table.
  std::uint64_t entry(unsigned level) const {
    return kRoot + (4 - level) * 0x1000 + (page.gpa >> (12 + 9 * (level - 1)) & 511) * 8;
  }
  void allow(std::uint64_t sub_pages) {
    std::uint64_t vector = 0;
    for (unsigned s = 0; s < 32; ++s) vector |= (sub_pages >> s & 1) << (2 * s);
    tables.memory.put(entry(1), vector);
  }
  TranslateResult run(std::uint64_t offset, std::uint8_t size = 1,
                      AccessKind kind = AccessKind::kWrite) {
    Request request = access(kind, gva + offset);
    request.size = size;
    return tables.run(request);
  }

  WalkTables tables;
  std::uint64_t gva;
  PageAddress page;
  std::uint64_t ept_leaf = 0;
};

void expect_ok(const TranslateResult& result) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
}
void expect_violation(const TranslateResult& result, std::uint64_t qualification) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation) << describe(result.outcome);
  EXPECT_EQ(result.outcome.qualification, qualification);
}

TEST(WalkSpp, AWriteIsAllowedSubPageBySubPage) {
  for (unsigned allowed = 0; allowed < 32; ++allowed) {
    SppGuest guest;
    guest.allow(1ull << allowed);
    for (unsigned s = 0; s < 32; ++s) {
      for (const unsigned offset : {0u, 127u}) {
        const TranslateResult result = guest.run(128 * s + offset);
        if (s == allowed) {
          expect_ok(result);
          EXPECT_EQ(result.outcome.gpa, guest.page.gpa + 128 * s + offset);
          EXPECT_FALSE(result.outcome.ept_rights.write) << "no TLB entry lets another write in";
        } else {
          expect_violation(result, 0x1aa);
          EXPECT_EQ(result.outcome.reason, Reason::kEptNotWritable);
        }
        EXPECT_EQ(result.references, 28u);
      }
    }
  }
}

TEST(WalkSpp, TheTablesAreReadAfterTheEptRootFirst) {
  SppGuest guest;
  guest.allow(~0ull);
  guest.run(0);
  const std::vector<Reference>& references = guest.tables.recording.references;
  ASSERT_EQ(references.size(), 28u);
  for (unsigned level = 4; level >= 1; --level) {
    const Reference& reference = references[28 - level];
    EXPECT_EQ(reference.place, (Place{.spp_level = static_cast<std::uint8_t>(level)}));
    EXPECT_EQ(reference.address, guest.entry(level));
  }
}

TEST(WalkSpp, AWriteOfSeveralSubPagesNeedsAll) {
  SppGuest guest;
  guest.allow(0b0110);  // bytes 128 to 383
  expect_ok(guest.run(128, 64));
  expect_ok(guest.run(250, 12));
  expect_ok(guest.run(383, 1));
  expect_violation(guest.run(383, 2), 0x1aa);
  expect_violation(guest.run(127, 2), 0x1aa);
  expect_violation(guest.run(100, 64), 0x1aa);
}

TEST(WalkSpp, AnEntryThatIsNotValidIsAMiss) {
  for (unsigned level = 2; level <= 4; ++level) {
    SppGuest guest;
    guest.tables.memory.put(guest.entry(level), ~1ull);  // reserved bits do not count then
    const TranslateResult result = guest.run(0x123);
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kSppEvent);
    EXPECT_EQ(result.outcome.reason, Reason::kSppMiss);
    EXPECT_EQ(result.outcome.qualification, 0x800u);
    EXPECT_EQ(result.outcome.gpa, guest.page.gpa + 0x123);
    EXPECT_TRUE(result.outcome.linear_valid);
    EXPECT_EQ(result.outcome.place, (Place{.spp_level = static_cast<std::uint8_t>(level)}));
    EXPECT_EQ(result.outcome.entry_address, guest.entry(level));
    EXPECT_EQ(result.references, 24u + 5 - level);
  }
}

TEST(WalkSpp, ReservedBitsMisconfigureAValidEntry) {
  for (unsigned level = 2; level <= 4; ++level) {
    for (unsigned bit = 1; bit < 64; ++bit) {
      if (bit >= 12 && bit < 46) continue;
      SppGuest guest;
      guest.tables.set(guest.entry(level), 1ull << bit);
      const TranslateResult result = guest.run(0);
      EXPECT_EQ(result.outcome.kind, OutcomeKind::kSppEvent) << bit;
      EXPECT_EQ(result.outcome.reason, Reason::kSppMisconfiguration);
      EXPECT_EQ(result.outcome.qualification, 0u);
    }
  }
}

TEST(WalkSpp, AnOddBitOfTheVectorMisconfiguresIt) {
  for (unsigned bit = 1; bit < 64; bit += 2) {
    SppGuest guest;
    guest.allow(~0ull);
    guest.tables.set(guest.entry(1), 1ull << bit);
    const TranslateResult result = guest.run(0);
    EXPECT_EQ(result.outcome.reason, Reason::kSppMisconfiguration) << bit;
    EXPECT_EQ(result.references, 28u);
  }
}

TEST(WalkSpp, OnlyAMissingWOnASmallPageIsRescued) {
  const auto refused = [](auto change, std::uint64_t qualification,
                          AccessKind kind = AccessKind::kWrite) {
    SppGuest guest;
    guest.allow(~0ull);
    change(guest);
    const TranslateResult result = guest.run(0, 1, kind);
    expect_violation(result, qualification);
    EXPECT_EQ(result.references, 24u) << "the tables are not asked";
  };
  refused([](SppGuest& g) { g.tables.context.controls.sub_page_permission = false; }, 0x1aa);
  refused([](SppGuest& g) { g.tables.clear(g.ept_leaf, kSpp); }, 0x1aa);
  refused([](SppGuest& g) { g.tables.clear(g.ept_leaf, kR); }, 0x1a2);
  refused([](SppGuest& g) { g.tables.clear(g.tables.ept_entry(g.page.gpa, 3), kR | kW); }, 0x1a2);
  refused([](SppGuest& g) { g.tables.clear(g.ept_leaf, kX); }, 0x18c, AccessKind::kFetch);

  SppGuest large;
  large.allow(~0ull);
  // Bit 61 of an entry that maps 2 MiB is ignored.
  large.tables.memory.put(large.tables.ept_entry(large.page.gpa, 2),
                          kSpp | kR | kX | kLarge | kTypeWb);
  expect_violation(large.run(0), 0x1aa);
}

TEST(WalkSpp, WMayBeMissingAtAnyLevel) {
  for (unsigned level = 2; level <= 4; ++level) {
    SppGuest guest;
    guest.allow(1);
    guest.tables.clear(guest.tables.ept_entry(guest.page.gpa, level), kW);
    expect_ok(guest.run(0));
    guest.tables.set(guest.ept_leaf, kW);
    expect_ok(guest.run(0));
    expect_violation(guest.run(128), 0x1aa);
  }
}

TEST(WalkSpp, AReadModifyWriteIsAWriteToo) {
  SppGuest guest;
  guest.allow(1);
  expect_ok(guest.run(0, 8, AccessKind::kReadModifyWrite));
  expect_violation(guest.run(128, 8, AccessKind::kReadModifyWrite), 0x1ab);
  EXPECT_EQ(guest.run(128, 8, AccessKind::kRead).references, 24u);
}

TEST(WalkSpp, UpdatesOfGuestTablesAreNeverRescued) {
  for (const bool ept_flags : {false, true}) {
    SppGuest guest;
    if (ept_flags) guest.tables.context.eptp |= 1u << 6;
    guest.allow(~0ull);
    guest.protect(guest.tables.guest_entry_gpa(kGva, 1));
    const TranslateResult result = guest.run(0);
    expect_violation(result, 0xab);
    for (const Reference& reference : guest.tables.recording.references) {
      EXPECT_EQ(reference.place.spp_level, 0);
    }
  }
}

TEST(WalkSpp, ARescuedWriteIsMarkedAndLogged) {
  SppGuest guest(0, 0x1234'5000);
  guest.tables.context.eptp |= 1u << 6;
  guest.tables.context.controls.pml = true;
  guest.tables.context.pml_address = 0x9000;
  guest.allow(1);
  const TranslateResult result = guest.run(0);
  expect_ok(result);
  EXPECT_EQ(guest.tables.memory.at(guest.ept_leaf) & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_EQ(guest.tables.memory.at(0x9000 + 511 * 8), 0x1234'5000u);
  EXPECT_EQ(result.pml_index, 510);
  EXPECT_EQ(result.references, 8u);

  SppGuest refused(0, 0x1234'5000);
  refused.tables.context.eptp |= 1u << 6;
  expect_violation(refused.run(0), 0x1aa);
  EXPECT_TRUE(refused.tables.recording.writes.empty());
}

TEST(WalkSpp, AddressBitsAbove47PlayNoPart) {
  SppGuest guest(0, 0x1000, 5);
  guest.tables.context.cpu.maxphyaddr = 52;
  constexpr std::uint64_t kGpa = 0xf'1234'5678'9000;
  guest.tables.map_ept(kGpa, 0x7000, PageSize::k4K);
  guest.protect(kGpa);
  guest.page.gpa = kGpa & 0xffff'ffff'ffff;
  for (unsigned level = 4; level >= 2; --level) {
    guest.tables.memory.put(guest.entry(level), (kRoot + (5 - level) * 0x1000) | 1);
  }
  guest.allow(1);
  Request request = access(AccessKind::kWrite, kGpa);
  request.linear = false;
  expect_ok(guest.tables.run(request));
  guest.tables.memory.put(guest.entry(3), 0);
  const TranslateResult miss = guest.tables.run(request);
  EXPECT_EQ(miss.outcome.kind, OutcomeKind::kSppEvent);
  EXPECT_FALSE(miss.outcome.linear_valid);
}

TEST(WalkSpp, ACrossingWriteIsAskedForInEachPage) {
  SppGuest guest;
  guest.tables.map(kGva + 0x1000);
  guest.allow(1ull << 31);
  expect_ok(guest.run(0xff8, 16));
  guest.allow(1ull << 30);
  const TranslateResult lower = guest.run(0xff8, 16);
  expect_violation(lower, 0x1aa);
  EXPECT_EQ(lower.references, 28u) << "the upper page is not translated";

  SppGuest upper;
  upper.tables.map(kGva - 0x1000);
  upper.allow(2);  // the write ends in sub-page 0
  Request request = access(AccessKind::kWrite, kGva - 8);
  request.size = 16;
  const TranslateResult refused = upper.tables.run(request);
  expect_violation(refused, 0x1aa);
  EXPECT_EQ(refused.address, kGva);
  EXPECT_EQ(refused.references, 24u + 28u);
}

TEST(WalkSpp, ALeafThatChangesUnderItsSwapIsAskedForAgain) {
  constexpr std::uint64_t kIgnored = 1ull << 52;
  SppGuest guest(0, 0x1234'5000);
  guest.tables.context.eptp |= 1u << 6;
  guest.allow(1);
  guest.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == guest.ept_leaf) guest.tables.set(guest.ept_leaf, kIgnored);
    if (address == guest.ept_leaf) guest.tables.memory.before_swap = nullptr;
  };
  const TranslateResult result = guest.run(0);
  expect_ok(result);
  EXPECT_EQ(result.references, 4u + 4u + 4u);

  SppGuest lost(0, 0x1234'5000);
  lost.tables.context.eptp |= 1u << 6;
  lost.allow(1);
  lost.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == lost.ept_leaf) lost.tables.clear(lost.ept_leaf, kSpp);
  };
  expect_violation(lost.run(0), 0x1aa);
  EXPECT_EQ(lost.tables.memory.at(lost.ept_leaf) & kEptD, 0u);
}

TEST(WalkSpp, AnAccessItAllowsIsStillVerified) {
  SppGuest guest;
  guest.allow(1);
  guest.tables.context.controls.paging_write = true;
  guest.tables.context.controls.guest_paging_verification = true;
  guest.tables.set(guest.ept_leaf, 1ull << 57);
  const TranslateResult result = guest.run(0);
  expect_violation(result, 0x81aa);
  EXPECT_EQ(result.references, 28u);
}

TEST(WalkSpp, UserShadowStacksMayBeRescuedSupervisorOnesHaveARightOfTheirOwn) {
  for (const bool user : {true, false}) {
    SppGuest guest;
    guest.allow(1);
    guest.tables.context.cr4 |= 1u << 23;
    guest.tables.context.cpu.supervisor_shadow_stack = true;
    guest.tables.context.eptp |= 1u << 7;
    const std::uint64_t leaf = guest.tables.guest_entry(kGva, 1);
    guest.tables.clear(leaf, kGuestW | (user ? 0 : kU));
    guest.tables.set(leaf, kD);
    const TranslateResult result =
        guest.tables.run(access(AccessKind::kShadowStackWrite, kGva, user));
    EXPECT_EQ(result.outcome.kind, user ? OutcomeKind::kTranslated : OutcomeKind::kEptViolation);
    EXPECT_EQ(result.references, user ? 28u : 24u);
  }
}

TEST(WalkSpp, BehindAHitTheTablesAreAskedAndARefusalStartsAnew) {
  SppGuest guest;
  guest.allow(1);
  ToyCaches caches;
  run_cached(guest.tables, access(AccessKind::kRead, kGva), caches);
  const CachedResult allowed = run_cached(guest.tables, access(AccessKind::kWrite, kGva), caches);
  EXPECT_EQ(allowed.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(allowed.references, 1u + 4u);
  const CachedResult refused =
      run_cached(guest.tables, access(AccessKind::kWrite, kGva + 128), caches);
  EXPECT_EQ(refused.outcome.qualification, 0x1aau);
  EXPECT_EQ(refused.references, 1u + 4u + 28u);
  guest.tables.memory.put(guest.entry(3), 0);
  const CachedResult miss = run_cached(guest.tables, access(AccessKind::kWrite, kGva), caches);
  EXPECT_EQ(miss.outcome.kind, OutcomeKind::kSppEvent);
  EXPECT_EQ(miss.references, 1u + 2u + 24u + 2u);
}

}  // namespace
}  // namespace eptsim::mmu::test
