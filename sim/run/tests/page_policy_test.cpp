#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/run/linear_areas.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Which page sizes guest and hypervisor give.
namespace eptsim::sim {
namespace {

using arch::PageSize;

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kGiB = 1ull << 30;
constexpr std::uint64_t kArray = 0x5555'4000'0000;  // at a boundary of every page size
constexpr PagePolicy kThp = PagePolicy::transparent_huge_pages();

/// A read of each 2 MiB piece of the array, and of the page behind it.
std::vector<Record> pieces(unsigned count) {
  std::vector<Record> records;
  for (unsigned i = 0; i < count; ++i) {
    records.push_back(read(kArray + i * 2 * kMiB + 0x5000));
    records.push_back(read(kArray + i * 2 * kMiB + 0x6000));
  }
  return records;
}

RunSettings machine(PagePolicy guest, PagePolicy ept, Mode mode = Mode::kNested) {
  RunSettings settings = small_machine(mode);
  settings.machine.guest_page = guest;
  settings.machine.ept_page = ept;
  return settings;
}

TEST(TransparentHugePages, AreGivenOnFirstTouchWhereAreasAreUnknown) {
  const RunResult result = run(machine(kThp, PageSize::k4K), pieces(3));
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 6 * kMiB);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 0u);
  EXPECT_EQ(result.guest_page_faults, 3u);
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], 0u);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], (6 + 3) * kPageBytes) << "six pages and three tables";
}

TEST(TransparentHugePages, StayWithinTheProgramsAreas) {
  // The area begins in the first piece and ends with the second.
  TraceWithAreas trace(pieces(3), {{kArray + 0x5000, kArray + 3 * kMiB},
                                   {kArray + 3 * kMiB, kArray + 4 * kMiB},
                                   {kArray + 4 * kMiB, kArray + 4 * kMiB + 0x7000}});
  const std::atomic<bool> stop{false};
  const RunResult result = simulate(machine(kThp, kThp, Mode::kNative), trace, stop);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 2 * kMiB);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 4 * kPageBytes);
  EXPECT_EQ(result.guest_no_large_frame, 0u) << "none was asked for";
}

TEST(TransparentHugePages, OfTheHostBackWhatTheGuestHasInSmallPages) {
  const RunResult result = run(machine(PageSize::k4K, kThp), pieces(3));
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 6 * kPageBytes);
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], 2 * kMiB) << "all pages and tables in one piece";
  EXPECT_EQ(result.ept_violations, 1u);
}

TEST(Fragmentation, OfAHundredPercentLeavesSmallPagesAlone) {
  RunSettings settings = machine(PageSize::k2M, PageSize::k2M);
  settings.machine.guest_fragmentation = 100;
  const RunResult result = run(settings, pieces(3));
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 0u);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 6 * kPageBytes);
  EXPECT_EQ(result.guest_no_large_frame, 3u) << "asked for once a piece";
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], 2 * kMiB) << "the host's memory is another";
  EXPECT_EQ(result.host_no_large_frame, 0u);
}

/// The result with pages of 2M wanted in both dimensions, and fragmentation of that many percent.
std::string wanting_2m(unsigned percent) {
  RunSettings settings = machine(PageSize::k2M, PageSize::k2M);
  settings.machine.guest_fragmentation = percent;
  settings.machine.hypervisor_fragmentation = percent;
  return run_apart(settings, pieces(20));
}

TEST(Fragmentation, OfAHundredPercentGivesWhatSmallPagesDo) {
  const std::string small = run_apart(machine(PageSize::k4K, PageSize::k4K), pieces(20));
  EXPECT_EQ(wanting_2m(100), small);
  EXPECT_NE(wanting_2m(50), small);
  EXPECT_NE(wanting_2m(50), wanting_2m(0));
}

TEST(Fragmentation, OfTheHostLeavesTheGuestItsLargePages) {
  RunSettings settings = machine(PageSize::k1G, PageSize::k1G);
  settings.machine.hypervisor_fragmentation = 100;
  const RunResult result = run(settings, pieces(3));
  EXPECT_EQ(result.guest_mapped[PageSize::k1G], kGiB);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], (6 + 2) * kPageBytes);
  // Of 1G and then of 2M for the tables' piece, and for the first page's; once a piece after that.
  EXPECT_EQ(result.host_no_large_frame, 2u + 2 + 2);
}

TEST(Fragmentation, OfANativeMachineIsTheGuestSystems) {
  RunSettings settings = machine(kThp, kThp, Mode::kNative);
  settings.machine.hypervisor_fragmentation = 100;
  EXPECT_EQ(run(settings, pieces(1)).guest_mapped[PageSize::k2M], 2 * kMiB);
}

TEST(Fragmentation, OfHalfTheMemoryLeavesAboutHalfTheProgramInLargePages) {
  RunSettings settings = machine(kThp, PageSize::k4K, Mode::kNative);
  settings.machine.guest_fragmentation = 50;
  settings.machine.hardware.seed = 3;
  std::vector<Record> records = pieces(400);
  const RunResult result = run(settings, records);
  const std::uint64_t large = result.guest_mapped[PageSize::k2M] / (2 * kMiB);
  EXPECT_GT(large, 150u);
  EXPECT_LT(large, 250u);
  EXPECT_EQ(result.guest_no_large_frame, 400 - large);
}

TEST(LargePages, ThatNoFrameIsLeftForBecomeSmallerOnes) {
  RunSettings settings = machine(PageSize::k2M, PageSize::k4K, Mode::kNative);
  settings.machine.hardware.dram_bytes = 6 * kMiB;
  const RunResult result = run(settings, pieces(4));
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 4 * kMiB);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 4 * kPageBytes);
  EXPECT_EQ(result.guest_no_large_frame, 2u);
}

TEST(LargePages, ThatAreUnmappedGiveBackTheirWholeFrame) {
  std::vector<Record> records = pieces(1);
  records.push_back(event(RecordKind::kMapChange, kArray + 77 * kPageBytes));
  records.push_back(read(kArray + 2 * kMiB));
  const RunResult result = run(machine(kThp, PageSize::k4K, Mode::kNative), records);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 2 * kMiB);
  EXPECT_EQ(result.guest_page_faults, 2u);
}

TEST(LinearAreas, ContainWhatTheirUnionDoes) {
  const LinearAreas areas({{0x5000, 0x6000}, {0x1000, 0x3000}, {0x2000, 0x5000}, {0x8000, 0x9000}});
  EXPECT_TRUE(areas.contain(0x1000, 0x5000));
  EXPECT_FALSE(areas.contain(0x1000, 0x5001));
  EXPECT_FALSE(areas.contain(0xfff, 2));
  EXPECT_FALSE(areas.contain(0x6000, 1));
  EXPECT_TRUE(areas.contain(0x8fff, 1));
  EXPECT_FALSE(areas.contain(0x9000, 1));
  EXPECT_FALSE(areas.contain(0, 1));
  EXPECT_TRUE(LinearAreas().contain(0, 1ull << 40)) << "nothing is known";
  const std::uint64_t top = ~std::uint64_t{0xfff};
  EXPECT_TRUE(LinearAreas({{top, ~std::uint64_t{0}}}).contain(top, 0xfff));
}

}  // namespace
}  // namespace eptsim::sim
