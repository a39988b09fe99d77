#include "mmu_model/caches/stale_check.hpp"

#include <gtest/gtest.h>

#include "mmu_model/tests/walk_tables.hpp"

/// A page is walked once, then its tables change, and the TLB's entry is used again.
namespace eptsim::mmu::test {
namespace {

using Change = StaleUse::Change;
constexpr std::uint64_t kGva = 0x0000'5678'9abc'd010;

class StaleCheck : public testing::Test {
 protected:
  StaleCheck() : page(tables.map(kGva)) {
    const WalkContext context(tables.context);
    entry = make_tlb_entry(context, tables.run(access(AccessKind::kWrite, kGva)).outcome);
  }
  std::optional<StaleUse> use(AccessKind kind) {
    const auto before = tables.memory.words;
    const WalkContext context(tables.context);
    auto found = find_stale_use(context, access(kind, kGva + 8), entry, tables.memory);
    EXPECT_EQ(tables.memory.words, before);
    return found;
  }
  std::optional<StaleUse> expect(AccessKind kind, Change change, bool in_ept) {
    auto found = use(kind);
    EXPECT_TRUE(found);
    if (!found) return found;
    EXPECT_EQ(found->change, change);
    EXPECT_EQ(found->in_ept, in_ept);
    EXPECT_EQ(found->hpa, page.hpa + 8);
    return found;
  }

  WalkTables tables{4, 4};
  PageAddress page;
  TlbEntry entry;
};

TEST_F(StaleCheck, AnEntryThatMemoryConfirmsIsNotStale) {
  EXPECT_FALSE(use(AccessKind::kRead));
  EXPECT_FALSE(use(AccessKind::kWrite));
}

TEST_F(StaleCheck, FlagsThatSoftwareClearedAreNeitherStaleNorSetAgain) {
  tables.clear(tables.guest_entry(kGva, 1), kA | kD);
  tables.context.eptp |= 1u << 6;
  EXPECT_FALSE(use(AccessKind::kWrite));
}

TEST_F(StaleCheck, AFullLogOfModifiedPagesIsNoRefusalAndHidesNone) {
  tables.context.eptp |= 1u << 6;
  tables.context.controls.pml = true;
  tables.context.pml_index = 512;
  const arch::Hpa leaf(tables.ept_entry(page.gpa, 1));
  tables.memory.put(leaf.value(), tables.memory.read64(leaf) | kEptD);
  EXPECT_FALSE(use(AccessKind::kWrite));
  tables.memory.put(tables.ept_entry(page.gpa, 1), 0);
  expect(AccessKind::kWrite, Change::kGone, true);
}

TEST_F(StaleCheck, AWriteThatTheLogOfModifiedPagesShouldGetAndDoesNotIsStale) {
  tables.context.eptp |= 1u << 6;
  const arch::Hpa leaf(tables.ept_entry(page.gpa, 1));
  ASSERT_EQ(tables.memory.read64(leaf) & kEptD, 0u);
  EXPECT_FALSE(use(AccessKind::kWrite)) << "nothing is logged";
  tables.context.controls.pml = true;
  EXPECT_FALSE(use(AccessKind::kRead));
  EXPECT_EQ(expect(AccessKind::kWrite, Change::kUnlogged, true)->gpa, page.gpa + 8);
  // That tables would be logged is the walk's affair, which the entry spares.
  tables.memory.put(leaf.value(), tables.memory.read64(leaf) | kEptD);
  EXPECT_FALSE(use(AccessKind::kWrite));
}

TEST_F(StaleCheck, ARightThatTheAccessDoesNotNeedIsNotMissed) {
  tables.clear(tables.ept_entry(page.gpa, 1), kW);
  EXPECT_FALSE(use(AccessKind::kRead));
}

TEST_F(StaleCheck, TheEptTookARight) {
  tables.clear(tables.ept_entry(page.gpa, 2), kW);
  const auto found = expect(AccessKind::kWrite, Change::kRightsReduced, true);
  EXPECT_EQ(found->gpa, page.gpa + 8);
  EXPECT_EQ(found->memory.kind, OutcomeKind::kEptViolation);
}

TEST_F(StaleCheck, TheEptUnmappedThePageOrAGuestTable) {
  tables.memory.put(tables.ept_entry(page.gpa, 1), 0);
  EXPECT_EQ(expect(AccessKind::kRead, Change::kGone, true)->gpa, page.gpa + 8);
  const std::uint64_t table = tables.guest_entry_gpa(kGva, 2);
  tables.memory.put(tables.ept_entry(table, 1), 0);
  EXPECT_EQ(expect(AccessKind::kRead, Change::kGone, true)->gpa, table);
}

TEST_F(StaleCheck, TheEptMovedThePage) {
  const std::uint64_t leaf = tables.ept_entry(page.gpa, 1);
  tables.memory.put(leaf, tables.memory.at(leaf) ^ 0x1000);
  EXPECT_EQ(expect(AccessKind::kRead, Change::kMoved, true)->memory.hpa, (page.hpa ^ 0x1000) + 8);
}

TEST_F(StaleCheck, TheGuestTookARightOrUnmappedThePage) {
  tables.clear(tables.guest_entry(kGva, 1), kGuestW);
  expect(AccessKind::kWrite, Change::kRightsReduced, false);
  tables.clear(tables.guest_entry(kGva, 3), kP);
  expect(AccessKind::kRead, Change::kGone, false);
}

TEST_F(StaleCheck, TheGuestMovedThePageBackedOrNot) {
  const std::uint64_t leaf = tables.guest_entry(kGva, 1);
  const std::uint64_t other = page.gpa ^ 0x1000;
  tables.memory.put(leaf, tables.memory.at(leaf) ^ 0x1000);
  expect(AccessKind::kRead, Change::kMoved, false);
  tables.map_ept(other & ~0xfffull, 0x7000, PageSize::k4K);
  expect(AccessKind::kRead, Change::kMoved, false);
}

}  // namespace
}  // namespace eptsim::mmu::test
