#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"

// Accessed and dirty flags in both dimensions, and the EPT's say over guest tables.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0xffff'8123'4567'8010;
constexpr std::uint64_t kEptpFlags = 1u << 6;

/// The word found in place of an EPT leaf's access bits, for the page of the guest's last table.
struct Vector {
  std::uint64_t rights;
  bool ept_flags;
  std::uint64_t guest_flags;  ///< preset in the guest's leaf
  int read, write, fetch;     ///< qualification, 0 for a translation
};

TEST(WalkFlags, TheEptRightsOfAGuestTableDecideAsPublishedVectorsSay) {
  constexpr std::uint64_t kAll = kA | kD;
  std::vector<Vector> vectors = {
      {0, false, kAll, 0x81, 0x81, 0x81}, {0, true, kAll, 0x83, 0x83, 0x83},
      {kR, false, 0, 0x8b, 0x8b, 0x8b},   {kR, false, kA, 0, 0x8b, 0},
      {kR, false, kAll, 0, 0, 0},         {kR | kX, false, 0, 0xab, 0xab, 0xab},
      {kR | kX, false, kA, 0, 0xab, 0},   {kR | kX, false, kAll, 0, 0, 0},
  };
  for (const std::uint64_t preset : {std::uint64_t{0}, kA, kAll}) {
    vectors.push_back({kR, true, preset, 0x8b, 0x8b, 0x8b});
    vectors.push_back({kR | kX, true, preset, 0xab, 0xab, 0xab});
  }
  for (const bool on : {false, true}) {
    vectors.push_back({kR | kW, on, 0, 0, 0, 0});
    vectors.push_back({kR | kW | kX, on, 0, 0, 0, 0});
  }
  for (const Vector& vector : vectors) {
    for (const auto& [kind, user, expected] :
         {std::tuple{AccessKind::kRead, false, vector.read},
          std::tuple{AccessKind::kWrite, false, vector.write},
          std::tuple{AccessKind::kFetch, false, vector.fetch},
          std::tuple{AccessKind::kFetch, true, vector.fetch}}) {
      SCOPED_TRACE(testing::Message()
                   << "rights " << vector.rights << " flags " << vector.ept_flags << " preset "
                   << vector.guest_flags << ' ' << arch::name(kind));
      WalkTables tables(4, 4);
      if (vector.ept_flags) tables.context.eptp |= kEptpFlags;
      const PageAddress page = tables.map(kGva);
      const std::uint64_t pte = tables.guest_entry(kGva, 1);
      const std::uint64_t pte_gpa = tables.guest_entry_gpa(kGva, 1);
      const std::uint64_t ept_leaf = tables.ept_entry(pte_gpa, 1);
      tables.set(pte, vector.guest_flags);
      tables.clear(ept_leaf, kR | kW | kX | kXu);
      tables.set(ept_leaf, vector.rights);

      const Outcome outcome = tables.run(access(kind, kGva, user)).outcome;
      EXPECT_EQ(outcome.qualification, unsigned(expected));
      if (expected != 0) {
        EXPECT_EQ(outcome.kind, OutcomeKind::kEptViolation);
        EXPECT_EQ(outcome.gpa, pte_gpa);
        EXPECT_TRUE(outcome.linear_valid);
        EXPECT_EQ(outcome.entry_address, ept_leaf);
        EXPECT_EQ(outcome.place, (Place{1, 1}));
        EXPECT_EQ(tables.memory.at(ept_leaf) & (kEptA | kEptD), 0u);
        tables.set(ept_leaf, kR | kW | kX);
        EXPECT_EQ(tables.run(access(kind, kGva, user)).outcome.kind, OutcomeKind::kTranslated);
      } else {
        EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated) << describe(outcome);
        EXPECT_EQ(outcome.hpa, page.hpa);
      }
      const bool dirty = (vector.guest_flags & kD) != 0 || kind == AccessKind::kWrite;
      EXPECT_EQ(tables.memory.at(pte) & kAll, kA | (dirty ? kD : 0));
      if (vector.ept_flags) {
        for (unsigned level = 1; level <= 4; ++level) {
          EXPECT_EQ(tables.memory.at(tables.ept_entry(pte_gpa, level)) & (kEptA | kEptD),
                    level == 1 ? kEptA | kEptD : kEptA);
        }
      } else {
        EXPECT_EQ(tables.memory.at(ept_leaf) & (kEptA | kEptD), 0u);
      }
    }
  }
}

