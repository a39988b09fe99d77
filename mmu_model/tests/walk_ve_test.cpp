#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Virtualization exceptions: which violations become one, and what is written for the guest.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0xffff'9234'5678'9ab8;
constexpr std::uint64_t kInfo = 0x7'1234'5000;
constexpr std::uint64_t kSuppress = 1ull << 63;  // EPT

struct Guest {
  explicit Guest(unsigned guest_levels = 4) : tables(guest_levels, 4) {
    tables.context.controls.ept_violation_ve = true;
    tables.context.ve_info_address = kInfo;
    tables.context.eptp_index = 0xabcd;
    page = tables.map(guest_levels == 0 ? 0x1234'5678 : kGva);
  }
  std::uint64_t ept(unsigned level) const { return tables.ept_entry(page.gpa, level); }
  TranslateResult run(AccessKind kind = AccessKind::kWrite) {
    return tables.run(access(kind, page.gva));
  }
  WalkTables tables;
  PageAddress page;
};

std::vector<MemoryWrite> information(std::uint64_t qualification, std::uint64_t gva,
                                     std::uint64_t gpa) {
  return {{kInfo, 4, 48},       {kInfo + 4, 4, 0xffff'ffff}, {kInfo + 8, 8, qualification},
          {kInfo + 16, 8, gva}, {kInfo + 24, 8, gpa},        {kInfo + 32, 2, 0xabcd}};
}

/// The last six stores of the walk.
std::vector<MemoryWrite> last_writes(const WalkTables& tables) {
  const std::vector<MemoryWrite>& writes = tables.recording.writes;
  return {writes.end() - std::min<std::ptrdiff_t>(6, std::ssize(writes)), writes.end()};
}

void expect_exception(Guest& guest, const TranslateResult& result, std::uint64_t qualification,
                      std::uint64_t gva, std::uint64_t gpa) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kVirtualizationException) << describe(result.outcome);
  EXPECT_EQ(result.outcome.qualification, qualification);
  EXPECT_EQ(result.outcome.gpa, gpa);
  EXPECT_TRUE(last_writes(guest.tables) == information(qualification, gva, gpa));
  guest.tables.memory.put(kInfo, 0);  // the guest's handler is done
}
void expect_exit(Guest& guest, const TranslateResult& result, std::uint64_t qualification) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation) << describe(result.outcome);
  EXPECT_EQ(result.outcome.qualification, qualification);
  for (const MemoryWrite& write : guest.tables.recording.writes) {
    EXPECT_NE(write.address >> 12, kInfo >> 12);
  }
}

TEST(WalkVe, AViolationOfTheLeafTellsTheGuest) {
  Guest guest;
  guest.tables.clear(guest.ept(1), kW);
  const TranslateResult result = guest.run();
  expect_exception(guest, result, 0x1aa, kGva, guest.page.gpa);
  EXPECT_TRUE(result.outcome.linear_valid);
  EXPECT_EQ(result.outcome.reason, Reason::kEptNotWritable);
  EXPECT_EQ(result.references, 24u) << "the information area is no paging structure";
  EXPECT_EQ(guest.tables.recording.references.size(), 24u);
}

