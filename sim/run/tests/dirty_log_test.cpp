#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "mmu_model/caches/stale_check.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "sim/run/system_software.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Dirty logging: what each round reports is held against the trace, page by page.
namespace eptsim::sim {
namespace {

using arch::PageSize;
using Pages = std::set<std::uint64_t>;  ///< numbers of linear pages

constexpr std::uint64_t kInterval = 400;
constexpr std::uint64_t kMiB = 1 << 20;

std::uint64_t page_of(std::uint64_t linear) { return linear / kPageBytes; }

/// Reads and writes all over two dozen pages in each of four pieces of 2 MiB, some of them far more
/// often written than others; and now and then, if asked for, the first access to another page.
std::vector<Record> program(std::uint64_t seed, bool touches = false) {
  constexpr unsigned kLength = 4000;
  std::mt19937_64 random(seed);
  std::vector<Record> records;
  for (unsigned i = 0; i < kLength; ++i) {
    const std::uint64_t page = random() % 2 == 0 ? random() % 24 : random() % 6;
    std::uint64_t address =
        kHeap + random() % 4 * 2 * kMiB + page * kPageBytes + random() % 4000 / 8 * 8;
    if (touches && random() % 12 == 0) address = kHeap + 32 * kMiB + i * kPageBytes;
    Record next = random() % 4 == 0 ? write(address) : read(address);
    if (page % 4 != 0 && random() % 100 != 0) next.kind = RecordKind::kRead;
    if (random() % 50 == 0) next.kind = RecordKind::kModify;
    next.instructions = static_cast<std::uint32_t>(random() % 5);
    records.push_back(next);
  }
  return records;
}

Pages pages_of(const std::vector<Record>& records) {
  Pages pages;
  for (const Record& each : records) pages.insert(page_of(each.address));
  return pages;
}

/// The pages that accesses (begin, end] of the trace write.
Pages written(const std::vector<Record>& records, std::uint64_t begin, std::uint64_t end) {
  Pages pages;
  for (std::uint64_t at = begin; at < std::min<std::uint64_t>(end, records.size()); ++at) {
    const RecordKind kind = records[at].kind;
    if (kind != RecordKind::kWrite && kind != RecordKind::kModify) continue;
    pages.insert(page_of(records[at].address));
  }
  return pages;
}

/// The rounds as they come, by the program's own pages: what else is dirty must be the guest's
/// tables.
class Rounds {
 public:
  Rounds(RunSettings& settings, Pages program, std::uint16_t asid = 0)
      : program_(std::move(program)), asid_(asid) {
    settings.on_dirty_round = [this](const CollectedRound& round) { take(round); };
  }
  const std::vector<Pages>& all() const { return all_; }

 private:
  void take(const CollectedRound& round) {
    const mmu::WalkContext& context = round.software.context(asid_, 0);
    std::map<std::uint64_t, std::uint64_t> linear;  // by guest-physical address
    for (const std::uint64_t page : program_) {
      const mmu::Outcome now =
          mmu::look_at(context, {.address = page * kPageBytes, .user = true}, round.memory);
      if (now.kind == mmu::OutcomeKind::kTranslated) linear[now.gpa] = page;
    }
    Pages& dirty = all_.emplace_back();
    for (const arch::Gpa page : round.pages) {
      const auto own = linear.find(page.value());
      if (own != linear.end()) dirty.insert(own->second);
    }
    EXPECT_TRUE(std::ranges::is_sorted(round.pages));
    EXPECT_LE(round.pages.size() - dirty.size(), round.software.guest_table_bytes() / kPageBytes);
  }

