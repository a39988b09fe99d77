#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::MemoryRequest;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;
using mmu::StepKind;

class AccessedDirty : public NestedTables {
 protected:
  /// Software stores `value` at `address` just before the walk's swap there reaches memory, once.
  void race(std::uint64_t address, std::uint64_t value) {
    raced = false;
    bench.meanwhile = [this, address, value](const MemoryRequest& asked) {
      if (!raced && asked.kind == StepKind::kCompareExchange && asked.address == address) {
        bench.memory[address] = value;
        raced = true;
      }
    };
  }
  /// The entries that swaps were made on, in order.
  static std::vector<std::uint64_t> swapped(const FinishedWalk& walked) {
    std::vector<std::uint64_t> result;
    for (const Transfer& swap : walked.swaps()) result.push_back(swap.request.address);
    return result;
  }
  bool raced = false;
};

TEST_F(AccessedDirty, GuestFlagsAreSetAsEachEntryIsUsedAndDirtyAfterTheRights) {
  for (unsigned level = 1; level <= 4; ++level) guest(level) &= ~(kA | kD);
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(walked.outcome().dirty);
  EXPECT_EQ(walked.response.references, 24u);
  ASSERT_EQ(walked.transfers.size(), 29u);
  // Each swap follows the read of its entry; the leaf has two.
  for (const auto& [position, level, bit] :
       {std::tuple{5u, 4u, kA}, {11u, 3u, kA}, {17u, 2u, kA}, {23u, 1u, kA}, {24u, 1u, kD}}) {
    const MemoryRequest& swap = walked.transfers[position].request;
    EXPECT_EQ(swap.kind, StepKind::kCompareExchange) << position;
    EXPECT_EQ(swap.address, guest_entry(level)) << position;
    EXPECT_EQ(swap.place, (Place{static_cast<std::uint8_t>(level), 0})) << position;
    EXPECT_EQ(swap.desired, swap.expected | bit) << position;
    EXPECT_EQ(swap.expected & bit, 0u) << position;
  }
  EXPECT_EQ(guest(1), guest_page(kDataPage) | kGuestUsed | kD);
  EXPECT_EQ(guest(2) & (kA | kD), kA);
  EXPECT_EQ(walked.response.cycles, 29u * 5 + 1);
}

TEST_F(AccessedDirty, AReadSetsNoDirtyFlagAndAFaultOnRightsSetsAccessedOnly) {
  guest(1) &= ~(kA | kD);
  FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(guest(1) & (kA | kD), kA);
  EXPECT_FALSE(walked.outcome().dirty);
  guest(1) &= ~(kA | kRw);
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPageFault);
  EXPECT_EQ(guest(1) & (kA | kD), kA);
  EXPECT_EQ(walked.outcome().entry, guest(1)) << "with the flag that has been set";
}

TEST_F(AccessedDirty, EntriesThatAreRefusedGetNoFlag) {
  guest(1) = (guest(1) & ~kA) | 1ull << 50;
  EXPECT_EQ(walk().outcome().kind, OutcomeKind::kPageFault);
  EXPECT_EQ(guest(1) & kA, 0u);
  guest(1) &= ~(kP | 1ull << 50);
  EXPECT_TRUE(walk().swaps().empty());
}