TEST(WalkFlags, AReadMarksThePageAccessedAndItsTablesWritten) {
  for (const AccessKind kind :
       {AccessKind::kRead, AccessKind::kFetch, AccessKind::kWrite, AccessKind::kReadModifyWrite}) {
    WalkTables tables(5, 5);
    tables.context.eptp |= kEptpFlags;
    const PageAddress page = tables.map(0x00ff'1234'5678'9abc);
    const TranslateResult result = tables.run(access(kind, page.gva));
    EXPECT_EQ(result.references, 35u);
    const bool write = arch::is_write(kind);
    EXPECT_EQ(result.outcome.dirty, write);
    for (unsigned level = 1; level <= 5; ++level) {
      EXPECT_EQ(tables.memory.at(tables.guest_entry(page.gva, level)) & (kA | kD),
                level == 1 && write ? kA | kD : kA);
      const std::uint64_t table = tables.guest_entry_gpa(page.gva, level);
      EXPECT_EQ(tables.memory.at(tables.ept_entry(table, 1)) & (kEptA | kEptD), kEptA | kEptD);
      EXPECT_EQ(tables.memory.at(tables.ept_entry(page.gpa, level)) & (kEptA | kEptD),
                level == 1 && write ? kEptA | kEptD : kEptA);
    }
  }
}

TEST(WalkFlags, FlagsAreSetInTheirOrder) {
  // Per guest level: the EPT's flags on the way to its table, root to leaf, then accessed; dirty
  // before the last translation.
  WalkTables tables(4, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(kGva, PageSize::k2M, PageSize::k2M);
  std::vector<MemoryWrite> expected;
  std::map<std::uint64_t, std::uint64_t> now = tables.memory.words;
  const auto expect_write = [&](std::uint64_t address, std::uint64_t bits) {
    if ((now[address] & bits) == bits) return;  // shared tables: already set
    now[address] |= bits;
    expected.push_back({address, 8, now[address]});
  };
  for (unsigned guest = 4; guest >= 2; --guest) {
    const std::uint64_t gpa = tables.guest_entry_gpa(kGva, guest);
    for (unsigned ept = 4; ept >= 1; --ept) {
      expect_write(tables.ept_entry(gpa, ept), ept == 1 ? kEptA | kEptD : kEptA);
    }
    expect_write(tables.guest_entry(kGva, guest), kA);
  }
  expect_write(tables.guest_entry(kGva, 2), kD);
  for (unsigned ept = 4; ept >= 2; --ept) {
    expect_write(tables.ept_entry(page.gpa, ept), ept == 2 ? kEptA | kEptD : kEptA);
  }
  tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_TRUE(tables.recording.writes == expected);
  EXPECT_EQ(tables.memory.words, now);

  tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_TRUE(tables.recording.writes.empty()) << "flags that are set are not written again";
}

TEST(WalkFlags, ATranslationIsDirtyOnlyIfBothLeavesAre) {
  for (const bool guest_dirty : {false, true}) {
    for (const bool ept_dirty : {false, true}) {
      for (const bool ept_flags : {false, true}) {
        WalkTables tables(4, 4);
        if (ept_flags) tables.context.eptp |= kEptpFlags;
        const PageAddress page = tables.map(kGva);
        if (guest_dirty) tables.set(tables.guest_entry(kGva, 1), kD);
        if (ept_dirty) tables.set(tables.ept_entry(page.gpa, 1), kEptD);
        const Outcome outcome = tables.run(access(AccessKind::kRead, kGva)).outcome;
        EXPECT_EQ(outcome.dirty, guest_dirty && (ept_dirty || !ept_flags));
      }
    }
  }
}

TEST(WalkFlags, WithEptFlagsOffEptEntriesAreNeverWritten) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(tables.recording.writes.size(), 5u);  // four accessed, one dirty
  for (unsigned level = 1; level <= 4; ++level) {
    EXPECT_EQ(tables.memory.at(tables.ept_entry(page.gpa, level)) & (kEptA | kEptD), 0u);
  }
  EXPECT_TRUE(result.outcome.dirty);
}

TEST(WalkFlags, ARefusedAccessMarksTheTablesButNotThePage) {
  WalkTables tables(4, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(kGva);
  tables.clear(tables.ept_entry(page.gpa, 1), kW);
  EXPECT_EQ(tables.run(access(AccessKind::kWrite, kGva)).outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(tables.memory.at(tables.ept_entry(page.gpa, 1)) & (kEptA | kEptD), 0u);
  // The guest's own flags were set before the page was translated.
  EXPECT_EQ(tables.memory.at(tables.guest_entry(kGva, 1)) & (kA | kD), kA | kD);
}

TEST(WalkFlags, AGuestRightsFaultLeavesAccessedSetAndDirtyClear) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.clear(tables.guest_entry(kGva, 1), kGuestW);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(result.references, 20u);
  for (unsigned level = 1; level <= 4; ++level) {
    EXPECT_EQ(tables.memory.at(tables.guest_entry(kGva, level)) & (kA | kD), kA);
  }
}

TEST(WalkFlags, AnEntryThatFaultsIsNotMarked) {
  for (const std::uint64_t bad : {std::uint64_t{0}, std::uint64_t{1} << 51}) {
    WalkTables tables(4, 0);
    tables.map(kGva);
    const std::uint64_t entry = tables.guest_entry(kGva, 2);
    const std::uint64_t value = bad == 0 ? 0 : tables.memory.at(entry) | bad;
    tables.memory.put(entry, value);
    EXPECT_EQ(tables.run(access(AccessKind::kRead, kGva)).outcome.kind, OutcomeKind::kPageFault);
    EXPECT_EQ(tables.memory.at(entry), value);
    EXPECT_EQ(tables.recording.writes.size(), 2u);  // levels 4 and 3
  }
}

TEST(WalkFlags, AMissingAccessedFlagIsRefusedBeforeTheNextLevelIsRead) {
  // The page of the guest's level 3 table is read-only, and its entry's flag is clear.
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.clear(tables.ept_entry(tables.guest_entry_gpa(kGva, 3), 1), kW);
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.qualification, 0xabu);
  EXPECT_EQ(result.outcome.gpa, tables.guest_entry_gpa(kGva, 3));
  EXPECT_EQ(result.references, 10u);
}

TEST(WalkFlags, AnAbsentGuestEntryIsReportedEvenIfItsPageIsReadOnly) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.clear(tables.ept_entry(tables.guest_entry_gpa(kGva, 1), 1), kW);
  tables.memory.put(tables.guest_entry(kGva, 1), 0);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, kGva)).outcome.kind, OutcomeKind::kPageFault);
}