  Pages program_;
  std::uint16_t asid_;
  std::vector<Pages> all_;
};

DirtyLogSettings logging(DirtyTracking tracking, std::uint64_t interval = kInterval) {
  return {.tracking = tracking, .interval = interval};
}

struct Case {
  std::string name;
  DirtyTracking tracking;
  DirtySplit split = DirtySplit::kEager;
  PageSize page = PageSize::k4K;
  Detail detail = Detail::kTranslation;
  std::uint64_t warmup = 0;
  PageSize guest_page = PageSize::k4K;
};

RunSettings machine_of(const Case& which) {
  RunSettings settings = small_machine();
  settings.detail = which.detail;
  settings.warmup = which.warmup;
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.walker = *mmu::find_configuration("default");
  hardware.l2.unified = {.entries = 64, .ways = 8};
  settings.machine.guest_page = which.guest_page;
  settings.machine.ept_page = which.page;
  settings.machine.stale_check = true;
  settings.machine.dirty_log = logging(which.tracking);
  settings.machine.dirty_log.split = which.split;
  return settings;
}

class DirtyLogging : public testing::TestWithParam<Case> {};

TEST_P(DirtyLogging, ReportsTheVeryPagesThatTheProgramWroteInEachRound) {
  RunSettings settings = machine_of(GetParam());
  const std::vector<Record> records = program(7, true);
  const Rounds rounds(settings, pages_of(records));
  const RunResult result = run(settings, records);
  // Logging begins at the first multiple of the interval that lies in no warm-up.
  const std::uint64_t begin =
      (std::max(settings.warmup, kInterval) + kInterval - 1) / kInterval * kInterval;
  ASSERT_EQ(rounds.all().size(), (records.size() - begin) / kInterval);
  for (std::size_t round = 0; round < rounds.all().size(); ++round) {
    const std::uint64_t from = begin + round * kInterval;
    const Pages expected = written(records, from, from + kInterval);
    EXPECT_GT(expected.size(), 10u);
    EXPECT_LT(expected.size(), pages_of(records).size());
    EXPECT_EQ(rounds.all()[round], expected) << "round " << round;
  }
  EXPECT_EQ(result.dirty_log.rounds, rounds.all().size());
  EXPECT_EQ(result.dirty_log.turns, rounds.all().size() + 1);
  EXPECT_EQ(result.stale.ept + result.stale.guest, 0u);
  // All other exits are first touches.
  const std::uint64_t touches = result.ept_violations - result.dirty_log.protected_writes;
  EXPECT_EQ(result.dirty_log.cycles + touches * kExitCycles, result.cycles_by.exits);
  if (GetParam().tracking == DirtyTracking::kPml) {
    // The guest's stores to its own tables dirty a few more.
    EXPECT_GE(result.dirty_log.logged, result.dirty_log.pages * 9 / 10);
  } else {
    EXPECT_GE(result.dirty_log.protected_writes, result.dirty_log.pages / 2);
    EXPECT_EQ(result.dirty_log.logged, 0u);
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [tracking, method] :
       {std::pair{DirtyTracking::kWriteProtect, std::string("Protection")},
        std::pair{DirtyTracking::kPml, std::string("Pml")}}) {
    all.push_back({method, tracking});
    all.push_back({method + "Window", tracking, {}, PageSize::k4K, Detail::kFull});
    all.push_back({method + "WarmedUp", tracking, {}, PageSize::k4K, Detail::kFull, 950});
    for (const auto& [split, how] : {std::pair{DirtySplit::kEager, std::string("Of2M")},
                                     std::pair{DirtySplit::kLazy, std::string("Of2MLazily")}}) {
      all.push_back({method + how, tracking, split, PageSize::k2M});
      all.push_back({method + how + "InBoth", tracking, split, PageSize::k2M, Detail::kTranslation,
                     0, PageSize::k2M});
    }
    all.push_back(
        {method + "Of2MLazilyWindow", tracking, DirtySplit::kLazy, PageSize::k2M, Detail::kFull});
    all.push_back({method + "Of1G", tracking, DirtySplit::kEager, PageSize::k1G, Detail::kFull});
    all.push_back({method + "Of1GLazily", tracking, DirtySplit::kLazy, PageSize::k1G});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Runs, DirtyLogging, testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

// -------------------------------------------------------------------------------------------------
// Two vCPUs
// -------------------------------------------------------------------------------------------------

constexpr std::uint64_t kRing = 40;  // pages
constexpr std::uint64_t kRingBase = kHeap + 64 * kMiB;

/// Writes the pages of a ring one after the other, each several times and slowly.
std::vector<Record> ring(std::uint64_t turns, std::uint32_t instructions) {
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < turns * kRing; ++i) {
    for (unsigned again = 0; again < 4; ++again) {
      Record next = write(kRingBase + i % kRing * kPageBytes + 8 * again);
      next.instructions = instructions;
      next.vcpu = 1;
      records.push_back(next);
    }
  }
  return records;
}

class DirtyLoggingOfTwo : public testing::TestWithParam<Case> {};

/// The first vCPU's rounds are its accesses. Where a round ends in the other's is not to be known,
/// but its writes go round a ring: of each round they are pages that follow one another, from where
/// the round before ended, whose last page the vCPU may have been writing. None is left out.
TEST_P(DirtyLoggingOfTwo, LosesNoWriteOfEither) {
  RunSettings settings = machine_of(GetParam());
  settings.machine.dirty_log.entry_cycles = 3;
  std::vector<Record> first = program(8);
  const std::vector<Record> second = ring(60, GetParam().detail == Detail::kFull ? 600 : 40);
  Pages all = pages_of(first);
  all.merge(pages_of(second));
  const Rounds rounds(settings, all);
  const RunResult result = run(settings, Programs{{first}, {second}});
  EXPECT_EQ(result.stale.ept + result.stale.guest, 0u);
  EXPECT_GT(result.exits.external_interrupt, 0u);
  ASSERT_EQ(rounds.all().size(), first.size() / kInterval - 1);
  std::uint64_t next = kRing;  // not known yet
  unsigned partial = 0;
  for (std::size_t round = 0; round < rounds.all().size(); ++round) {
    Pages own = rounds.all()[round];
    Pages of_ring;
    for (std::uint64_t page = 0; page < kRing; ++page) {
      if (own.erase(page_of(kRingBase) + page) != 0) of_ring.insert(page);
    }
    const std::uint64_t from = kInterval + round * kInterval;
    EXPECT_EQ(own, written(first, from, from + kInterval)) << "round " << round;
    ASSERT_FALSE(of_ring.empty());
    if (of_ring.size() == kRing) {
      next = kRing;
      continue;
    }
    ++partial;
    std::uint64_t begin = *of_ring.begin();
    while (of_ring.contains((begin + kRing - 1) % kRing)) begin = (begin + kRing - 1) % kRing;
    std::uint64_t end = begin;
    while (of_ring.contains(end)) {
      of_ring.erase(end);
      end = (end + 1) % kRing;
    }
    EXPECT_TRUE(of_ring.empty()) << "round " << round << " has a gap";
    // It may have been at the page, or gone on to the next while the round was collected.
    if (next != kRing) {
      EXPECT_LE((next + kRing - begin) % kRing, 2u)
          << "round " << round << " begins at " << begin << ", the last one ended at " << next;
    }
    next = end;
  }
  EXPECT_GT(partial, 3u);
}

INSTANTIATE_TEST_SUITE_P(
    Runs, DirtyLoggingOfTwo,
    testing::Values(
        Case{"Protection", DirtyTracking::kWriteProtect}, Case{"Pml", DirtyTracking::kPml},
        Case{"ProtectionOf2M", DirtyTracking::kWriteProtect, DirtySplit::kLazy, PageSize::k2M},
        Case{"PmlOf2M", DirtyTracking::kPml, DirtySplit::kEager, PageSize::k2M},
        Case{"ProtectionWindow", DirtyTracking::kWriteProtect, DirtySplit::kEager, PageSize::k4K,
             Detail::kFull},
        Case{"PmlWindow", DirtyTracking::kPml, DirtySplit::kEager, PageSize::k4K, Detail::kFull}),
    [](const auto& one) { return one.param.name; });

// -------------------------------------------------------------------------------------------------
// Logs, large pages, and what goes wrong
// -------------------------------------------------------------------------------------------------

/// Writes to so many pages, over and over.
std::vector<Record> sweep(std::uint64_t pages, std::uint64_t accesses) {
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < accesses; ++i) {
    records.push_back(write(kHeap + i % pages * kPageBytes));
  }
  return records;
}

/// The numbers of the line of a result's text that begins so.
std::vector<std::uint64_t> numbers(const std::string& text, const std::string& name) {
  std::istringstream line(text.substr(text.find("\n" + name + ' ') + name.size() + 2));
  std::vector<std::uint64_t> found;
  std::string rest;
  std::getline(line, rest);
  std::istringstream words(rest);
  for (std::uint64_t number = 0; words >> number;) found.push_back(number);
  return found;
}
/// Places in the line "dirty".
enum : std::size_t {
  kTurns,
  kRoundsDone,
  kPagesFound,
  kProtectedWrites,
  kFullLogs,
  kLogged,
  kCycles = 9
};

TEST(PageLog, ThatIsFullExitsAndLosesNothing) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    SCOPED_TRACE(detail == Detail::kFull);
    RunSettings settings = small_machine();
    settings.detail = detail;
    settings.machine.hardware.walker.walks = 4;
    settings.machine.dirty_log = logging(DirtyTracking::kPml, 3000);
    // Nothing else exits: each round of 3000 pages fills the log five times, and begins it anew.
    const std::string text = run_apart(settings, sweep(3000, 12'000));
    const std::vector<std::uint64_t> dirty = numbers(text, "dirty");
    EXPECT_EQ(dirty[kTurns], 4u);
    EXPECT_EQ(dirty[kRoundsDone], 3u);
    EXPECT_EQ(dirty[kProtectedWrites], 0u);
    EXPECT_GE(dirty[kPagesFound], 9000u);
    EXPECT_LE(dirty[kPagesFound], 9000u + 3 * 10) << "and tables";
    EXPECT_EQ(dirty[kLogged], dirty[kPagesFound]);
    EXPECT_GE(dirty[kFullLogs], 15u);
    EXPECT_LE(dirty[kFullLogs], 18u);
    EXPECT_EQ(dirty[kCycles] + numbers(text, "faults")[1] * kExitCycles,
              numbers(text, "classes")[3]);
  }
}

TEST(PageLog, HasEachPageOnceARoundHoweverManyWalksAreUnderWay) {
  const auto logged = [](Detail detail) {
    const RunSettings settings = machine_of({"", DirtyTracking::kPml, {}, PageSize::k4K, detail});
    return numbers(run_apart(settings, program(7, true)), "dirty")[kLogged];
  };
  EXPECT_GT(logged(Detail::kFull), 200u);
  EXPECT_EQ(logged(Detail::kFull), logged(Detail::kTranslation));
}

TEST(DirtyLog, ThatEndsMakesLargePagesWholeAgain) {
  RunSettings settings = machine_of({"", DirtyTracking::kPml, DirtySplit::kEager, PageSize::k2M});
  settings.machine.dirty_log.rounds = 3;
  settings.machine.guest_page = PageSize::k2M;
  const RunResult result = run(settings, program(9));
  EXPECT_EQ(result.dirty_log.rounds, 3u);
  EXPECT_EQ(result.dirty_rounds.size(), 3u);
  EXPECT_GE(result.dirty_log.splits, 5u) << "four pieces, and one with tables";
  EXPECT_EQ(result.dirty_log.merges, result.dirty_log.splits);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], 0u);
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], result.dirty_log.splits * 2 * kMiB);
  EXPECT_EQ(result.ept_table_bytes, 3 * kPageBytes);
  EXPECT_EQ(result.stale.ept, 0u);
}

