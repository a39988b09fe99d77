#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "sim/run/merging.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Small pages that guest or hypervisor merge into large ones.
namespace eptsim::sim {
namespace {

using arch::PageSize;

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kPiece = 2 * kMiB;
constexpr std::uint64_t kArray = 0x5555'4000'0000;  // at a boundary of every page size
constexpr std::uint64_t kInterval = 100;
constexpr std::uint64_t kPageCycles = 5;

/// A write to `pages` pages of each of `pieces` pieces, over and over.
std::vector<Record> walks_over(unsigned pieces, unsigned pages, unsigned rounds) {
  std::vector<Record> records;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned piece = 0; piece < pieces; ++piece) {
      for (unsigned page = 0; page < pages; ++page) {
        records.push_back(write(kArray + piece * kPiece + page * kPageBytes + round % 8 * 8));
      }
    }
  }
  return records;
}

MergeSettings merging(std::uint64_t interval = kInterval) {
  return {.interval = interval, .page_cycles = kPageCycles};
}

RunSettings machine(Mode mode, bool guest, bool hypervisor) {
  RunSettings settings = small_machine(mode);
  settings.machine.stale_check = true;
  if (guest) settings.machine.guest_merge = merging();
  if (hypervisor) settings.machine.hypervisor_merge = merging();
  return settings;
}

/// A number of the line of a result's text that begins so.
std::uint64_t number_of(const std::string& text, const std::string& line, unsigned place) {
  std::istringstream words(text.substr(text.find('\n' + line + ' ') + line.size() + 2));
  std::uint64_t number = 0;
  for (unsigned at = 0; at <= place; ++at) words >> number;
  return number;
}
std::uint64_t merges_apart(const RunSettings& settings, const std::vector<Record>& records) {
  return number_of(run_apart(settings, records), "merging", 0);
}

void expect_none_stale(const RunResult& result) {
  EXPECT_EQ(result.stale.guest, 0u);
  EXPECT_EQ(result.stale.ept, 0u);
}

TEST(GuestMerging, GivesEachPieceOneLargePageAndTheSmallFramesBack) {
  const RunResult result = run(machine(Mode::kNative, true, false), walks_over(3, 20, 10));
  EXPECT_EQ(result.guest_merging.merges, 3u);
  EXPECT_EQ(result.guest_merging.pages, 60u);
  EXPECT_EQ(result.guest_merging.refused, 0u);
  EXPECT_EQ(result.guest_merging.cycles, 3 * 512 * kPageCycles);
  EXPECT_EQ(result.cycles_by.exits, 3 * 512 * kPageCycles);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 3 * kPiece);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 0u);
  EXPECT_EQ(result.guest_table_bytes, 3 * kPageBytes) << "none of the last level is left";
  EXPECT_EQ(result.guest_page_faults, 60u);
  expect_none_stale(result);
}

TEST(GuestMerging, LeavesFewerWalks) {
  const std::vector<Record> records = walks_over(2, 200, 12);
  const std::string small = run_apart(machine(Mode::kNative, false, false), records);
  const RunResult merged = run(machine(Mode::kNative, true, false), records);
  EXPECT_LT(2 * merged.walker.walks, number_of(small, "walks", 0));
}

TEST(GuestMerging, NeedsEnoughPagesPresent) {
  RunSettings settings = machine(Mode::kNative, true, false);
  settings.machine.guest_merge.most_absent = 512 - 21;
  EXPECT_EQ(merges_apart(settings, walks_over(3, 20, 10)), 0u);
  settings.machine.guest_merge.most_absent = 512 - 20;
  EXPECT_EQ(merges_apart(settings, walks_over(3, 20, 10)), 3u);
}

TEST(GuestMerging, LooksAtSoManyPiecesAPassAndGoesOnBehindThem) {
  RunSettings settings = machine(Mode::kNative, true, false);
  settings.machine.guest_merge.pieces = 2;
  settings.limit = kInterval + 1;
  EXPECT_EQ(merges_apart(settings, walks_over(5, 20, 10)), 2u);
  settings.limit = 2 * kInterval + 1;
  EXPECT_EQ(merges_apart(settings, walks_over(5, 20, 10)), 4u);
  settings.machine.guest_merge.pieces = 0;
  settings.limit = kInterval + 1;
  EXPECT_EQ(merges_apart(settings, walks_over(5, 20, 10)), 5u);
}

TEST(GuestMerging, IsRefusedWhereNoLargeFrameIsToBeHad) {
  RunSettings settings = machine(Mode::kNative, true, false);
  settings.machine.guest_fragmentation = 100;
  const RunResult result = run(settings, walks_over(3, 20, 10));
  EXPECT_EQ(result.guest_merging.merges, 0u);
  EXPECT_EQ(result.guest_merging.refused, 3u * (600 / kInterval));
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 60 * kPageBytes);
}

