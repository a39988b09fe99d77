#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// EPT paging-write control and guest-paging verification (SDM 31.3.3.2).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint64_t kVerify = 1ull << 57, kPagingWrite = 1ull << 58;

class PagingWrite : public NestedTables {
 protected:
  PagingWrite() { context.controls.paging_write = true; }
  std::uint64_t code(AccessKind access = AccessKind::kRead) {
    const FinishedWalk walked = walk(access);
    return walked.outcome().kind == OutcomeKind::kTranslated ? 0 : walked.outcome().qualification;
  }
};

TEST_F(PagingWrite, ALeafMayBeOpenToWritesOfTheWalkerAlone) {
  ept_leaf(table_page(1)) &= ~kW;
  guest(1) &= ~kA;
  EXPECT_EQ(code(), 0xabu);
  ept_leaf(table_page(1)) |= kPagingWrite;
  EXPECT_EQ(code(), 0u);
  EXPECT_NE(guest(1) & kA, 0u);
  guest(1) &= ~kA;
  context.controls.paging_write = false;
  EXPECT_EQ(code(), 0xabu) << "without the control the bit is ignored";
}

TEST_F(PagingWrite, WithEptFlagsItServesEveryAccessToAGuestTable) {
  ept_flags_on();
  ept_leaf(table_page(3)) &= ~kW;
  EXPECT_EQ(code(), 0xabu);
  ept_leaf(table_page(3)) |= kPagingWrite;
  EXPECT_EQ(code(), 0u);
  EXPECT_NE(ept_leaf(table_page(3)) & kEptD, 0u) << "it is a write";
}

TEST_F(PagingWrite, EntriesAboveTheLeafStillNeedWriteAccess) {
  guest(4) &= ~kA;
  ept_leaf(table_page(4)) |= kPagingWrite;
  bench.memory[ept_entry(2)] &= ~kW;
  const FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.outcome().qualification, 0xabu);
  EXPECT_EQ(walked.outcome().place, (Place{4, 2}));
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(2));
}

TEST_F(PagingWrite, TheDataPageGainsNothing) {
  ept_leaf() = (ept_leaf() | kPagingWrite) & ~kW;
  EXPECT_EQ(code(AccessKind::kWrite), 0x1aau);
  EXPECT_TRUE(walk(AccessKind::kRead).outcome().ept_rights.paging_write);
}

TEST_F(PagingWrite, ALeafWithoutReadAccessMustNotHaveTheBit) {
  ept_leaf() = host_page(kDataPage) | kWbType | kX | kPagingWrite;
  FinishedWalk walked = walk(AccessKind::kFetch);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptPagingWriteWithoutRead);
  context.controls.paging_write = false;
  EXPECT_EQ(code(AccessKind::kFetch), 0u);
  context.controls.paging_write = true;
  ept_leaf() &= ~kPagingWrite;
  bench.memory[ept_entry(2)] |= kPagingWrite;
  EXPECT_EQ(code(AccessKind::kFetch), 0u) << "an entry that maps no page has no such bit";
}

class Verification : public PagingWrite {
 protected:
  Verification() {
    context.controls.guest_paging_verification = true;
    for (unsigned level = 1; level <= 4; ++level) ept_leaf(table_page(level)) |= kPagingWrite;
    ept_leaf() |= kVerify;
  }
};

TEST_F(Verification, EveryGuestTableMustBeOnAPageWithPagingWriteAccess) {
  EXPECT_EQ(code(), 0u);
  for (unsigned level = 1; level <= 4; ++level) {
    ept_leaf(table_page(level)) &= ~kPagingWrite;
    const FinishedWalk walked = walk(AccessKind::kRead);
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kEptViolation) << level;
    EXPECT_EQ(walked.outcome().qualification, 0x81b9u);
    EXPECT_EQ(walked.outcome().reason, Reason::kEptPagingVerification);
    EXPECT_EQ(walked.outcome().place, (Place{0, 1}));
    EXPECT_EQ(walked.outcome().entry, ept_leaf());
    ept_leaf(table_page(level)) |= kPagingWrite;
  }
}

TEST_F(Verification, ItNeedsBothControlsAndTheLeafsBit) {
  ept_leaf(table_page(3)) &= ~kPagingWrite;
  EXPECT_EQ(code(), 0x81b9u);
  context.controls.paging_write = false;
  EXPECT_EQ(code(), 0u);
  context.controls.paging_write = true;
  context.controls.guest_paging_verification = false;
  EXPECT_EQ(code(), 0u);
  context.controls.guest_paging_verification = true;
  ept_leaf() &= ~kVerify;
  EXPECT_EQ(code(), 0u);
}

TEST_F(Verification, AMissingRightComesFirst) {
  ept_leaf(table_page(3)) &= ~kPagingWrite;
  ept_leaf() &= ~kW;
  EXPECT_EQ(code(AccessKind::kWrite), 0x1aau);
}

TEST_F(Verification, TheLeafOfAGuestTableIsNotLookedAt) {
  ept_leaf(table_page(2)) = (ept_leaf(table_page(2)) | kVerify);
  ept_leaf(table_page(3)) &= ~kPagingWrite;
  ept_leaf() &= ~kVerify;
  EXPECT_EQ(code(), 0u);
}

TEST_F(Verification, WithoutGuestTablesItNeverFails) {
  request.linear = false;
  request.user = false;
  request.address = guest_page(kDataPage);
  EXPECT_EQ(code(), 0u);
}

}  // namespace
}  // namespace eptsim::tb
