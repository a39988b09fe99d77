#include <gtest/gtest.h>

#include <string>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

class EptFault : public NestedTables {
 protected:
  static constexpr std::uint64_t kOk = 0;
  static constexpr std::uint64_t kMisconfigured = 1;

  /// A walk's end in one number: a qualification, kOk or kMisconfigured.
  std::uint64_t code(AccessKind access) {
    const FinishedWalk walked = walk(access);
    const mmu::Outcome& outcome = walked.outcome();
    switch (outcome.kind) {
      case OutcomeKind::kTranslated: return kOk;
      case OutcomeKind::kEptMisconfiguration:
        EXPECT_EQ(outcome.qualification, 0u);
        EXPECT_FALSE(outcome.linear_valid);
        return kMisconfigured;
      case OutcomeKind::kEptViolation:
        EXPECT_EQ(outcome.linear_valid, (outcome.qualification & 0x80) != 0);
        return outcome.qualification;
      default: ADD_FAILURE() << "kind " << static_cast<int>(outcome.kind); return ~0ull;
    }
  }
  /// The data page mapped by one 4K or 2M EPT leaf of its own, so that upper entries concern
  /// the data alone.
  void data_apart() {
    auto& memory = bench.memory;
    guest(1) = kApart | kGuestUsed | kD;
    memory[kEptRoot + 0x20 * 8] = 0x1a'0000 | kRwx | kXu;
    memory[0x1a'0000] = 0x1a'1000 | kRwx | kXu;
    memory[0x1a'1000] = 0x1a'2000 | kRwx | kXu;
    memory[0x1a'2000] = 0x77'7000 | kRwx | kXu | kWbType;
  }
  static constexpr std::uint64_t kApart = 0x20ull << 39;
  static constexpr std::uint64_t apart_entry(unsigned level) {
    return level == 4 ? kEptRoot + 0x20 * 8 : 0x1a'0000 + (3 - level) * 0x1000ull;
  }
};

TEST_F(EptFault, RightsOfEachLevelDecideAndAreReported) {
  data_apart();
  struct Row {
    std::uint64_t bits;
    std::uint64_t read, write, fetch;
  };
  constexpr std::uint64_t kMis = kMisconfigured;
  const Row rows[] = {{0, 0x181, 0x182, 0x184},    {kR, kOk, 0x18a, 0x18c},
                      {kW, kMis, kMis, kMis},      {kR | kW, kOk, kOk, 0x19c},
                      {kX, 0x1a1, 0x1a2, kOk},     {kR | kX, kOk, 0x1aa, kOk},
                      {kW | kX, kMis, kMis, kMis}, {kRwx, kOk, kOk, kOk}};
  for (unsigned level = 1; level <= 4; ++level) {
    for (const Row& row : rows) {
      SCOPED_TRACE("level " + std::to_string(level) + " bits " + std::to_string(row.bits));
      std::uint64_t& entry = bench.memory[apart_entry(level)];
      const std::uint64_t whole = entry;
      entry = (entry & ~kRwx) | row.bits;
      EXPECT_EQ(code(AccessKind::kRead), row.read);
      EXPECT_EQ(code(AccessKind::kWrite), row.write);
      EXPECT_EQ(code(AccessKind::kFetch), row.fetch);
      if (row.bits == kX) {
        context.cpu.execute_only = false;
        EXPECT_EQ(code(AccessKind::kFetch), kMis);
        context.cpu.execute_only = true;
      }
      entry = whole;
    }
  }
}

TEST_F(EptFault, AReadModifyWriteNeedsBothRightsAndReportsBoth) {
  ept_leaf() &= ~kW;
  EXPECT_EQ(code(AccessKind::kReadModifyWrite), 0x1abu);
  ept_leaf() &= ~kR;
  EXPECT_EQ(code(AccessKind::kReadModifyWrite), 0x1a3u);
  EXPECT_EQ(walk().outcome().reason, Reason::kEptNotReadable);
}

TEST_F(EptFault, ModeBasedExecuteDistinguishesUserAndSupervisorAddresses) {
  data_apart();
  for (const unsigned level : {2u, 3u}) bench.memory[ept_entry(level)] |= kXu;
  context.controls.mode_based_execute = true;
  struct Row {
    std::uint64_t bits;
    std::uint64_t read, write, supervisor, user;
  };
  const Row rows[] = {{0, 0x181, 0x182, 0x184, 0x184},
                      {kR, kOk, 0x18a, 0x18c, 0x18c},
                      {kR | kW, kOk, kOk, 0x19c, 0x19c},
                      {kX, 0x1a1, 0x1a2, kOk, 0x1a4},
                      {kXu, 0x1c1, 0x1c2, 0x1c4, kOk},
                      {kX | kXu, 0x1e1, 0x1e2, kOk, kOk},
                      {kR | kX, kOk, 0x1aa, kOk, 0x1ac},
                      {kR | kXu, kOk, 0x1ca, 0x1cc, kOk},
                      {kR | kX | kXu, kOk, 0x1ea, kOk, kOk},
                      {kRwx, kOk, kOk, kOk, 0x1bc},
                      {kR | kW | kXu, kOk, kOk, 0x1dc, kOk},
                      {kRwx | kXu, kOk, kOk, kOk, kOk},
                      {kW | kXu, kMisconfigured, kMisconfigured, kMisconfigured, kMisconfigured}};
  for (unsigned level = 1; level <= 4; ++level) {
    for (const Row& row : rows) {
      SCOPED_TRACE("level " + std::to_string(level) + " bits " + std::to_string(row.bits));
      std::uint64_t& entry = bench.memory[apart_entry(level)];
      const std::uint64_t whole = entry;
      entry = (entry & ~(kRwx | kXu)) | row.bits;
      // The address is a supervisor-mode one if any guest entry says so, whoever fetches.
      guest(1) |= kUs;
      EXPECT_EQ(code(AccessKind::kRead), row.read);
      EXPECT_EQ(code(AccessKind::kWrite), row.write);
      EXPECT_EQ(code(AccessKind::kFetch), row.user);
      request.user = false;
      EXPECT_EQ(code(AccessKind::kFetch), row.user);
      guest(1) &= ~kUs;
      EXPECT_EQ(code(AccessKind::kFetch), row.supervisor);
      request.user = true;
      if (row.bits == kXu) {
        context.cpu.execute_only = false;
        guest(1) |= kUs;
        EXPECT_EQ(code(AccessKind::kFetch), kMisconfigured);
        context.cpu.execute_only = true;
      }
      entry = whole;
    }
  }
}

TEST_F(EptFault, WithoutPagingEveryAddressIsAUserOne) {
  context.controls.mode_based_execute = true;
  context.cpu.advanced_exit_info = true;
  context.cr0 = 1;
  context.efer = 0;
  request.address = 0x1000;
  request.user = false;
  bench.memory[kEptRoot] = 0x1a'0000 | kRwx;
  bench.memory[0x1a'0000] = kRwx | kLarge;
  EXPECT_EQ(code(AccessKind::kFetch), 0x7bcu);
  request.linear = false;
  EXPECT_EQ(code(AccessKind::kFetch), kOk) << "without a linear address bit 2 decides";
  bench.memory[0x1a'0000] = (kR | kW | kXu) | kLarge;
  EXPECT_EQ(code(AccessKind::kFetch), 0x1cu) << "and bits 7 to 11 are clear";
}

TEST_F(EptFault, AdvancedInformationDescribesTheGuestsPage) {
  context.cpu.advanced_exit_info = true;
  ept_leaf() = 0;
  EXPECT_EQ(code(AccessKind::kRead), 0x781u);
  guest(3) &= ~kRw;
  EXPECT_EQ(code(AccessKind::kRead), 0x381u);
  guest(2) |= kNx;
  EXPECT_EQ(code(AccessKind::kRead), 0xb81u);
  guest(4) &= ~kUs;
  request.user = false;
  EXPECT_EQ(code(AccessKind::kRead), 0x981u);
  ept_leaf(table_page(1)) = 0;
  EXPECT_EQ(code(AccessKind::kRead), 0x81u) << "nothing of it for a paging structure";
}

TEST_F(EptFault, ReservedBitsOfPresentEntriesAreMisconfigurations) {
  data_apart();
  const auto check = [&](unsigned level, unsigned bit, bool refused) {
    SCOPED_TRACE("level " + std::to_string(level) + " bit " + std::to_string(bit));
    std::uint64_t& entry = bench.memory[apart_entry(level)];
    const std::uint64_t whole = entry;
    entry |= std::uint64_t{1} << bit;
    const FinishedWalk walked = walk(AccessKind::kRead);
    EXPECT_EQ(walked.outcome().kind == OutcomeKind::kEptMisconfiguration, refused);
    if (refused) {
      EXPECT_EQ(walked.outcome().reason, Reason::kEptReservedBit);
      EXPECT_EQ(walked.outcome().gpa, kApart + kOffset);
      EXPECT_EQ(walked.outcome().place, (Place{0, static_cast<std::uint8_t>(level)}));
      EXPECT_EQ(walked.outcome().entry_address, apart_entry(level));
      EXPECT_EQ(walked.outcome().entry, entry);
    }
    entry &= ~(kRwx | kXu);
    EXPECT_EQ(code(AccessKind::kRead), 0x181u) << "not present: nothing else is looked at";
    entry = whole;
  };
  for (const unsigned width : {46u, 51u}) {
    context.cpu.maxphyaddr = width;
    for (unsigned level = 1; level <= 4; ++level) {
      for (unsigned bit = width; bit <= 51; ++bit) check(level, bit, true);
    }
  }
}

TEST_F(EptFault, EveryWidthOfPhysicalAddressesReservesTheBitsFromItOn) {
  // A guest-physical request on tables below 4 GiB: legal for every width.
  request.linear = false;
  request.user = false;
  request.address = 0x1000;
  bench.memory[kEptRoot] = 0x1a'0000 | kRwx;
  bench.memory[0x1a'0000] = 0x1a'1000 | kRwx;
  bench.memory[0x1a'1000] = 0x1a'2000 | kRwx;
  for (unsigned width = 32; width <= 52; ++width) {
    context.cpu.maxphyaddr = width;
    for (unsigned bit = 32; bit <= 51; ++bit) {
      bench.memory[0x1a'2008] = 0x5000 | kRwx | std::uint64_t{1} << bit;
      EXPECT_EQ(code(AccessKind::kRead), bit >= width ? kMisconfigured : kOk)
          << width << ' ' << bit;
    }
  }
}

TEST_F(EptFault, EachLevelReservesItsOwnLowBits) {
  const auto expect = [&](unsigned level, std::uint64_t extra, Reason reason) {
    data_apart();
    bench.memory[apart_entry(level)] |= extra;
    const FinishedWalk walked = walk(AccessKind::kRead);
    EXPECT_EQ(walked.outcome().reason, reason) << level << ' ' << extra;
  };
  for (unsigned bit = 3; bit <= 6; ++bit) {
    for (unsigned level = 2; level <= 4; ++level) expect(level, 1u << bit, Reason::kEptReservedBit);
  }
  expect(4, 1 << 7, Reason::kEptReservedBit);
  expect(1, 1 << 7, Reason::kNone);
  expect(1, 1 << 6, Reason::kNone);
  for (unsigned bit = 12; bit <= 30; ++bit) {
    for (const unsigned level : {2u, 3u}) {
      data_apart();
      bench.memory[apart_entry(level)] = kRwx | kLarge | 6 << 3 | std::uint64_t{1} << bit;
      const Reason expected =
          bit < (level == 2 ? 21 : 30) ? Reason::kEptReservedBit : Reason::kNone;
      EXPECT_EQ(walk(AccessKind::kRead).outcome().reason, expected) << level << ' ' << bit;
    }
  }
  context.cpu.page_2m = false;
  expect(2, kLarge, Reason::kEptReservedBit);
  expect(3, kLarge | 3ull << 30,
         Reason::kEptReservedBit);  // its low frame bits are those of a table
  context.cpu.page_2m = true;
  context.cpu.page_1g = false;
  data_apart();
  bench.memory[apart_entry(3)] = 0x4000'0000 | kRwx | kLarge;
  EXPECT_EQ(walk().outcome().reason, Reason::kEptReservedBit);
}

TEST_F(EptFault, ReservedMemoryTypesOfLeavesAreMisconfigurations) {
  for (unsigned type = 0; type < 8; ++type) {
    ept_leaf() = host_page(kDataPage) | kRwx | type << 3;
    const bool reserved = type == 2 || type == 3 || type == 7;
    EXPECT_EQ(walk(AccessKind::kRead).outcome().reason,
              reserved ? Reason::kEptMemoryType : Reason::kNone)
        << type;
  }
}

TEST_F(EptFault, AMisconfiguredEntryBelowWinsOverARightMissingAbove) {
  data_apart();
  bench.memory[apart_entry(3)] &= ~kW;
  bench.memory[apart_entry(1)] |= 3 << 3;
  EXPECT_EQ(code(AccessKind::kWrite), kMisconfigured);
  bench.memory[apart_entry(2)] &= ~(kRwx | kXu);
  EXPECT_EQ(code(AccessKind::kWrite), 0x182u) << "an absent entry hides it";
}

TEST_F(EptFault, AccessesToGuestTablesAreReadsOrReadsAndWrites) {
  struct Row {
    std::uint64_t bits;
    bool flags;
    std::uint64_t guest_flags;
    std::uint64_t expected;
  };
  const Row rows[] = {
      {0, false, kA | kD, 0x81}, {0, true, kA | kD, 0x83},  {kR, false, 0, 0x8b},
      {kR, false, kA | kD, kOk}, {kR, true, 0, 0x8b},       {kR, true, kA, 0x8b},
      {kR, true, kA | kD, 0x8b}, {kR | kX, false, 0, 0xab}, {kR | kX, true, kA | kD, 0xab},
      {kR | kW, false, 0, kOk},  {kRwx, true, 0, kOk},      {kX, false, kA | kD, 0xa1},
  };
  for (const Row& row : rows) {
    for (const AccessKind access : {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch}) {
      SCOPED_TRACE(std::to_string(row.bits) + " flags " + std::to_string(row.flags) + " guest " +
                   std::to_string(row.guest_flags));
      context.eptp = kEptRoot | 3 << 3 | 6 | (row.flags ? 1 << 6 : 0);
      ept_leaf(table_page(1)) = host_page(table_page(1)) | kWbType | row.bits;
      guest(1) = guest_page(kDataPage) | kP | kRw | kUs | row.guest_flags;
      EXPECT_EQ(code(access), row.expected);
    }
  }
}

TEST_F(EptFault, ARefusedUpdateOfAGuestEntryNamesTheLeafOfItsPage) {
  ept_leaf(table_page(2)) &= ~kW;
  guest(2) &= ~kA;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().qualification, 0xabu);
  EXPECT_EQ(walked.outcome().gpa, guest_entry_gpa(2));
  EXPECT_EQ(walked.outcome().place, (Place{2, 1}));
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(1, table_page(2)));
  EXPECT_EQ(walked.outcome().entry, ept_leaf(table_page(2)));
  EXPECT_EQ(walked.outcome().reason, Reason::kEptNotWritable);
  EXPECT_EQ(walked.response.references, 15u);
  EXPECT_TRUE(walked.swaps().empty());
}

TEST_F(EptFault, AMissingRightIsThatOfTheUppermostEntryThatLacksOne) {
  bench.memory[ept_entry(3)] &= ~kX;
  bench.memory[ept_entry(2)] &= ~kW;
  ept_leaf() &= ~(kR | kW);
  FinishedWalk walked = walk(AccessKind::kReadModifyWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptNotWritable);
  EXPECT_EQ(walked.outcome().place, (Place{0, 2}));
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(2));
  EXPECT_EQ(walked.outcome().entry, bench.memory[ept_entry(2)]);
  EXPECT_EQ(walked.outcome().qualification, 0x183u);
  bench.memory[ept_entry(2)] |= kW;
  walked = walk(AccessKind::kReadModifyWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptNotReadable) << "the first of one entry";
  EXPECT_EQ(walked.outcome().place, (Place{0, 1}));
  walked = walk(AccessKind::kFetch);
  EXPECT_EQ(walked.outcome().place, (Place{0, 3}));
}

TEST_F(EptFault, ARefusedUpdateNamesTheUppermostEntryThatIsNotWritable) {
  bench.memory[ept_entry(3)] &= ~kW;
  ept_leaf(table_page(4)) &= ~kW;
  guest(4) &= ~kA;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().reason, Reason::kEptNotWritable);
  EXPECT_EQ(walked.outcome().place, (Place{4, 3}));
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(3));
  EXPECT_EQ(walked.outcome().entry, bench.memory[ept_entry(3)]);
}

TEST_F(EptFault, ADirtyFlagThatMayNotBeSetIsAViolationOfWritesOnly) {
  ept_leaf(table_page(1)) &= ~kW;
  guest(1) &= ~kD;
  EXPECT_EQ(code(AccessKind::kRead), kOk);
  EXPECT_EQ(code(AccessKind::kWrite), 0xabu);
  guest(1) &= ~kRw;
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kPageFault)
      << "the guest's rights come first";
}

TEST_F(EptFault, EveryPlaceReportsItsOwnAddress) {
  for (unsigned guest_level = 0; guest_level <= 4; ++guest_level) {
    const unsigned page = guest_level == 0 ? kDataPage : table_page(guest_level);
    std::uint64_t& entry = ept_leaf(page);
    const std::uint64_t whole = entry;
    entry &= ~kRwx;
    const FinishedWalk walked = walk(AccessKind::kRead);
    EXPECT_EQ(walked.outcome().gpa,
              guest_level == 0 ? guest_page(kDataPage) + kOffset : guest_entry_gpa(guest_level));
    EXPECT_EQ(walked.outcome().qualification, guest_level == 0 ? 0x181u : 0x81u);
    EXPECT_EQ(walked.outcome().place, (Place{static_cast<std::uint8_t>(guest_level), 1}));
    EXPECT_EQ(walked.response.references, 4 + 5 * (4 - guest_level));
    EXPECT_EQ(walked.transfers.size(), walked.response.references);
    EXPECT_EQ(walked.outcome().reason, Reason::kEptNotPresent);
    entry = whole;
  }
}

TEST_F(EptFault, AddressesTooWideForFourLevelsAreViolationsWithoutAReference) {
  context.cpu.maxphyaddr = 52;
  guest(1) = 0x1'0000'0000'0000 | kGuestUsed | kD;
  FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptAddressTooWide);
  EXPECT_EQ(walked.outcome().qualification, 0x182u);
  EXPECT_EQ(walked.outcome().gpa, 0x1'0000'0000'0000 + kOffset);
  EXPECT_EQ(walked.response.references, 20u);

  guest(3) = 0x8'0000'0000'0000 | kGuestUsed;
  ept_flags_on();
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().qualification, 0x83u);
  EXPECT_EQ(walked.outcome().gpa, 0x8'0000'0000'0000 + kIndex[2] * 8);

  context.cr3 = 0x2'0000'0000'0000;
  walked = walk(AccessKind::kFetch);
  EXPECT_EQ(walked.outcome().qualification, 0x83u);
  EXPECT_EQ(walked.outcome().gpa, 0x2'0000'0000'0000 + kIndex[4] * 8);
  EXPECT_EQ(walked.response.references, 0u);
  EXPECT_EQ(walked.response_valid, walked.request_taken + 2);

  request.linear = false;
  request.user = false;
  request.address = 0x4'0000'0000'0123;
  walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.outcome().qualification, 1u);
  EXPECT_FALSE(walked.outcome().linear_valid);
  EXPECT_EQ(walked.outcome().gpa, 0x4'0000'0000'0123u);
}

}  // namespace
}  // namespace eptsim::tb
