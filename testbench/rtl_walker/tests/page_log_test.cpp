#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// Page-modification logging (SDM 31.3.6).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint64_t kLog = 0x6f'1234'5000;

class PageLog : public NestedTables {
 protected:
  PageLog() {
    ept_flags_on();
    context.controls.pml = true;
    context.pml_address = kLog;
    context.pml_index = 511;
    request.linear = false;
    request.user = false;
    request.address = guest_page(kDataPage) + kOffset;
    for (unsigned level = 4; level > 1; --level) bench.memory[ept_entry(level)] |= kEptA;
    ept_leaf() |= kEptA;
  }
};

TEST_F(PageLog, ADirtyFlagThatIsSetIsLoggedBeforeTheWalkGoesOn) {
  const FinishedWalk walked = walk(AccessKind::kWrite);
  ASSERT_EQ(walked.transfers.size(), 6u);
  EXPECT_EQ(walked.transfers[4].request.kind, mmu::StepKind::kCompareExchange);
  const mmu::MemoryRequest& store = walked.transfers[5].request;
  EXPECT_EQ(store.kind, mmu::StepKind::kWrite);
  EXPECT_EQ(store.size, 8u);
  EXPECT_EQ(store.address, kLog + 511 * 8);
  EXPECT_EQ(store.desired, guest_page(kDataPage));
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(walked.response.pml_index, 510u);
  EXPECT_EQ(walked.response.references, 4u) << "a store is none";
  EXPECT_EQ(walked.response.cycles, 6 * (bench.latency + 1) + 1);
}

TEST_F(PageLog, NothingIsLoggedWithoutADirtyFlagToSet) {
  EXPECT_EQ(walk(AccessKind::kRead).response.pml_index, 511u);
  ept_leaf() &= ~kEptA;
  FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.swaps().size(), 1u);
  EXPECT_TRUE(walked.stores().empty());
  ept_leaf() |= kEptD;
  context.pml_index = 0x8000;
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(walked.response.pml_index, 0x8000u);
}

TEST_F(PageLog, AfterTheLowestEntryTheIndexWrapsAndTheNextFlagFindsTheLogFull) {
  context.pml_index = 0;
  EXPECT_EQ(walk(AccessKind::kWrite).stores()[0].request.address, kLog);
  ept_leaf() &= ~kEptD;
  EXPECT_EQ(walk(AccessKind::kWrite).response.pml_index, 0xffffu);
  ept_leaf() &= ~kEptA;
  context.pml_index = 0xffff;
  const FinishedWalk walked = walk(AccessKind::kRead);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPmlFull) << "for the accessed flag too";
  EXPECT_EQ(walked.outcome().reason, Reason::kPmlIndex);
  EXPECT_EQ(walked.outcome().qualification, 0u);
  EXPECT_EQ(walked.outcome().gpa, request.address);
  EXPECT_EQ(walked.response.pml_index, 0xffffu);
  EXPECT_TRUE(walked.swaps().empty());
}

TEST_F(PageLog, AFullLogIsNamedByTheFirstEntryThatLacksAFlag) {
  context.pml_index = 512;
  bench.memory[ept_entry(3)] &= ~kEptA;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPmlFull);
  EXPECT_EQ(walked.outcome().place, (Place{0, 3}));
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(3));
  EXPECT_EQ(walked.outcome().entry, bench.memory[ept_entry(3)]);
}

TEST_F(PageLog, AViolationComesBeforeAFullLog) {
  context.pml_index = 512;
  ept_leaf() &= ~(kW | kEptA);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kEptViolation);
}

TEST_F(PageLog, PagesOfGuestTablesAreLoggedAsTheyAreUsed) {
  request.linear = true;
  request.address = kLinear;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  const auto stores = walked.stores();
  ASSERT_EQ(stores.size(), 5u);
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(stores[i].request.address, kLog + (511 - i) * 8);
    EXPECT_EQ(stores[i].request.desired, guest_page(table_page(4 - i)));
  }
  EXPECT_EQ(stores[4].request.desired, guest_page(kDataPage));
  EXPECT_EQ(walked.response.pml_index, 506u);
}

TEST_F(PageLog, ASwapThatFailsLogsNothing) {
  bool raced = false;
  bench.meanwhile = [&](const mmu::MemoryRequest& memory_request) {
    if (memory_request.kind != mmu::StepKind::kCompareExchange || raced) return;
    raced = true;
    ept_leaf() |= kEptD;
  };
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_TRUE(raced);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(walked.stores().empty());
  EXPECT_EQ(walked.response.pml_index, 511u);
}

TEST_F(PageLog, WithoutEptFlagsThereIsNothingToLog) {
  context.eptp &= ~(1ull << 6);
  context.pml_index = 512;
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kTranslated);
}

}  // namespace
}  // namespace eptsim::tb