TEST(WalkVe, WhatElseIsInTheAreaStays) {
  Guest guest;
  guest.tables.memory.put(kInfo, 0x0000'0000'1234'5678);
  guest.tables.memory.put(kInfo + 32, ~0ull);
  guest.tables.memory.put(guest.ept(3), 0);
  guest.run();
  EXPECT_EQ(guest.tables.memory.at(kInfo), 0xffff'ffff'0000'0030u);
  EXPECT_EQ(guest.tables.memory.at(kInfo + 32), 0xffff'ffff'ffff'abcdu);
}

TEST(WalkVe, WhileTheAreaIsInUseViolationsAreExits) {
  for (const std::uint64_t busy : {1ull << 32, 1ull << 63, 0xffff'ffffull << 32}) {
    Guest guest;
    guest.tables.clear(guest.ept(1), kW);
    guest.tables.memory.put(kInfo, busy | 48);
    expect_exit(guest, guest.run(), 0x1aa);
    EXPECT_EQ(guest.tables.memory.at(kInfo), busy | 48);
  }
}

TEST(WalkVe, TheLeafMaySuppressIt) {
  Guest guest;
  guest.tables.clear(guest.ept(1), kW);
  guest.tables.set(guest.ept(1), kSuppress);
  expect_exit(guest, guest.run(), 0x1aa);
}

TEST(WalkVe, AnAbsentEntryMaySuppressItAtAnyLevel) {
  for (unsigned level = 1; level <= 4; ++level) {
    Guest guest;
    const std::uint64_t entry = guest.ept(level);
    guest.tables.memory.put(entry, ~7ull);
    expect_exit(guest, guest.run(), 0x182);
    guest.tables.memory.put(entry, ~7ull & ~kSuppress);
    expect_exception(guest, guest.run(), 0x182, kGva, guest.page.gpa);
  }
}

TEST(WalkVe, PresentEntriesAboveTheLastHaveNoSay) {
  Guest guest;
  for (unsigned level = 2; level <= 4; ++level) guest.tables.set(guest.ept(level), kSuppress);
  guest.tables.clear(guest.ept(3), kW);  // the entry to blame, but not the one to ask
  expect_exception(guest, guest.run(), 0x1aa, kGva, guest.page.gpa);
  guest.tables.memory.put(guest.ept(1), 0);
  expect_exception(guest, guest.run(), 0x182, kGva, guest.page.gpa);
}

TEST(WalkVe, WithoutTheControlOrProtectionItIsAnExit) {
  Guest off;
  off.tables.clear(off.ept(1), kW);
  off.tables.context.controls.ept_violation_ve = false;
  expect_exit(off, off.run(), 0x1aa);
  Guest real(0);
  real.tables.clear(real.ept(1), kW);
  expect_exception(real, real.run(), 0x1aa, real.page.gva, real.page.gpa);
  real.tables.context.cr0 &= ~1ull;
  expect_exit(real, real.run(), 0x1aa);
}

TEST(WalkVe, AViolationOnAGuestTableTellsItsAddress) {
  Guest guest;
  const std::uint64_t gpa = guest.tables.guest_entry_gpa(kGva, 2);
  guest.tables.clear(guest.tables.ept_entry(gpa, 1), kW);
  expect_exception(guest, guest.run(), 0xab, kGva, gpa);
  guest.tables.set(guest.tables.ept_entry(gpa, 1), kSuppress);
  expect_exit(guest, guest.run(), 0xab);
}

TEST(WalkVe, ARequestWithoutALinearAddressHasNoneToTell) {
  Guest guest(0);
  guest.tables.memory.put(guest.ept(2), 0);
  Request request = access(AccessKind::kRead, guest.page.gpa);
  request.linear = false;
  const TranslateResult result = guest.tables.run(request);
  expect_exception(guest, result, 1, 0, guest.page.gpa);
  EXPECT_FALSE(result.outcome.linear_valid);
}

TEST(WalkVe, AnAddressThatNoEntryTranslatesIsAnExit) {
  Guest guest;
  guest.tables.context.cpu.maxphyaddr = 52;
  Request request = access(AccessKind::kRead, 1ull << 48);
  request.linear = false;
  expect_exit(guest, guest.tables.run(request), 1);
}

TEST(WalkVe, VerificationFailuresBecomeExceptions) {
  Guest guest;
  guest.tables.context.controls.paging_write = true;
  guest.tables.context.controls.guest_paging_verification = true;
  guest.tables.set(guest.ept(1), 1ull << 57);
  expect_exception(guest, guest.run(AccessKind::kRead), 0x81b9, kGva, guest.page.gpa);
}

TEST(WalkVe, SubPageRefusalsBecomeExceptionsButSppEventsDoNot) {
  Guest guest;
  guest.tables.context.controls.sub_page_permission = true;
  guest.tables.context.sppt_pointer = 0x5000;
  guest.tables.clear(guest.ept(1), kW);
  guest.tables.set(guest.ept(1), 1ull << 61);
  EXPECT_EQ(guest.run().outcome.kind, OutcomeKind::kSppEvent);
  for (unsigned level = 4; level >= 2; --level) {
    const std::uint64_t index = guest.page.gpa >> (12 + 9 * (level - 1)) & 511;
    guest.tables.memory.put(0x5000 + (4 - level) * 0x1000 + index * 8,
                            (0x5000 + (5 - level) * 0x1000) | 1);
  }
  expect_exception(guest, guest.run(), 0x1aa, kGva, guest.page.gpa);
}

TEST(WalkVe, MisconfigurationsAndFullLogsAreExits) {
  Guest guest;
  guest.tables.context.eptp |= 1u << 6;
  guest.tables.context.controls.pml = true;
  guest.tables.context.pml_address = 0x9000;
  guest.tables.context.pml_index = 0xffff;
  EXPECT_EQ(guest.run().outcome.kind, OutcomeKind::kPmlFull);
  guest.tables.context.pml_index = 511;
  guest.tables.clear(guest.ept(1), kR);
  EXPECT_EQ(guest.run().outcome.kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(guest.tables.memory.at(kInfo), 0u);
}

TEST(WalkVe, AnEntryThatVanishesUnderItsSwapIsAskedAsFound) {
  for (const bool suppressed : {false, true}) {
    Guest guest;
    guest.tables.context.eptp |= 1u << 6;
    const std::uint64_t entry = guest.ept(2);
    guest.tables.memory.before_swap = [&](std::uint64_t address) {
      if (address == entry) guest.tables.memory.put(entry, suppressed ? kSuppress : 0);
    };
    const TranslateResult result = guest.run();
    if (suppressed) {
      expect_exit(guest, result, 0x182);
    } else {
      expect_exception(guest, result, 0x182, kGva, guest.page.gpa);
    }
  }
}

TEST(WalkVe, ARefusalBehindAHitIsFirstAskedOfMemory) {
  Guest guest;
  guest.tables.clear(guest.ept(1), kW);
  ToyCaches caches;
  run_cached(guest.tables, access(AccessKind::kRead, kGva), caches);
  guest.tables.set(guest.ept(1), kW);
  EXPECT_EQ(run_cached(guest.tables, access(AccessKind::kWrite, kGva), caches).outcome.kind,
            OutcomeKind::kTranslated);
  EXPECT_EQ(guest.tables.memory.at(kInfo), 0u) << "nothing was written on the way";
}

}  // namespace
}  // namespace eptsim::mmu::test
