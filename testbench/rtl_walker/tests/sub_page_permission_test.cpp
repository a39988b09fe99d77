#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// Sub-page write permissions (SDM 31.3.4).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint64_t kSubPages = 1ull << 61;
constexpr std::uint64_t kSppRoot = 0x50'0000;

/// The data page is writable as its sub-pages say.
class SubPagePermission : public NestedTables {
 protected:
  SubPagePermission() {
    context.controls.sub_page_permission = true;
    context.sppt_pointer = kSppRoot;
    ept_leaf() = (ept_leaf() | kSubPages) & ~kW;
    bench.memory[entry(4)] = (kSppRoot + 0x1000) | 1;
    bench.memory[entry(3)] = (kSppRoot + 0x2000) | 1;
    bench.memory[entry(2)] = (kSppRoot + 0x3000) | 1;
    bench.memory[entry(1)] = part(kOffset >> 7);
    guest(1) |= kD;
  }
  static constexpr std::uint64_t entry(unsigned level) {
    return kSppRoot + (4 - level) * 0x1000ull +
           ((guest_page(kDataPage) >> (12 + 9 * (level - 1))) & 511) * 8;
  }
  static constexpr std::uint64_t part(std::uint64_t number) { return 1ull << (2 * number); }
  Reason refusal() { return walk(AccessKind::kWrite).outcome().reason; }
};

TEST_F(SubPagePermission, FourMoreReferencesOpenAWrite) {
  bench.latency = 4;
  const FinishedWalk read = walk(AccessKind::kRead);
  const FinishedWalk write = walk(AccessKind::kWrite);
  EXPECT_EQ(write.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_FALSE(write.outcome().ept_rights.write) << "the page itself stays closed";
  EXPECT_EQ(write.response.references, 24u + 4);
  EXPECT_EQ(write.response.cycles, read.response.cycles + 4 * (bench.latency + 1));
  for (unsigned level = 4; level >= 1; --level) {
    const Transfer& transfer = write.transfers[28 - level];
    EXPECT_EQ(transfer.request.place, (Place{.spp_level = static_cast<std::uint8_t>(level)}));
    EXPECT_EQ(transfer.request.address, entry(level));
  }
  EXPECT_EQ(read.response.references, 24u) << "reads ask nothing of them";
}

TEST_F(SubPagePermission, EachPartThatTheWriteTouchesMustBeOpen) {
  request.size = 8;  // 0x678 to 0x67f
  EXPECT_EQ(refusal(), Reason::kNone);
  request.size = 9;  // and the first byte of the next part
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptNotWritable);
  EXPECT_EQ(walked.outcome().qualification, 0x1aau);
  EXPECT_EQ(walked.outcome().place, (Place{0, 1})) << "the entry without write access";
  EXPECT_EQ(walked.outcome().entry_address, ept_entry(1, kDataPage));
  bench.memory[entry(1)] |= part((kOffset >> 7) + 1);
  EXPECT_EQ(refusal(), Reason::kNone);
}

TEST_F(SubPagePermission, ATableMayMissAPageOrBeMalformed) {
  bench.memory[entry(3)] &= ~std::uint64_t{1};
  FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kSppEvent);
  EXPECT_EQ(walked.outcome().reason, Reason::kSppMiss);
  EXPECT_EQ(walked.outcome().qualification, 0x800u);
  EXPECT_TRUE(walked.outcome().linear_valid);
  EXPECT_EQ(walked.outcome().gpa, guest_page(kDataPage) + kOffset);
  EXPECT_EQ(walked.outcome().place, (Place{.spp_level = 3}));
  EXPECT_EQ(walked.outcome().entry_address, entry(3));

  bench.memory[entry(3)] |= 1 | 1 << 11;
  walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kSppMisconfiguration);
  EXPECT_EQ(walked.outcome().qualification, 0u);
  bench.memory[entry(3)] &= ~(std::uint64_t{1} << 11);
  bench.memory[entry(1)] |= 2;
  EXPECT_EQ(refusal(), Reason::kSppMisconfiguration) << "every other bit of a vector is reserved";
}

TEST_F(SubPagePermission, OnlyWantOfWriteAccessAsks) {
  ept_leaf() &= ~kSubPages;
  EXPECT_EQ(refusal(), Reason::kEptNotWritable);
  ept_leaf() |= kSubPages;
  ept_leaf() &= ~kR;
  EXPECT_EQ(refusal(), Reason::kEptNotWritable) << "a page that can't be read has no sub-pages";
  ept_leaf() |= kR | kW;
  bench.memory[ept_entry(2)] &= ~kW;
  EXPECT_EQ(refusal(), Reason::kNone) << "whatever level lacks it";
  context.controls.sub_page_permission = false;
  EXPECT_EQ(refusal(), Reason::kEptNotWritable);
}

TEST_F(SubPagePermission, FlagsAndTheLogFollowThePermission) {
  ept_flags_on();
  context.controls.pml = true;
  context.pml_address = 0x60'0000;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_EQ(walked.stores().back().request.desired, guest_page(kDataPage));

  ept_leaf() &= ~(kEptA | kEptD);
  bench.memory[entry(1)] = 0;
  EXPECT_EQ(refusal(), Reason::kEptNotWritable);
  EXPECT_EQ(ept_leaf() & (kEptA | kEptD), 0u);
}

}  // namespace
}  // namespace eptsim::tb