TEST(DirtyLog, OfPagesOf1GThatEndsMakesThemWholeAgain) {
  RunSettings settings =
      machine_of({"", DirtyTracking::kWriteProtect, DirtySplit::kLazy, PageSize::k1G});
  settings.machine.dirty_log.rounds = 2;
  const RunResult result = run(settings, program(9));
  EXPECT_EQ(result.dirty_log.splits, 2u) << "the page, and the one piece that has been touched";
  EXPECT_EQ(result.dirty_log.merges, result.dirty_log.splits);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K] + result.ept_mapped[PageSize::k2M], 0u);
  EXPECT_EQ(result.ept_table_bytes, 2 * kPageBytes);
  EXPECT_EQ(result.stale.ept, 0u);
}

TEST(DirtyLog, GivesNewPagesPiecesOfLargeFrames) {
  // Logging begins before the second piece of 2 MiB is touched.
  RunSettings settings = machine_of({"", DirtyTracking::kPml, DirtySplit::kEager, PageSize::k2M});
  settings.machine.dirty_log.interval = 4;
  std::vector<Record> records;
  for (unsigned i = 0; i < 8; ++i) records.push_back(write(kHeap + i / 4 * 4 * kMiB));
  records.push_back(read(kHeap + 4 * kMiB + 5 * kPageBytes));
  settings.machine.guest_page = PageSize::k2M;
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.dirty_log.splits, 2u) << "the first piece, and one with tables";
  EXPECT_EQ(result.ept_mapped[PageSize::k2M], 0u);
  EXPECT_EQ(result.ept_mapped[PageSize::k4K], 2 * 2 * kMiB + 2 * kPageBytes);
}