TEST_F(AccessedDirty, EptFlagsAreSetFromTheRootToTheLeafOnceTheAccessIsAllowed) {
  ept_flags_on();
  const FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.response.references, 24u);
  // Upper entries are shared and set once; each leaf of a guest table gets A and D in one swap.
  const std::vector<std::uint64_t> expected = {
      ept_entry(4),    ept_entry(3),    ept_entry(2),    ept_entry(1, 2),
      ept_entry(1, 3), ept_entry(1, 4), ept_entry(1, 5), ept_entry(1, kDataPage)};
  EXPECT_EQ(swapped(walked), expected);
  EXPECT_EQ(walked.transfers[4].request.place, (Place{4, 4}));
  EXPECT_EQ(walked.transfers[7].request.place, (Place{4, 1}));
  for (unsigned level = 2; level <= 4; ++level) {
    EXPECT_EQ(bench.memory[ept_entry(level)] & (kEptA | kEptD), kEptA);
  }
  for (unsigned page = 2; page <= 5; ++page) {
    EXPECT_EQ(ept_leaf(page) & (kEptA | kEptD), kEptA | kEptD);
  }
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), kEptA);
  EXPECT_FALSE(walked.outcome().dirty) << "the EPT's flag is missing";

  const FinishedWalk again = walk(AccessKind::kWrite);
  EXPECT_EQ(swapped(again), std::vector<std::uint64_t>{ept_entry(1, kDataPage)});
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_TRUE(again.outcome().dirty);
  EXPECT_TRUE(walk(AccessKind::kRead).swaps().empty());
}

TEST_F(AccessedDirty, AViolationOfTheDataLeavesItsEptFlagsAlone) {
  ept_flags_on();
  ept_leaf() &= ~kW;
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), 0u);
  EXPECT_EQ(ept_leaf(table_page(1)) & (kEptA | kEptD), kEptA | kEptD);
}

TEST_F(AccessedDirty, WithoutTheEptpBitNoEptFlagIsTouched) {
  EXPECT_TRUE(walk(AccessKind::kWrite).swaps().empty());
}

TEST_F(AccessedDirty, AWordFoundWithItsFlagSetIsGoneOnWith) {
  guest(2) &= ~kA;
  race(guest_entry(2), guest(2) | kA);
  const FinishedWalk walked = walk();
  EXPECT_TRUE(raced);
  EXPECT_EQ(walked.swaps().size(), 1u);
  EXPECT_EQ(walked.response.references, 24u);
  EXPECT_EQ(walked.outcome().hpa, host_page(kDataPage) + kOffset);
}

TEST_F(AccessedDirty, AWordFoundByAFailedSwapIsJudgedAnew) {
  guest(2) &= ~kA;
  const std::uint64_t whole = guest(2);
  race(guest_entry(2), whole & ~kP);
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().reason, Reason::kGuestNotPresent);
  EXPECT_EQ(walked.outcome().entry, whole & ~kP);
  EXPECT_EQ(walked.response.references, 15u);

  guest(2) = whole;
  race(guest_entry(2), whole | 1ull << 50);
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestReservedBit);

  guest(2) = whole;  // without its flag again: a second swap, expecting what was found
  race(guest_entry(2), whole | 1ull << 9);
  walked = walk();
  ASSERT_EQ(walked.swaps().size(), 2u);
  EXPECT_EQ(walked.swaps()[1].request.expected, whole | 1ull << 9);
  EXPECT_EQ(guest(2), whole | 1ull << 9 | kA);

  guest(2) = whole;  // now a page of 2 MiB
  race(guest_entry(2), kGuestBase | kGuestUsed | kLarge);
  walked = walk();
  EXPECT_EQ(walked.outcome().guest_page_size, arch::PageSize::k2M);
  EXPECT_EQ(walked.response.references, 19u);
}

TEST_F(AccessedDirty, AFailedSwapOfTheDirtyFlagJudgesRightsAndAccessedFlagAgain) {
  const std::uint64_t clean = guest(1) & ~kD;
  guest(1) = clean;
  race(guest_entry(1), clean & ~kRw);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().reason, Reason::kGuestNotWritable);

  guest(1) = clean;
  race(guest_entry(1), clean & ~kA);
  FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.swaps().size(), 3u) << "dirty fails, accessed, dirty";
  EXPECT_EQ(guest(1), clean | kD);

  guest(1) = clean;  // another frame
  race(guest_entry(1), guest_page(77) | kGuestUsed);
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().hpa, host_page(77) + kOffset);
  EXPECT_EQ(walked.response.references, 24u);

  // A right that an upper level lacks is not forgotten.
  guest(3) &= ~kUs;
  guest(1) = clean;
  request.user = false;
  context.cr4 |= 1 << 21;  // SMAP: the page is a supervisor's only by its level 3
  race(guest_entry(1), clean | 1 << 9);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kTranslated);
}

