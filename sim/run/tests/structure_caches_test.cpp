#include <gtest/gtest.h>

#include <ostream>

#include "sim/run/tests/support.hpp"

/// Runs on a machine without TLBs, whose every access walks, with a walker that has caches.
namespace eptsim::sim {
namespace {

RunSettings walking_machine(Mode mode = Mode::kNested) {
  RunSettings settings = small_machine(mode);
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l1i = hardware.l1d = hardware.l2 = {};
  hardware.walker = {
      .walks = 4, .combined = {0, 0, 32, 4, 2, 0}, .ept = {0, 0, 32, 4, 2, 0}, .nested_tlb = 64};
  return settings;
}

/// The second of two reads of a page, with `what` between them.
RunResult read_again(Mode mode, std::vector<Record> what = {}) {
  RunSettings settings = walking_machine(mode);
  settings.warmup = 1;
  std::vector<Record> records = {read(kHeap)};
  records.insert(records.end(), what.begin(), what.end());
  records.push_back(read(kHeap));
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.accesses, 1u);
  EXPECT_EQ(result.walker.walks, 1u);
  return result;
}

TEST(StructureCaches, LeaveOneReferenceOfANestedWalk) {
  const RunResult result = read_again(Mode::kNested);
  EXPECT_EQ(result.walker.references, 1u);
  EXPECT_EQ(result.walker.guest_references, 1u);
  // The first step, two look-ups, and the reference: combined PDE, guest PTE, nested TLB.
  EXPECT_EQ(result.walker.cycles, 1 + 2 + 11u);
  EXPECT_EQ(result.walker.combined[2].hits, 1u);
  EXPECT_EQ(result.walker.combined[2].accesses, 1u);
  EXPECT_EQ(result.walker.combined[3].accesses, 0u);
  EXPECT_EQ(result.walker.nested_tlb.hits, 1u);
  EXPECT_EQ(result.walker.nested_tlb.accesses, 1u);
  EXPECT_EQ(result.walker.ept[2].accesses, 0u);
}

TEST(StructureCaches, LeaveOneReferenceOfANativeWalk) {
  const RunResult result = read_again(Mode::kNative);
  EXPECT_EQ(result.walker.references, 1u);
  EXPECT_EQ(result.walker.cycles, 1 + 1 + 11u);
  EXPECT_EQ(result.walker.nested_tlb.accesses, 0u);
}

/// A walker, and what the second walk of a page costs with it.
struct Count {
  const char* name;
  mmu::WalkerConfiguration walker;
  std::uint64_t references;
};
void PrintTo(const Count& count, std::ostream* out) { *out << count.name; }

class Counts : public testing::TestWithParam<Count> {};

constexpr auto kGuest = mmu::StructureKind::kGuest;
INSTANTIATE_TEST_SUITE_P(
    WhatHits, Counts,
    testing::Values(
        Count{"Nothing", {}, 24}, Count{"CombinedPml4e", {.combined = {0, 0, 0, 0, 2}}, 15},
        Count{"CombinedPdpte", {.combined = {0, 0, 0, 2}}, 10},
        Count{"CombinedPde", {.combined = {0, 0, 2}}, 5},
        Count{"TheDeepestOfAllCombined", {.combined = {0, 0, 4, 4, 4}}, 5},
        Count{"CombinedPdeAndEptPde", {.combined = {0, 0, 2}, .ept = {0, 0, 8}}, 2},
        Count{"CombinedPdeAndNestedTlb", {.combined = {0, 0, 2}, .nested_tlb = 8}, 1},
        Count{"NestedTlb", {.nested_tlb = 8}, 4}, Count{"EptPde", {.ept = {0, 0, 8}}, 9},
        Count{"EptPdpte", {.ept = {0, 0, 0, 8}}, 4 + 5 * 2},
        Count{"EptPml4e", {.ept = {0, 0, 0, 0, 8}}, 4 + 5 * 3},
        Count{"GuestPml4e", {.combined = {0, 0, 0, 0, 2}, .kind = kGuest}, 19},
        Count{"GuestPdpte", {.combined = {0, 0, 0, 2}, .kind = kGuest}, 14},
        Count{"GuestPde", {.combined = {0, 0, 2}, .kind = kGuest}, 9},
        Count{"GuestPdeAndEptPde", {.combined = {0, 0, 2}, .ept = {0, 0, 8}, .kind = kGuest}, 3},
        Count{"GuestPdeAndNestedTlb", {.combined = {0, 0, 2}, .nested_tlb = 8, .kind = kGuest}, 1},
        Count{"SetsOfOneWay",
              {.combined = {0, 0, 8},
               .nested_tlb = 16,
               .combined_ways = {0, 0, 1},
               .nested_tlb_ways = 1},
              1}),
    testing::PrintToStringParamName());

TEST_P(Counts, AreWhatTheCachesLeave) {
  const Count& count = GetParam();
  RunSettings settings = walking_machine();
  settings.machine.hardware.walker = count.walker;
  settings.warmup = 1;
  const RunResult result = run(settings, {read(kHeap), read(kHeap)});
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walker.references, count.references);
}

