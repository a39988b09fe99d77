#include <gtest/gtest.h>

#include "sim/run/tests/support.hpp"

/// A hypervisor that write-protects the guest's pages, and one that forgets the INVEPT after it.
namespace eptsim::sim {
namespace {

/// Reads and writes of three pages in turn, so that the TLBs hold them all.
std::vector<Record> many_accesses() {
  std::vector<Record> records;
  for (unsigned i = 0; i < 60; ++i) {
    const std::uint64_t page = kHeap + (i % 3) * kPageBytes;
    records.push_back(i % 2 == 0 ? write(page + i * 8) : read(page + i * 8));
  }
  return records;
}

RunSettings tracking_machine() {
  RunSettings settings = small_machine();
  settings.machine.dirty_log = write_protection(20);
  settings.machine.stale_check = true;
  return settings;
}

TEST(WriteProtection, MakesTheFirstWriteToEachPageExit) {
  RunSettings settings = tracking_machine();
  settings.warmup = 19;
  const RunResult result = run(settings, many_accesses());
  // After accesses 20, 40 and 60; after each of the first two, all three pages are written.
  EXPECT_EQ(result.dirty_log.turns, 3u);
  EXPECT_EQ(result.dirty_log.protected_writes, 6u);
  EXPECT_EQ(result.ept_violations, 6u);
  EXPECT_EQ(result.cycles_by.exits, (3u + 6u) * kExitCycles);
  EXPECT_EQ(result.stale.ept, 0u);
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_TRUE(result.stale.first.empty());
}

TEST(StaleTranslations, OfAHypervisorThatForgetsItsInveptsAreEachNamed) {
  RunSettings settings = tracking_machine();
  settings.machine.invalidate = false;
  const RunResult result = run(settings, many_accesses());
  // The TLBs never learn of the protection: every write after access 20 is a stale one.
  EXPECT_EQ(result.stale.ept, 20u);
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_EQ(result.dirty_log.protected_writes, 0u);
  ASSERT_EQ(result.stale.first.size(), 20u);
  const StaleAccess& first = result.stale.first.front();
  EXPECT_EQ(first.number, 21u);
  EXPECT_EQ(first.address, kHeap + 2 * kPageBytes + 20 * 8);
  EXPECT_EQ(first.kind, arch::AccessKind::kWrite);
  EXPECT_NE(first.eptp, 0u);
  for (const StaleAccess& access : result.stale.first) {
    EXPECT_TRUE(access.use.in_ept);
    EXPECT_EQ(access.use.change, mmu::StaleUse::Change::kRightsReduced);
    EXPECT_EQ(access.use.memory.kind, mmu::OutcomeKind::kEptViolation);
  }
}

TEST(StaleTranslations, AreCountedPastTheFirstThatAreKept) {
  RunSettings settings = tracking_machine();
  settings.machine.invalidate = false;
  std::vector<Record> records = many_accesses();
  for (const Record& again : many_accesses()) records.push_back(again);
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.stale.ept, 50u);
  EXPECT_EQ(result.stale.first.size(), kStaleAccesses);
}

TEST(StaleTranslations, AreNotLookedForUnlessAsked) {
  RunSettings settings = tracking_machine();
  settings.machine.invalidate = false;
  settings.machine.stale_check = false;
  EXPECT_EQ(run(settings, many_accesses()).stale.ept, 0u);
}

TEST(StaleTranslations, AreTheSameInLockstep) {
  RunSettings settings = tracking_machine();
  settings.machine.invalidate = false;
  settings.machine.hardware.lockstep = true;
  const RunResult result = run(settings, many_accesses());
  EXPECT_EQ(result.stale.ept, 20u);
  EXPECT_EQ(result.stale.first.front().number, 21u);
}

TEST(StaleTranslations, LookingForThemChangesNoOtherNumber) {
  RunSettings settings = tracking_machine();
  settings.warmup = 19;
  settings.machine.stale_check = false;
  const RunResult result = run(settings, many_accesses());
  EXPECT_EQ(result.dirty_log.protected_writes, 6u);
  EXPECT_EQ(result.cycles_by.exits, (3u + 6u) * kExitCycles);
}

}  // namespace
}  // namespace eptsim::sim
