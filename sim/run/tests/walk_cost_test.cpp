#include <gtest/gtest.h>

#include <ostream>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

using arch::PageSize;

/// The machine's page sizes, what a walk then reads with everything mapped, and the VM exits of the
/// first read of a fresh machine.
struct Case {
  Mode mode;
  PageSize guest;
  PageSize ept;
  unsigned references;
  unsigned exits;
};

/// Names the test.
void PrintTo(const Case& c, std::ostream* out) {
  *out << (c.mode == Mode::kNative ? "Native" : "Nested") << arch::name(c.guest);
  if (c.mode == Mode::kNested) *out << "On" << arch::name(c.ept);
}

class PageSizes : public testing::TestWithParam<Case> {};

// Exits: one for each EPT page first touched. The guest's tables (4, 3 or 2 of them) lie in a row
// from guest-physical 0x1000 on; its data page is among them if it has 4 KiB, and otherwise in the
// first large page, which no table shares. So with EPT pages of 4 KiB every table is an exit, and
// the data another. With EPT pages of 2 MiB the tables are one exit, and data of 4 KiB is in there
// too. With EPT pages of 1 GiB guest pages of 2 MiB are in there as well.
INSTANTIATE_TEST_SUITE_P(Runs, PageSizes,
                         testing::Values(Case{Mode::kNative, PageSize::k4K, PageSize::k4K, 4, 0},
                                         Case{Mode::kNative, PageSize::k2M, PageSize::k4K, 3, 0},
                                         Case{Mode::kNative, PageSize::k1G, PageSize::k4K, 2, 0},
                                         Case{Mode::kNested, PageSize::k4K, PageSize::k4K, 24, 5},
                                         Case{Mode::kNested, PageSize::k4K, PageSize::k2M, 19, 1},
                                         Case{Mode::kNested, PageSize::k4K, PageSize::k1G, 14, 1},
                                         Case{Mode::kNested, PageSize::k2M, PageSize::k4K, 19, 4},
                                         Case{Mode::kNested, PageSize::k2M, PageSize::k2M, 15, 2},
                                         Case{Mode::kNested, PageSize::k2M, PageSize::k1G, 11, 1},
                                         Case{Mode::kNested, PageSize::k1G, PageSize::k4K, 14, 3},
                                         Case{Mode::kNested, PageSize::k1G, PageSize::k2M, 11, 2},
                                         Case{Mode::kNested, PageSize::k1G, PageSize::k1G, 8, 2}),
                         testing::PrintToStringParamName());

RunSettings machine_of(const Case& c) {
  RunSettings settings = small_machine(c.mode);
  settings.machine.guest_page = c.guest;
  settings.machine.ept_page = c.ept;
  return settings;
}

TEST_P(PageSizes, AReadOfAMappedPageWalksAsManyReferencesAsTheArchitectureSays) {
  const Case& c = GetParam();
  RunSettings settings = machine_of(c);
  settings.warmup = 1;
  const RunResult result =
      run(settings, {read(kHeap), event(RecordKind::kInvlpg, kHeap), read(kHeap)});
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_EQ(result.events, 1u);
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walker.references, c.references);
  EXPECT_EQ(result.walker.guest_references + result.walker.ept_references, c.references);
  EXPECT_EQ(result.walker.flag_updates, 0u);
  EXPECT_EQ(result.walker.cycles, walk_cycles(c.references));
  EXPECT_EQ(result.ept_violations, 0u);
  EXPECT_EQ(result.guest_page_faults, 0u);
  EXPECT_EQ(result.cycles_by.translation, kL2Cycles + lost_cycles(c.references));
  EXPECT_EQ(result.cycles, 1 + result.cycles_by.translation);
}

TEST_P(PageSizes, AFreshMachineExitsOnceForEachEptPageItTouches) {
  const Case& c = GetParam();
  const RunResult result = run(machine_of(c), {read(kHeap)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.ept_violations, c.exits);
  EXPECT_EQ(result.cycles_by.exits, c.exits * kExitCycles);
  EXPECT_EQ(result.cycles, 1 + result.cycles_by.translation + result.cycles_by.exits);
  const unsigned tables = 4 - (arch::leaf_level(c.guest) - 1);
  EXPECT_EQ(result.guest_table_bytes, tables * kPageBytes);
  if (c.mode == Mode::kNative) {
    EXPECT_EQ(result.page_bytes, arch::bytes(c.guest));
    EXPECT_EQ(result.ept_table_bytes, 0u);
  } else {
    EXPECT_EQ(result.page_bytes, c.exits * arch::bytes(c.ept) - tables * kPageBytes);
  }
}

TEST(FirstRead, TakesAPageFaultAnEptViolationAndTheWalkThatTranslates) {
  const RunResult result = run(small_machine(), {read(kHeap)});
  // 1: the guest's level 4 entry is not present: 4 EPT entries of its table, and itself.
  // 2: all guest entries, and the data's EPT leaf is not present. Of the tables' entries, which are
  //    used for the first time, the three upper ones get their accessed flag.
  // 3: all of it.
  EXPECT_EQ(result.walker.walks, 3u);
  EXPECT_EQ(result.walker.references, 5u + 24 + 24);
  EXPECT_EQ(result.walker.flag_updates, 3u);
  EXPECT_EQ(result.walker.cycles, walk_cycles(5) + walk_cycles(24 + 3) + walk_cycles(24));
  EXPECT_EQ(result.cycles_by.translation,
            3 * kL2Cycles + lost_cycles(5) + lost_cycles(24 + 3) + lost_cycles(24));
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_EQ(result.l1d.accesses, 1u);
  EXPECT_EQ(result.l1d.misses, 1u);
  EXPECT_EQ(result.l2.misses, 1u);
  EXPECT_EQ(result.replayed_lookups, 2u) << "the instruction begins anew after each fault";
  // EPT: a root, then one table of each level serves all five pages.
  EXPECT_EQ(result.ept_table_bytes, 4 * kPageBytes);
}

TEST(FirstWrite, ThroughAPageThatWasReadSetsItsDirtyFlag) {
  RunSettings settings = small_machine();
  settings.warmup = 1;
  const RunResult result = run(settings, {read(kHeap), write(kHeap), write(kHeap + 8)});
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walker.references, 24u);
  EXPECT_EQ(result.walker.flag_updates, 1u);
  EXPECT_EQ(result.l1d.hits, 1u);
}

TEST(FirstWrite, OfAFreshPageFindsItDirtyAlready) {
  const RunResult result =
      run(small_machine(), {write(kHeap), record(RecordKind::kModify, kHeap), read(kHeap)});
  EXPECT_EQ(result.walker.walks, 3u);
  EXPECT_EQ(result.walker.flag_updates, 3u);  // of the upper levels, as for a read
  EXPECT_EQ(result.l1d.hits, 2u);
}

TEST(SecondPage, OfALargeEptPageCostsNoExit) {
  RunSettings settings = small_machine();
  settings.machine.ept_page = PageSize::k2M;
  settings.warmup = 1;
  const RunResult result = run(settings, {read(kHeap), read(kHeap + kPageBytes)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.ept_violations, 0u);
  // The fault at the leaf, then the translation: 19 references each but for the data's 3 in the
  // first.
  EXPECT_EQ(result.walker.references, 16u + 19);
}

}  // namespace
}  // namespace eptsim::sim