/// Caches of real sizes, and what a page costs after others have driven out what they don't share
/// with it: pages that lie `stride` apart.
struct Eviction {
  const char* name;
  mmu::WalkerConfiguration walker;
  std::uint64_t stride;
  std::uint64_t references;
};
void PrintTo(const Eviction& eviction, std::ostream* out) { *out << eviction.name; }

class Evictions : public testing::TestWithParam<Eviction> {};

constexpr mmu::WalkerConfiguration kCombinedAlone = {.combined = {0, 0, 32, 4, 2}};
INSTANTIATE_TEST_SUITE_P(
    WhatIsShared, Evictions,
    testing::Values(Eviction{"ThePageTable", kCombinedAlone, 1ull << 12, 5},
                    Eviction{"ThePageDirectory", kCombinedAlone, 1ull << 21, 10},
                    Eviction{"ThePdpt", kCombinedAlone, 1ull << 30, 15},
                    Eviction{"NothingButCr3", kCombinedAlone, 1ull << 39, 24},
                    Eviction{"TheTranslationOfCr3", {.nested_tlb = 64}, 1ull << 39, 20},
                    Eviction{
                        "AllTablesInOnePieceOfTheEpt", {.ept = {0, 0, 32, 4, 2}}, 1ull << 39, 9}),
    testing::PrintToStringParamName());

TEST_P(Evictions, LeaveWhatThePagesHaveInCommon) {
  constexpr std::uint64_t kFirst = 0x1000'0000'0000;
  constexpr std::uint64_t kPages = 100;
  RunSettings settings = walking_machine();
  settings.machine.hardware.walker = GetParam().walker;
  settings.warmup = kPages;
  const auto page = [](std::uint64_t i) { return read(kFirst + i * GetParam().stride); };
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < kPages; ++i) records.push_back(page(i));
  // Not the first: what the first filled lies beside CR3's entry in the tree of pseudo-LRU, whose
  // hits keep it.
  records.push_back(page(20));
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walker.references, GetParam().references);
}

TEST(StructureCaches, OfTheGuestTakeAStepMoreForTheTable) {
  RunSettings settings = walking_machine();
  settings.machine.hardware.walker.kind = kGuest;
  settings.warmup = 1;
  const RunResult result = run(settings, {read(kHeap), read(kHeap)});
  // The first step, look-ups of the address, the table and the data, and the reference.
  EXPECT_EQ(result.walker.cycles, 1 + 3 + 11u);
  EXPECT_EQ(result.walker.nested_tlb.hits, 2u);
}