// --- Compare-and-swaps that fail ----------------------------------------------------------------

/// Changes `address` to `value` under the first swap of it.
void change_once(WalkTables& tables, std::uint64_t address, std::uint64_t value) {
  tables.memory.before_swap = [&tables, address, value](std::uint64_t swapped) {
    if (swapped != address) return;
    tables.memory.put(address, value);
    tables.memory.before_swap = nullptr;
  };
}

TEST(WalkFlags, AGuestEntryThatVanishesUnderItsSwapIsAPageFault) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  const std::uint64_t entry = tables.guest_entry(kGva, 2);
  change_once(tables, entry, 0);
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(result.outcome.reason, Reason::kGuestNotPresent);
  EXPECT_EQ(result.outcome.place, (Place{2, 0}));
  EXPECT_EQ(result.references, 15u) << "the word found is no further reference";
  EXPECT_EQ(tables.memory.at(entry), 0u);
}

TEST(WalkFlags, AGuestLeafThatMovesUnderItsSwapIsFollowed) {
  for (const bool dirty : {false, true}) {
    WalkTables tables(4, 4);
    tables.map(kGva);
    const PageAddress other = tables.map(kGva + 0x1000);
    const std::uint64_t entry = tables.guest_entry(kGva, 1);
    const std::uint64_t moved = tables.memory.at(tables.guest_entry(kGva + 0x1000, 1));
    if (dirty) tables.set(entry, kA);  // so that the swap that fails is the dirty flag's
    change_once(tables, entry, moved);
    const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
    EXPECT_EQ(result.outcome.hpa, other.hpa);
    EXPECT_EQ(result.references, 24u);
    EXPECT_EQ(tables.memory.at(entry), moved | kA | kD);
  }
}

TEST(WalkFlags, AFlagThatAnotherProcessorSetIsNotSetAgain) {
  WalkTables tables(4, 0);
  tables.map(kGva);
  const std::uint64_t entry = tables.guest_entry(kGva, 1);
  change_once(tables, entry, tables.memory.at(entry) | kA);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, kGva)).outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(tables.recording.writes.size(), 3u);
}

