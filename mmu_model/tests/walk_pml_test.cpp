#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Page-modification logging: what is logged, when, and what a full log keeps from happening.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x1234'5678'9ab8;
constexpr std::uint64_t kLog = 0x7'1234'5000;

WalkTables logged(unsigned guest_levels = 4) {
  WalkTables tables(guest_levels, 4);
  tables.context.eptp |= 1u << 6;
  tables.context.controls.pml = true;
  tables.context.pml_address = kLog;
  tables.context.pml_index = 511;
  return tables;
}

/// What stands in the log, as it was written.
std::vector<MemoryWrite> log_of(const WalkTables& tables) {
  std::vector<MemoryWrite> log;
  for (const MemoryWrite& write : tables.recording.writes) {
    if (write.address >> 12 == kLog >> 12) log.push_back(write);
  }
  return log;
}

TEST(WalkPml, APageWrittenIsLoggedByItsGuestPhysicalAddress) {
  WalkTables tables = logged(0);
  const PageAddress page = tables.map(0x1234'5678);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, page.gva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(result.pml_index, 510);
  EXPECT_EQ(result.references, 4u) << "the log is no paging structure";
  // Four accessed flags from the root on, the last with the dirty flag, and then the log.
  ASSERT_EQ(tables.recording.writes.size(), 5u);
  EXPECT_EQ(tables.recording.writes[3].address, tables.ept_entry(page.gpa, 1));
  EXPECT_EQ(tables.recording.writes[4], (MemoryWrite{kLog + 511 * 8, 8, 0x1234'5000}));
}

TEST(WalkPml, NothingIsLoggedWhereNoDirtyFlagChanges) {
  WalkTables tables = logged(0);
  const PageAddress page = tables.map(0x1234'5678);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, page.gva)).pml_index, 511);
  EXPECT_EQ(tables.recording.writes.size(), 4u) << "accessed flags alone";
  EXPECT_TRUE(log_of(tables).empty());
  tables.context.pml_index = 7;
  EXPECT_EQ(tables.run(access(AccessKind::kWrite, page.gva)).pml_index, 6);
  tables.context.pml_index = 6;
  EXPECT_EQ(tables.run(access(AccessKind::kWrite, page.gva)).pml_index, 6) << "already dirty";
  EXPECT_TRUE(tables.recording.writes.empty());
}

TEST(WalkPml, TheGuestsTablesAreLoggedRootFirst) {
  WalkTables tables = logged();
  const PageAddress page = tables.map(kGva);
  const TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
  std::vector<MemoryWrite> expected;
  for (unsigned level = 4; level >= 1; --level) {
    expected.push_back(
        {kLog + (507 + level) * 8, 8, tables.guest_entry_gpa(kGva, level) & ~0xfffull});
  }
  expected.push_back({kLog + 507 * 8, 8, page.gpa & ~0xfffull});
  EXPECT_TRUE(log_of(tables) == expected);
  EXPECT_EQ(result.pml_index, 506);
  EXPECT_EQ(result.references, 24u);
}

TEST(WalkPml, ALargePageIsLoggedByThe4KilobytesWritten) {
  for (const PageSize size : {PageSize::k2M, PageSize::k1G}) {
    WalkTables tables = logged(0);
    const PageAddress page = tables.map(0x1234'5678, PageSize::k4K, size);
    tables.run(access(AccessKind::kWrite, page.gva));
    ASSERT_EQ(log_of(tables).size(), 1u);
    EXPECT_EQ(log_of(tables)[0].value, 0x1234'5000u);
  }
}

TEST(WalkPml, AFullLogStopsAnyChangeOfFlags) {
  for (const std::uint16_t index : {std::uint16_t{512}, std::uint16_t{0xffff}}) {
    for (const AccessKind kind : {AccessKind::kRead, AccessKind::kFetch, AccessKind::kWrite}) {
      WalkTables tables = logged(0);
      tables.context.pml_index = index;
      const PageAddress page = tables.map(0x1234'5678);
      const TranslateResult result = tables.run(access(kind, page.gva));
      EXPECT_EQ(result.outcome.kind, OutcomeKind::kPmlFull);
      EXPECT_EQ(result.outcome.reason, Reason::kPmlIndex);
      EXPECT_EQ(result.outcome.gpa, page.gpa);
      EXPECT_EQ(result.outcome.qualification, 0u);
      EXPECT_EQ(result.pml_index, index);
      EXPECT_EQ(result.references, 4u);
      EXPECT_TRUE(tables.recording.writes.empty()) << "no flag is set";
      // Where no flag need change, nobody asks.
      for (unsigned level = 1; level <= 4; ++level) {
        tables.set(tables.ept_entry(page.gpa, level), level == 1 ? kEptA | kEptD : kEptA);
      }
      EXPECT_EQ(tables.run(access(kind, page.gva)).outcome.kind, OutcomeKind::kTranslated);
    }
  }
}

TEST(WalkPml, AnIndexOfZeroLogsOnceMore) {
  WalkTables tables = logged();
  tables.context.pml_index = 0;
  tables.map(kGva);
  // The guest's root table is logged, and then the log is full for the next.
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kPmlFull);
  EXPECT_EQ(result.outcome.gpa, tables.guest_entry_gpa(kGva, 3));
  EXPECT_EQ(result.pml_index, 0xffff);
  ASSERT_EQ(log_of(tables).size(), 1u);
  EXPECT_EQ(log_of(tables)[0].address, kLog);
}

TEST(WalkPml, AViolationOrMisconfigurationComesBeforeAFullLog) {
  WalkTables tables = logged(0);
  tables.context.pml_index = 0xffff;
  const PageAddress page = tables.map(0x1234'5678);
  tables.clear(tables.ept_entry(page.gpa, 1), kW);
  EXPECT_EQ(tables.run(access(AccessKind::kWrite, page.gva)).outcome.qualification, 0x1aau);
  tables.clear(tables.ept_entry(page.gpa, 1), 4u << 3);  // memory type 2
  EXPECT_EQ(tables.run(access(AccessKind::kRead, page.gva)).outcome.kind,
            OutcomeKind::kEptMisconfiguration);
}

TEST(WalkPml, WithoutEptFlagsNothingIsLogged) {
  WalkTables tables = logged();
  tables.context.eptp &= ~(1ull << 6);
  tables.context.pml_index = 0xffff;
  tables.map(kGva);
  EXPECT_EQ(tables.run(access(AccessKind::kWrite, kGva)).outcome.kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(log_of(tables).empty());
}

TEST(WalkPml, BothPagesOfACrossingAccessShareTheIndex) {
  WalkTables tables = logged(0);
  tables.map(0x1234'5ff8);
  tables.map(0x1234'6000);
  Request request = access(AccessKind::kWrite, 0x1234'5ffc);
  request.size = 8;
  const TranslateResult result = tables.run(request);
  ASSERT_TRUE(result.second);
  EXPECT_EQ(result.pml_index, 509);
  const std::vector<MemoryWrite> expected = {{kLog + 511 * 8, 8, 0x1234'5000},
                                             {kLog + 510 * 8, 8, 0x1234'6000}};
  EXPECT_TRUE(log_of(tables) == expected);
}

TEST(WalkPml, AFailingSwapOfADirtyFlagLogsNothingUntilItSucceeds) {
  WalkTables tables = logged(0);
  const PageAddress page = tables.map(0x1234'5678);
  const std::uint64_t leaf = tables.ept_entry(page.gpa, 1);
  tables.memory.before_swap = [&](std::uint64_t address) {
    if (address != leaf) return;
    tables.set(leaf, kEptA);  // another processor's walk
    tables.memory.before_swap = nullptr;
  };
  const TranslateResult result = tables.run(access(AccessKind::kWrite, page.gva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(log_of(tables).size(), 1u);
  EXPECT_EQ(result.pml_index, 510);
  EXPECT_EQ(result.references, 4u);
}

TEST(WalkPml, AFlagThatAnotherProcessorMadeDirtyIsNotLoggedHere) {
  WalkTables tables = logged(0);
  const PageAddress page = tables.map(0x1234'5678);
  const std::uint64_t leaf = tables.ept_entry(page.gpa, 1);
  tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == leaf) tables.set(leaf, kEptA | kEptD);
  };
  const TranslateResult result = tables.run(access(AccessKind::kWrite, page.gva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(log_of(tables).empty());
  EXPECT_EQ(result.pml_index, 511);
}

TEST(WalkPml, AWriteThroughACleanCachedPageIsLoggedOnce) {
  WalkTables tables = logged();
  tables.map(kGva);
  ToyCaches caches;
  EXPECT_EQ(run_cached(tables, access(AccessKind::kRead, kGva), caches).pml_index, 507);
  const CachedResult write = run_cached(tables, access(AccessKind::kWrite, kGva), caches);
  EXPECT_EQ(write.pml_index, 510);
  EXPECT_EQ(run_cached(tables, access(AccessKind::kWrite, kGva), caches).pml_index, 511);
}

}  // namespace
}  // namespace eptsim::mmu::test
