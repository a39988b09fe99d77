#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// Hypervisor-managed linear-address translation (SDM 5.5.5).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint64_t kRestart = 1ull << 11;
constexpr unsigned kHlatDataPage = 19;

/// Beside the tables of CR3 others of the same shape, which lead to another page.
class Hlat : public NestedTables {
 protected:
  Hlat() {
    context.controls.hlat = true;
    context.hlat_pointer = guest_page(page(4));
    for (unsigned level = 4; level > 1; --level) {
      hlat(level) = guest_page(page(level - 1)) | kGuestUsed;
    }
    hlat(1) = guest_page(kHlatDataPage) | kGuestUsed | kD;
  }
  static constexpr unsigned page(unsigned level) { return 10 + table_page(level); }
  std::uint64_t& hlat(unsigned level) {
    return bench.memory[host_page(page(level)) + kIndex[level] * 8];
  }
};

TEST_F(Hlat, ThePointerStandsForCr3) {
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().hpa, host_page(kHlatDataPage) + kOffset);
  EXPECT_EQ(walked.response.references, 24u);
  EXPECT_EQ(walked.transfers[0].request.place,
            (Place{.guest_level = 4, .ept_level = 4, .hlat = true}));
  EXPECT_EQ(walked.transfers[20].request.place, (Place{0, 4}));
}

TEST_F(Hlat, APrefixLeavesTheLowerHalfToCr3) {
  context.hlat_prefix_size = 1;
  EXPECT_EQ(walk().outcome().hpa, host_page(kDataPage) + kOffset);
}

TEST_F(Hlat, ARestartAtTheLeafMakes44References) {
  bench.latency = 4;
  hlat(1) |= kRestart;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().hpa, host_page(kDataPage) + kOffset);
  EXPECT_EQ(walked.response.references, 20u + 24);
  EXPECT_EQ(walked.response.cycles, 44 * (bench.latency + 1) + 1);
  EXPECT_EQ(walked.transfers[20].request.place, (Place{4, 4}));
  EXPECT_EQ(walked.transfers[20].first_valid, walked.transfers[19].taken + bench.latency + 1);
}

TEST_F(Hlat, ARestartDropsTheRightsOfTheTablesBeforeIt) {
  hlat(4) &= ~(kRw | kUs);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().reason, Reason::kGuestNotWritable);
  hlat(2) |= kRestart;
  const FinishedWalk walked = walk(AccessKind::kWrite);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(walked.outcome().guest_rights.write && walked.outcome().guest_rights.user);
}

TEST_F(Hlat, TheEntryThatRestartsIsUsedAndNeverDirty) {
  hlat(1) = (hlat(1) | kRestart) & ~(kA | kD);
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(hlat(1) & (kA | kD), kA);
}

TEST_F(Hlat, ATlbEntryCoversNoMoreThanTheEntryThatRestarted) {
  // Guest and EPT map 1 GiB each, the first of host-physical memory.
  bench.memory[ept_entry(3)] = kRwx | kWbType | kLarge;
  const auto in_gib = [](unsigned number) { return (guest_page(number) & 0x3fff'ffff); };
  for (unsigned level = 4; level > 1; --level) {
    bench.memory[in_gib(page(level)) + kIndex[level] * 8] =
        guest_page(page(level - 1)) | kGuestUsed;
  }
  bench.memory[in_gib(page(2)) + kIndex[2] * 8] |= kRestart;
  bench.memory[in_gib(table_page(4)) + kIndex[4] * 8] = guest_page(table_page(3)) | kGuestUsed;
  bench.memory[in_gib(table_page(3)) + kIndex[3] * 8] =
      (guest_page(0) & ~0x3fff'ffffull) | kGuestUsed | kLarge;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().guest_page_size, arch::PageSize::k1G);
  EXPECT_EQ(walked.outcome().ept_page_size, arch::PageSize::k1G);
  EXPECT_EQ(walked.outcome().page_size, arch::PageSize::k2M);
}

TEST_F(Hlat, FaultsOfTheTablesAreToldApart) {
  hlat(2) = 0;
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().error_code, 0x84u);
  EXPECT_EQ(walked.outcome().place, (Place{.guest_level = 2, .hlat = true}));
  hlat(2) = kRestart | kGuestUsed | 1ull << 51;
  EXPECT_EQ(walk().outcome().error_code, 0x8du) << "reserved bits come before a restart";
  hlat(2) = kRestart | kGuestUsed;
  guest(2) = 0;
  walked = walk();
  EXPECT_EQ(walked.outcome().error_code, 0x4u) << "after the restart";
  EXPECT_EQ(walked.outcome().place, (Place{2, 0}));
  hlat(2) = guest_page(page(1)) | (kGuestUsed & ~kUs);
  EXPECT_EQ(walk().outcome().error_code, 0x5u) << "rights are no fault of the tables";
}

}  // namespace
}  // namespace eptsim::tb