TEST(GuestMerging, StaysWithinTheProgramsAreas) {
  TraceWithAreas trace(walks_over(3, 20, 10), {{kArray, kArray + 2 * kPiece},
                                               {kArray + 2 * kPiece, kArray + 2 * kPiece + kMiB}});
  const std::atomic<bool> stop{false};
  const RunResult result = simulate(machine(Mode::kNative, true, false), trace, stop);
  EXPECT_EQ(result.guest_merging.merges, 2u);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], 20 * kPageBytes);
}

TEST(GuestMerging, IsUndoneAsAWholeByWhatTakesAPageAway) {
  std::vector<Record> records = walks_over(1, 20, 6);
  records.push_back(event(RecordKind::kMapChange, kArray));
  records.push_back(read(kArray + 3 * kPageBytes));
  const RunResult result = run(machine(Mode::kNative, true, false), records);
  EXPECT_EQ(result.guest_merging.merges, 1u);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 0u);
  EXPECT_EQ(result.guest_mapped[PageSize::k4K], kPageBytes);
  expect_none_stale(result);
}

TEST(GuestMerging, TouchesAllOfTheLargePageInGuestPhysicalMemory) {
  const RunResult result = run(machine(Mode::kNested, true, false), walks_over(1, 20, 10));
  EXPECT_EQ(result.guest_merging.merges, 1u);
  // Twenty pages before, 512 by the copy, three tables and one that was given back.
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], (20 + 512 + 4) * kPageBytes);
  EXPECT_EQ(result.ept_violations, 20u + 512 + 4);
  EXPECT_EQ(result.guest_merging.cycles, 512 * (kPageCycles + kExitCycles));
  expect_none_stale(result);
}

/// Walks of a run after its first touches, when everything has been merged that is.
std::uint64_t walks_after_merging(bool guest, bool hypervisor) {
  RunSettings settings = machine(Mode::kNested, guest, hypervisor);
  settings.warmup = 2400;
  settings.machine.hypervisor_merge.pieces = 0;
  const std::string result = run_apart(settings, walks_over(1, 200, 24));
  EXPECT_EQ(number_of(result, "stale", 0) + number_of(result, "stale", 1), 0u);
  return number_of(result, "walks", 0);
}

TEST(Merging, MakesLargeTranslationsOnlyInBothDimensions) {
  const std::uint64_t small = walks_after_merging(false, false);
  EXPECT_EQ(walks_after_merging(true, false), small) << "the EPT's pages are small";
  EXPECT_EQ(walks_after_merging(false, true), small) << "the guest's are";
  EXPECT_LE(walks_after_merging(true, true), 1u);
}

TEST(HypervisorMerging, CopiesTheGuestsTablesWithItsPages) {
  const RunResult result = run(machine(Mode::kNested, false, true), walks_over(3, 20, 10));
  // Frames are given from the lowest on: pages and tables lie in one piece.
  EXPECT_EQ(result.hypervisor_merging.merges, 1u);
  EXPECT_EQ(result.hypervisor_merging.pages, 60u + 6)
      << "three tables of the last level, three above";
  EXPECT_EQ(result.exits.merge, 1u);
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], kPiece);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], 0u);
  EXPECT_EQ(result.ept_table_bytes, 3 * kPageBytes);
  EXPECT_EQ(result.guest_page_faults, 60u);
  EXPECT_EQ(result.ept_violations, 66u);
  EXPECT_EQ(result.hypervisor_merging.cycles, 512 * kPageCycles + kExitCycles);
  expect_none_stale(result);
}

TEST(HypervisorMerging, WithoutTheInveptIsFound) {
  RunSettings settings = machine(Mode::kNested, false, true);
  settings.machine.invalidate = false;
  const RunResult result = run(settings, walks_over(1, 3, 100));
  EXPECT_EQ(result.hypervisor_merging.merges, 1u);
  EXPECT_GT(result.stale.ept, 100u);
  EXPECT_EQ(result.stale.first.front().use.change, mmu::StaleUse::Change::kMoved);
}

TEST(HypervisorMerging, WaitsForTheEndOfDirtyLogging) {
  RunSettings settings = machine(Mode::kNested, false, true);
  settings.machine.dirty_log = write_protection(kInterval);
  const std::string always = run_apart(settings, walks_over(1, 20, 40));
  EXPECT_EQ(number_of(always.substr(always.find("merging ")), "merging", 0), 0u);
  settings.machine.dirty_log.rounds = 2;
  const RunResult result = run(settings, walks_over(1, 20, 40));
  EXPECT_EQ(result.hypervisor_merging.merges, 1u);
  EXPECT_EQ(result.dirty_log.rounds, 2u);
  expect_none_stale(result);
}

TEST(HypervisorMerging, NeedsAnEpt) {
  for (const Mode mode : {Mode::kNative, Mode::kShadow}) {
    EXPECT_THROW(run(machine(mode, false, true), walks_over(1, 1, 1)), InputError);
  }
}