TEST(StructureCaches, AMissOfEachIsCounted) {
  const RunResult result = run(walking_machine(Mode::kNative), {read(kHeap)});
  // The fault and the walk after it.
  EXPECT_EQ(result.walker.walks, 2u);
  for (const unsigned level : {2u, 3u, 4u}) {
    EXPECT_EQ(result.walker.combined[level].accesses, 2u) << level;
    EXPECT_EQ(result.walker.combined[level].misses, 2u) << level;
  }
}

/// An event, and what the second read of a page costs after it.
struct Case {
  const char* name;
  RecordKind event;
  Mode mode;
  std::uint64_t references;
};

/// Names the test.
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Forgetting : public testing::TestWithParam<Case> {};

// After an INVEPT all pages, which lie in one piece of 2 MiB, are to be located again; the EPT's
// upper entries are read for the first alone. After the others the nested TLB still has them.
constexpr std::uint64_t kBothForgotten = (4 + 1) + 3 * (1 + 1) + 1;
INSTANTIATE_TEST_SUITE_P(
    Events, Forgetting,
    testing::Values(
        Case{"Invlpg", RecordKind::kInvlpg, Mode::kNested, 4},
        Case{"MovCr3", RecordKind::kMovCr3, Mode::kNested, 4},
        Case{"MovCr4", RecordKind::kMovCr4, Mode::kNested, 4},
        Case{"Invpcid", RecordKind::kInvpcid, Mode::kNested, 4},
        Case{"Switch", RecordKind::kSwitch, Mode::kNested, 4},
        Case{"Invvpid", RecordKind::kInvvpid, Mode::kNested, 4},
        Case{"Invept", RecordKind::kInvept, Mode::kNested, kBothForgotten},
        Case{"NativeInvlpg", RecordKind::kInvlpg, Mode::kNative, 4},
        Case{"NativeMovCr3", RecordKind::kMovCr3, Mode::kNative, 4},
        Case{"NativeInvvpidWhichIsNotOfVpidZero", RecordKind::kInvvpid, Mode::kNative, 1},
        Case{"NativeInveptWhichIsOfNoLinearMapping", RecordKind::kInvept, Mode::kNative, 1}),
    testing::PrintToStringParamName());

TEST_P(Forgetting, IsOfWhatTheEventRemovesAndNoMore) {
  const Case& c = GetParam();
  EXPECT_EQ(read_again(c.mode, {event(c.event, kHeap)}).walker.references, c.references);
}

TEST(StructureCaches, DoNotKeepAPageWhoseTablesTheGuestChanges) {
  RunSettings settings = walking_machine();
  settings.warmup = 1;
  settings.machine.stale_check = true;
  const RunResult result =
      run(settings, {read(kHeap), event(RecordKind::kMapChange, kHeap), read(kHeap)});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.stale.guest + result.stale.ept, 0u);
}

/// Writes of a page before and after the hypervisor takes the right to.
RunResult protected_writes(bool invalidate) {
  RunSettings settings = walking_machine();
  settings.machine.dirty_log = write_protection(2);
  settings.machine.stale_check = true;
  settings.machine.invalidate = invalidate;
  return run(settings, {write(kHeap), write(kHeap), write(kHeap), read(kHeap)});
}

TEST(StructureCaches, OfAHypervisorThatInvalidatesAreNeverStale) {
  const RunResult result = protected_writes(true);
  EXPECT_EQ(result.dirty_log.protected_writes, 1u);
  EXPECT_EQ(result.stale.ept, 0u);
}

TEST(StructureCaches, ThatAreStaleAreFoundWithoutAnyTlb) {
  const RunResult result = protected_writes(false);
  EXPECT_EQ(result.dirty_log.protected_writes, 0u);
  EXPECT_EQ(result.stale.ept, 1u);
  ASSERT_EQ(result.stale.first.size(), 1u);
  EXPECT_EQ(result.stale.first.front().number, 3u);
  EXPECT_EQ(result.stale.first.front().use.change, mmu::StaleUse::Change::kRightsReduced);
}

}  // namespace
}  // namespace eptsim::sim