TEST(WalkFlags, AGuestLeafThatLosesARightUnderItsDirtySwapIsAPageFault) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  const std::uint64_t entry = tables.guest_entry(kGva, 1);
  tables.set(entry, kA);
  change_once(tables, entry, tables.memory.at(entry) & ~kGuestW);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(result.outcome.reason, Reason::kGuestNotWritable);
  EXPECT_EQ(tables.memory.at(entry) & kD, 0u);
}

TEST(WalkFlags, AGuestPageThatBecomesATableUnderItsSwapIsDescended) {
  WalkTables tables(4, 4);
  const PageAddress small = tables.map(kGva);
  const std::uint64_t entry = tables.guest_entry(kGva, 2);
  const std::uint64_t table = tables.memory.at(entry);
  tables.memory.put(entry, (table & ~0x1f'ffffull) | kLarge | kP | kGuestW | kU);
  change_once(tables, entry, table);
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.hpa, small.hpa);
  EXPECT_EQ(result.outcome.guest_page_size, PageSize::k4K);
  EXPECT_EQ(result.references, 24u);
}

TEST(WalkFlags, AnEptLeafThatVanishesUnderItsSwapIsAViolation) {
  WalkTables tables(4, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(kGva);
  const std::uint64_t entry = tables.ept_entry(page.gpa, 1);
  change_once(tables, entry, 0);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(result.outcome.qualification, 0x182u);
  EXPECT_EQ(result.references, 24u);
}

TEST(WalkFlags, AnEptLeafThatLosesARightUnderItsSwapIsAViolation) {
  WalkTables tables(4, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(kGva);
  const std::uint64_t entry = tables.ept_entry(page.gpa, 1);
  change_once(tables, entry, tables.memory.at(entry) & ~kW);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(result.outcome.qualification, 0x1aau);
  EXPECT_EQ(tables.memory.at(entry) & (kEptA | kEptD), 0u);
}

TEST(WalkFlags, AnEptTableThatMovesUnderItsSwapIsDescendedAnew) {
  WalkTables tables(0, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(0x1234'5000);
  const std::uint64_t entry = tables.ept_entry(page.gpa, 2);
  constexpr std::uint64_t kTable = 0x7000, kElsewhere = 0xabc'd000;
  tables.memory.put(kTable + ((page.gpa >> 12) & 511) * 8, kElsewhere | kR | kW | kX | kTypeWb);
  change_once(tables, entry, kTable | kR | kW | kX);
  const TranslateResult result = tables.run(access(AccessKind::kRead, page.gva));
  EXPECT_EQ(result.outcome.hpa, kElsewhere);
  EXPECT_EQ(result.references, 5u) << "the new table's entry is one more reference";
  EXPECT_EQ(tables.memory.at(entry), kTable | kR | kW | kX | kEptA);
}

TEST(WalkFlags, AFlagThatAnotherSetInAnEptEntryChangesNothingElse) {
  WalkTables tables(0, 4);
  tables.context.eptp |= kEptpFlags;
  const PageAddress page = tables.map(0x1234'5000);
  const std::uint64_t table = tables.ept_entry(page.gpa, 2);
  change_once(tables, table, tables.memory.at(table) | kEptA);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, page.gva));
  EXPECT_EQ(result.outcome.hpa, page.hpa);
  EXPECT_EQ(result.references, 4u);
  EXPECT_EQ(tables.recording.writes.size(), 3u) << "levels 4, 3 and 1";
}

TEST(WalkFlags, AnEptEntryThatIsItsOwnTableIsReadOnceALevelAndSetOnce) {
  WalkTables tables(0, 4);
  tables.context.eptp |= kEptpFlags;
  const std::uint64_t root = tables.context.eptp & ~std::uint64_t{0xfff};
  tables.memory.put(root, root | kR | kW | kX);
  const TranslateResult result =
      tables.run({.address = 0xabc, .linear = false, .access = AccessKind::kRead});
  EXPECT_EQ(result.outcome.hpa, root | 0xabc);
  EXPECT_EQ(result.references, 4u);
  EXPECT_EQ(tables.recording.writes.size(), 1u);
  EXPECT_EQ(tables.memory.at(root), root | kR | kW | kX | kEptA);
}

}  // namespace
}  // namespace eptsim::mmu::test