TEST(GuestMerging, UnderShadowPagingExitsForEachStoreAndGivesLargeShadowEntries) {
  RunSettings settings = machine(Mode::kShadow, true, false);
  settings.machine.ept_page = PageSize::k2M;
  const RunResult result = run(settings, walks_over(2, 20, 10));
  EXPECT_EQ(result.guest_merging.merges, 2u);
  EXPECT_EQ(result.shadow_exits.guest_table_writes, 40u + 2 * 2) << "faults, and two stores each";
  EXPECT_EQ(result.shadow_exits.cr_accesses, 2u);
  EXPECT_EQ(result.shadow_mapped[PageSize::k2M], 2 * kPiece);
  EXPECT_EQ(result.shadow_mapped[PageSize::k4K], 0u);
  EXPECT_EQ(result.shadow_table_bytes, 3 * kPageBytes);
  expect_none_stale(result);
}

class SeveralCores : public testing::TestWithParam<std::tuple<Mode, Detail>> {
 protected:
  static RunSettings settings() {
    const auto [mode, detail] = GetParam();
    RunSettings made = machine(mode, true, mode == Mode::kNested);
    made.detail = detail;
    made.machine.guest_shootdown_cycles = 30;
    made.machine.shootdown_cycles = 50;
    return made;
  }
  /// Two vCPUs of one machine, in one address space and over the same memory.
  static Programs programs() {
    Programs all{{walks_over(3, 40, 20)}, {walks_over(3, 40, 20)}};
    for (Record& each : all[1].front()) each.vcpu = 1;
    for (std::size_t at = 0; at < all[1].front().size(); ++at) {
      all[1].front()[at].instructions = static_cast<std::uint32_t>(1 + at % 3);
    }
    return all;
  }
};

TEST_P(SeveralCores, ForgetWhatOneOfThemMerges) {
  const RunResult result = run(settings(), programs());
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.guest_merging.merges, 3u);
  EXPECT_GE(result.shootdowns.of_guest, 3u);
  EXPECT_EQ(result.guest_mapped[PageSize::k2M], 3 * kPiece);
  if (std::get<Mode>(GetParam()) == Mode::kNested) {
    EXPECT_GE(result.hypervisor_merging.merges, 3u);
  }
  expect_none_stale(result);
}

TEST_P(SeveralCores, DoTheSameInLockstepAndInTheOppositeOrder) {
  const std::string free = run_apart(settings(), programs());
  RunSettings lockstep = settings();
  lockstep.machine.hardware.lockstep = true;
  EXPECT_EQ(run_apart(lockstep, programs()), free);
  RunSettings reversed = settings();
  reversed.machine.hardware.reversed = true;
  EXPECT_EQ(run_apart(reversed, programs()), free);
}

std::string name_of(const testing::TestParamInfo<std::tuple<Mode, Detail>>& which) {
  const auto [mode, detail] = which.param;
  const std::string core = detail == Detail::kFull ? "Window" : "Blocking";
  return core + (mode == Mode::kNative ? "Native" : mode == Mode::kNested ? "Nested" : "Shadow");
}
INSTANTIATE_TEST_SUITE_P(Merging, SeveralCores,
                         testing::Combine(testing::Values(Mode::kNative, Mode::kNested,
                                                          Mode::kShadow),
                                          testing::Values(Detail::kTranslation, Detail::kFull)),
                         name_of);

TEST(Merging, WhileARunIsSampledMergesTheSamePages) {
  RunSettings settings = machine(Mode::kNested, true, true);
  settings.detail = Detail::kFull;
  const std::vector<Record> records = walks_over(2, 100, 40);
  const std::string full = run_apart(settings, records);
  settings.machine.sampling = {.period = 2000, .window = 200, .warmup = 100};
  const RunResult sampled = run(settings, records);
  EXPECT_EQ(sampled.guest_merging.merges, number_of(full, "merging", 0));
  EXPECT_EQ(sampled.guest_merging.pages, number_of(full, "merging", 1));
  EXPECT_GT(sampled.hypervisor_merging.merges, 0u);
  EXPECT_NE(full.find("memory " + sampled.memory_hash), std::string::npos);
  expect_none_stale(sampled);
}

TEST(SmallPieces, ComeInTheOrderOfTheirAddressesAndRoundAgain) {
  SmallPieces pieces;
  EXPECT_FALSE(pieces.next());
  pieces.add(1, 7 * kPiece + 5);
  pieces.add(0, 9 * kPiece);
  pieces.add(0, 3 * kPiece + kPageBytes);
  using Piece = SmallPieces::Piece;
  EXPECT_EQ(pieces.next(), (Piece{0, 3 * kPiece}));
  EXPECT_EQ(pieces.next(), (Piece{0, 9 * kPiece}));
  pieces.remove({0, 9 * kPiece});
  EXPECT_EQ(pieces.next(), (Piece{1, 7 * kPiece}));
  EXPECT_EQ(pieces.next(), (Piece{0, 3 * kPiece}));
}

}  // namespace
}  // namespace eptsim::sim