TEST(DirtyLog, OfAHypervisorThatForgetsItsInveptsMissesWritesWhichIsFound) {
  for (const DirtyTracking tracking : {DirtyTracking::kWriteProtect, DirtyTracking::kPml}) {
    RunSettings settings = machine_of({"", tracking});
    const std::string right = run_apart(settings, sweep(3, 4000));
    settings.machine.invalidate = false;
    const std::string wrong = run_apart(settings, sweep(3, 4000));
    EXPECT_EQ(numbers(right, "stale"), (std::vector<std::uint64_t>{0, 0}));
    EXPECT_GE(numbers(right, "dirty")[kPagesFound], 9u * 3);
    EXPECT_LT(numbers(wrong, "dirty")[kPagesFound], 9u * 3);
    EXPECT_EQ(numbers(wrong, "stale"), (std::vector<std::uint64_t>{0, 3600})) << "all writes since";
  }
}

#ifdef EPTSIM_HAS_RTL
TEST(PageLog, OfTheRtlWalkerIsTheModels) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    RunSettings settings = machine_of({"", DirtyTracking::kPml, {}, PageSize::k2M, detail});
    const std::string model = run_apart(settings, program(10));
    EXPECT_TRUE(model.ends_with("\n0 done\n")) << model;
    settings.walker = WalkerKind::kRtl;
    EXPECT_EQ(model, run_apart(settings, program(10)));
    settings.walker = WalkerKind::kBoth;
    EXPECT_EQ(model, run_apart(settings, program(10)));
  }
}
#endif

void expect_refused(RunSettings settings, const std::string& because) {
  try {
    run(settings, {read(kHeap)});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(because), std::string::npos) << error.what();
  }
}
TEST(DirtyLog, IsNotForANativeMachine) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.machine.dirty_log = write_protection(100);
  expect_refused(settings, "without a hypervisor");
}
TEST(DirtyLog, IsNotForShadowPaging) {
  RunSettings settings = small_machine(Mode::kShadow);
  settings.machine.dirty_log = write_protection(100);
  expect_refused(settings, "shadow tables");
}
TEST(PageLog, IsNotForAnIdealTlb) {
  RunSettings settings = small_machine();
  settings.machine.ideal_tlb = true;
  settings.machine.dirty_log = logging(DirtyTracking::kPml);
  expect_refused(settings, "tlb.ideal");
}

}  // namespace
}  // namespace eptsim::sim
