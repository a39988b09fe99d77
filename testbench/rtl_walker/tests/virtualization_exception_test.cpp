#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// EPT violations that become virtualization exceptions (SDM 28.5.7).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;

constexpr std::uint64_t kArea = 0x51'7654'3000;
constexpr std::uint64_t kSuppress = 1ull << 63;

class VirtualizationException : public NestedTables {
 protected:
  VirtualizationException() {
    context.controls.ept_violation_ve = true;
    context.ve_info_address = kArea;
    context.eptp_index = 0xabcd;
    ept_leaf() &= ~kW;
  }
  OutcomeKind kind(AccessKind access = AccessKind::kWrite) { return walk(access).outcome().kind; }
};

TEST_F(VirtualizationException, TheInformationIsStoredFieldByFieldWhereTheAreaIsFree) {
  bench.memory[kArea] = 0x1111;  // the area is free though this doubleword is not zero
  const FinishedWalk walked = walk(AccessKind::kWrite);
  ASSERT_EQ(walked.transfers.size(), 31u);
  const mmu::MemoryRequest& load = walked.transfers[24].request;
  EXPECT_EQ(load.kind, mmu::StepKind::kLoad);
  EXPECT_EQ(load.address, kArea + 4);
  EXPECT_EQ(load.size, 4u);
  EXPECT_EQ(load.place, (Place{0, 1}));
  const struct {
    std::uint64_t offset;
    unsigned size;
    std::uint64_t value;
  } fields[] = {{0, 4, 48},
                {4, 4, 0xffff'ffff},
                {8, 8, 0x1aa},
                {16, 8, kLinear},
                {24, 8, guest_page(kDataPage) + kOffset},
                {32, 2, 0xabcd}};
  for (unsigned i = 0; i < 6; ++i) {
    const mmu::MemoryRequest& store = walked.transfers[25 + i].request;
    EXPECT_EQ(store.kind, mmu::StepKind::kWrite);
    EXPECT_EQ(store.address, kArea + fields[i].offset);
    EXPECT_EQ(store.size, fields[i].size);
    EXPECT_EQ(store.desired, fields[i].value);
  }
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kVirtualizationException);
  EXPECT_EQ(walked.outcome().qualification, 0x1aau);
  EXPECT_EQ(walked.outcome().gpa, guest_page(kDataPage) + kOffset);
  EXPECT_TRUE(walked.outcome().linear_valid);
  EXPECT_EQ(walked.outcome().entry, ept_leaf());
  EXPECT_EQ(walked.response.references, 24u) << "of the tables only";
  EXPECT_EQ(walked.response.cycles, 31 * (bench.latency + 1) + 1);
}

TEST_F(VirtualizationException, ABusyAreaLeavesTheViolation) {
  bench.memory[kArea] = 1ull << 63;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(walked.outcome().qualification, 0x1aau);
  EXPECT_EQ(walked.transfers.size(), 25u);
  EXPECT_EQ(walked.response.cycles, 25 * (bench.latency + 1) + 1);
}

TEST_F(VirtualizationException, TheLeafOrTheAbsentEntryMaySuppressIt) {
  ept_leaf() |= kSuppress;
  EXPECT_EQ(kind(), OutcomeKind::kEptViolation);
  ept_leaf() = kSuppress;
  EXPECT_EQ(kind(), OutcomeKind::kEptViolation);
  ept_leaf() = 0x10;
  EXPECT_EQ(kind(), OutcomeKind::kVirtualizationException);
  bench.memory[kArea] = 0;
  ept_leaf() = host_page(kDataPage) | kWbType | kR;
  bench.memory[ept_entry(2)] |= kSuppress;
  EXPECT_EQ(kind(), OutcomeKind::kVirtualizationException)
      << "the bit of an entry that refers to a table is ignored";
}

TEST_F(VirtualizationException, AViolationAtAGuestTableIsOneToo) {
  ept_leaf(table_page(2)) &= ~kW;
  guest(2) &= ~kA;
  FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kVirtualizationException);
  EXPECT_EQ(walked.outcome().qualification, 0xabu);
  EXPECT_EQ(bench.memory[kArea + 24], guest_entry_gpa(2));
  ept_leaf(table_page(2)) |= kSuppress;
  bench.memory[kArea] = 0;
  EXPECT_EQ(kind(AccessKind::kRead), OutcomeKind::kEptViolation);
}

TEST_F(VirtualizationException, OtherEndsOfAWalkAreNot) {
  ept_leaf() = host_page(kDataPage) | kW;
  EXPECT_EQ(kind(), OutcomeKind::kEptMisconfiguration);
  request.linear = false;
  request.user = false;
  request.address = 1ull << 48;
  context.cpu.maxphyaddr = 52;
  EXPECT_EQ(kind(), OutcomeKind::kEptViolation) << "no entry of a 4-level EPT decided";
}

TEST_F(VirtualizationException, ItNeedsTheControlAndProtectedMode) {
  context.controls.ept_violation_ve = false;
  EXPECT_EQ(kind(), OutcomeKind::kEptViolation);
  context.controls.ept_violation_ve = true;
  context.cr0 = 0;
  context.efer = 0;
  request.address = 0x1678;
  EXPECT_EQ(kind(), OutcomeKind::kEptViolation);
}

TEST_F(VirtualizationException, WithoutALinearAddressItsFieldIsZero) {
  request.linear = false;
  request.user = false;
  request.address = guest_page(kDataPage);
  bench.memory[kArea + 16] = 0x5555;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kVirtualizationException);
  EXPECT_EQ(bench.memory[kArea + 16], 0u);
  EXPECT_FALSE(walked.outcome().linear_valid);
}

}  // namespace
}  // namespace eptsim::tb