TEST_F(AccessedDirty, AFailedSwapOfAnUpperEptEntryReadsTheLowerOnesAnew) {
  ept_flags_on();
  bench.memory[kEptRoot + 0x7000 + 7 * 8] = (kEptRoot + 0x8000) | kRwx | kEptA;
  for (unsigned page = 0; page < 16; ++page) {
    bench.memory[kEptRoot + 0x8000 + page * 8] = ept_leaf(page) | kEptA | kEptD;
  }
  race(ept_entry(3), (kEptRoot + 0x7000) | kRwx | kEptA);
  const FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(swapped(walked), (std::vector<std::uint64_t>{ept_entry(4), ept_entry(3)}));
  EXPECT_EQ(walked.transfers[6].request.address, kEptRoot + 0x7000 + 7 * 8);
  EXPECT_EQ(walked.transfers[6].request.place, (Place{4, 2}));
  EXPECT_EQ(walked.transfers[7].request.address, kEptRoot + 0x8000 + 2 * 8);
  EXPECT_EQ(walked.transfers[8].request.address, guest_entry(4));
  EXPECT_EQ(walked.response.references, 26u) << "two entries were read twice";
  EXPECT_EQ(walked.outcome().hpa, host_page(kDataPage) + kOffset);
}

TEST_F(AccessedDirty, AFailedSwapOfAnEptLeafJudgesItAndItsRightsAnew) {
  ept_flags_on();
  const std::uint64_t whole = ept_leaf();
  race(ept_entry(1, kDataPage), whole & ~kW);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().qualification, 0x1aau);

  ept_leaf() = whole;
  race(ept_entry(1, kDataPage), whole | 3 << 3);
  FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(walked.outcome().entry, whole | 3 << 3);

  ept_leaf() = whole;
  race(ept_entry(1, kDataPage), 0);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().qualification, 0x182u);

  ept_leaf() = whole;  // another frame, half of its flags
  race(ept_entry(1, kDataPage), 0x55'5000 | kRwx | kWbType | kEptA);
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().hpa, 0x55'5000 + kOffset);
  EXPECT_EQ(ept_leaf(), 0x55'5000 | kRwx | kWbType | kEptA | kEptD);
  EXPECT_EQ(walked.response.references, 24u);

  // A right that an upper level lacks is not forgotten.
  ept_leaf() = whole;
  guest(1) = 0x20ull << 39 | kGuestUsed | kD;
  bench.memory[kEptRoot + 0x20 * 8] = 0x1a'0000 | kR | kW;
  bench.memory[0x1a'0000] = 0x9'4000'0000 | kRwx | kLarge | kWbType;
  race(0x1a'0000, 0x8'0000'0000 | kRwx | kLarge | kWbType);
  walked = walk(AccessKind::kWrite);
  EXPECT_TRUE(raced);
  EXPECT_EQ(walked.outcome().hpa, 0x8'0000'0000 + kOffset);
  EXPECT_EQ(walked.outcome().ept_rights, (mmu::EptRights{.read = true,
                                                         .write = true,
                                                         .execute = false,
                                                         .user_execute = false,
                                                         .supervisor_shadow_stack = false}));
}

TEST_F(AccessedDirty, AnEptEntryThatIsItsOwnTableIsSetOnce) {
  ept_flags_on();
  request.linear = false;
  request.user = false;
  // Index 0 at every level: one entry is all four levels.
  request.address = 0xabc;
  bench.memory[kEptRoot] = kEptRoot | kRwx;
  const FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.outcome().hpa, kEptRoot + 0xabc);
  // The root's swap succeeds; each of the others finds the flag set, and nothing is read anew.
  EXPECT_EQ(walked.swaps().size(), 4u);
  EXPECT_EQ(walked.response.references, 4u);
}

}  // namespace
}  // namespace eptsim::tb
