#include <gtest/gtest.h>

#include <random>
#include <string>

#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// Several cores: nothing depends on the order of processes, and what they don't share is as if
/// each were alone.
namespace eptsim::sim {
namespace {

/// The record on a vCPU of a machine.
Record on(std::uint16_t vm, std::uint8_t vcpu, Record record) {
  record.vm = vm;
  record.vcpu = vcpu;
  return record;
}
std::vector<Record> on(std::uint16_t vm, std::uint8_t vcpu, std::vector<Record> records) {
  for (Record& record : records) record = on(vm, vcpu, record);
  return records;
}

/// A program that reads and writes over some pages, with runs of instructions between, loads that
/// depend on others and, if `changes`, pages that are unmapped and forgotten.
std::vector<Record> program(std::uint64_t seed, bool changes, unsigned length = 1500) {
  std::mt19937_64 random(seed);
  std::vector<Record> records;
  for (unsigned i = 0; i < length; ++i) {
    const std::uint64_t page = random() % 8 == 0 ? random() % 600 : random() % 24;
    const std::uint64_t address = kHeap + page * kPageBytes + random() % 4095;
    Record next = random() % 3 == 0 ? write(address) : read(address);
    if (random() % 6 == 0) next = record(RecordKind::kFetch, 0x40'0000 + random() % 65536, 4);
    next.instructions = static_cast<std::uint32_t>(random() % 20);
    if (random() % 4 == 0) next.depends_on = static_cast<std::uint32_t>(1 + random() % 3);
    if (random() % 400 == 0) next.instructions = 5000;
    next.asid = i / 700 % 2 == 1 ? 1 : 0;
    records.push_back(next);
    if (!changes || random() % 40 != 0) continue;
    const bool unmaps = random() % 2 == 0;
    Record change = event(unmaps ? RecordKind::kMapChange : RecordKind::kInvlpg, address);
    change.asid = next.asid;
    records.push_back(change);
  }
  return records;
}

RunSettings machine(Detail detail, Mode mode = Mode::kNested) {
  RunSettings settings = small_machine(mode);
  settings.detail = detail;
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l2.unified = {.entries = 64, .ways = 8};
  hardware.walker.walks = 2;
  hardware.walker.combined = {0, 0, 4, 2, 2};
  hardware.walker.ept = {0, 0, 4, 2, 2};
  hardware.walker.nested_tlb = 8;
  settings.machine.core.window = 64;
  settings.machine.core.loads = 16;
  mmu::MemorySettings& memory = hardware.memory;
  memory.l1d = {.bytes = 1024, .ways = 4, .hit_cycles = 5, .mshrs = 2};
  memory.l2 = {.bytes = 4096, .ways = 8, .hit_cycles = 15, .mshrs = 4};
  memory.l3 = {.bytes = 16384, .ways = 16, .hit_cycles = 50, .mshrs = 8};
  memory.dram = {.model = mmu::DramModel::kBanked,
                 .cycles = 100,
                 .channels = 1,
                 .banks = 2,
                 .row_bytes = 1024,
                 .tcas = 14,
                 .trcd = 15,
                 .trp = 16,
                 .burst_cycles = 4};
  return settings;
}

/// Everything that could come out otherwise: three cores, two machines, one address space on two
/// cores and one core with two vCPUs that take turns.
Programs crowd() {
  return {{on(0, 0, program(1, true))},
          {on(0, 1, program(2, true)), on(1, 0, program(3, true))},
          {on(1, 1, program(4, true))}};
}

testing::AssertionResult is_of_a_whole_run(const std::string& text) {
  return text.ends_with("\n0 done\n") ? testing::AssertionSuccess()
                                      : testing::AssertionFailure() << text;
}

void expect_same_in_any_order(RunSettings settings, const Programs& programs) {
  const std::string ahead = run_apart(settings, programs);
  EXPECT_TRUE(is_of_a_whole_run(ahead));
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(settings, programs)) << "in lockstep";
  hardware.reversed = true;
  EXPECT_EQ(ahead, run_apart(settings, programs)) << "in lockstep, made the other way round";
  hardware.lockstep = false;
  EXPECT_EQ(ahead, run_apart(settings, programs)) << "made the other way round";
}

TEST(Cores, GiveTheSameResultInAnyOrderOfProcesses) {
  for (const Detail detail : {Detail::kFull, Detail::kTranslation}) {
    expect_same_in_any_order(machine(detail), crowd());
  }
}

TEST(Cores, GiveTheSameResultInAnyOrderNatively) {
  for (const Detail detail : {Detail::kFull, Detail::kTranslation}) {
    expect_same_in_any_order(machine(detail, Mode::kNative), crowd());
  }
}

TEST(Cores, GiveTheSameResultInAnyOrderWithEverythingThatInterruptsThem) {
  for (const Detail detail : {Detail::kFull, Detail::kTranslation}) {
    RunSettings settings = machine(detail);
    settings.machine.dirty_log = {
        .tracking = detail == Detail::kFull ? DirtyTracking::kPml : DirtyTracking::kWriteProtect,
        .interval = 200};
    settings.machine.time_slice = 3000;
    settings.machine.vpid = detail == Detail::kFull;
    settings.warmup = 300;
    expect_same_in_any_order(settings, crowd());
  }
}

TEST(Cores, GiveTheSameResultInAnyOrderWhileTheirWritesAreLogged) {
  for (const Detail detail : {Detail::kFull, Detail::kTranslation}) {
    RunSettings settings = machine(detail);
    settings.machine.ept_page = arch::PageSize::k2M;
    settings.machine.dirty_log = {
        .tracking = detail == Detail::kFull ? DirtyTracking::kWriteProtect : DirtyTracking::kPml,
        .split = DirtySplit::kLazy,
        .interval = 150,
        .rounds = 5};
    settings.machine.stale_check = true;
    expect_same_in_any_order(settings, crowd());
  }
}

TEST(Cores, OfAPrivateMachineEachAreAsIfAlone) {
  for (const Detail detail : {Detail::kFull, Detail::kTranslation}) {
    RunSettings settings = machine(detail);
    // The frames of one lie between those of the other: no cache may tell them by their place.
    mmu::MemorySettings& memory = settings.machine.hardware.memory;
    memory.l1d = {.bytes = 2048, .ways = 32, .hit_cycles = 5, .mshrs = 4};
    memory.l2 = {.bytes = 8192, .ways = 128, .hit_cycles = 15, .mshrs = 8};
    memory.l3 = {.bytes = 32 << 20, .ways = 1 << 19, .hit_cycles = 50, .mshrs = 4096};
    memory.dram = {.model = mmu::DramModel::kPlain, .cycles = 100};
    settings.warmup = 0;
    const std::vector<Record> first = program(1, true);
    const std::vector<Record> second = program(2, true);
    const auto core_of = [](const std::string& text, unsigned number) {
      std::size_t at = 0;
      for (unsigned core = 0; core <= number; ++core) at = text.find("\ncore ", at + 1);
      return text.substr(at, text.find('\n', at + 1) - at);
    };
    const std::string both = run_apart(settings, Programs{{on(0, 0, first)}, {on(1, 0, second)}});
    EXPECT_TRUE(is_of_a_whole_run(both));
    EXPECT_EQ(core_of(both, 0), core_of(run_apart(settings, first), 0));
    EXPECT_EQ(core_of(both, 1), core_of(run_apart(settings, second), 0));
  }
}

TEST(Cores, OfOneMachineFaultOnceForAPage) {
  const RunResult result =
      run(machine(Detail::kFull), Programs{{{read(kHeap)}}, {{on(0, 1, read(kHeap))}}});
  EXPECT_EQ(result.guest_page_faults, 1u);
  EXPECT_EQ(result.accesses, 2u);
  EXPECT_EQ(result.cores.size(), 2u);
}

TEST(Cores, FindInTheThirdLevelCacheWhatAnotherRead) {
  // The second core comes to the page long after the first has read all of it.
  RunSettings settings = machine(Detail::kFull);
  settings.machine.hardware.memory.l3 = {.bytes = 1 << 20, .ways = 16, .hit_cycles = 50};
  std::vector<Record> reads;
  for (unsigned line = 0; line < 64; ++line) reads.push_back(read(kHeap + 64 * line));
  std::vector<Record> later = reads;
  later.front().instructions = 1'000'000;
  const RunResult result = run(settings, Programs{{on(0, 0, reads)}, {on(0, 1, later)}});
  const auto& data = result.caches.cache[2].by_origin[0];
  EXPECT_EQ(data.accesses, 128u);
  EXPECT_EQ(data.hits, 64u);
}

/// Stores of two cores, 4 bytes apart or in lines of their own.
RunResult run_stores(std::uint64_t distance) {
  std::vector<Record> stores;
  for (unsigned i = 0; i < 200; ++i) {
    stores.push_back(write(kHeap));
    stores.back().instructions = 50;
  }
  std::vector<Record> others = stores;
  for (Record& store : others) store.address += distance;
  return run(machine(Detail::kFull), Programs{{on(0, 0, stores)}, {on(0, 1, others)}});
}
TEST(Cores, ThatWriteOneLineTakeItFromEachOther) {
  EXPECT_GT(run_stores(8).caches.cache[0].invalidations, 200u);
}
TEST(Cores, ThatWriteLinesOfTheirOwnDoNot) {
  // But for the flags in the page's entries.
  EXPECT_LE(run_stores(64).caches.cache[0].invalidations, 2u);
}

TEST(Cores, BeginToCountInTheCycleInWhichTheLastIsWarm) {
  // The first is warm at once, the second after a million cycles; then each has one instruction.
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 1;
  Record late = read(kHeap);
  late.instructions = 1'000'000;
  const RunResult result = run(
      settings, Programs{{{read(kHeap), read(kHeap)}}, {{on(0, 1, late), on(0, 1, read(kHeap))}}});
  EXPECT_EQ(result.accesses, 2u);
  EXPECT_EQ(result.cores.at(0).cycles, 1u);
  EXPECT_EQ(result.cores.at(1).cycles, 1u);
  EXPECT_EQ(result.cycles, 1u);
  EXPECT_EQ(result.walker.walks, 0u);
}

TEST(Cores, EndWithoutTheOnesThatEndBeforeTheyAreWarm) {
  RunSettings settings = small_machine(Mode::kNative);
  settings.warmup = 2;
  const RunResult result =
      run(settings, Programs{{{read(kHeap)}}, {on(0, 1, std::vector<Record>(5, read(kHeap)))}});
  EXPECT_EQ(result.accesses, 3u);
  EXPECT_EQ(result.cores.at(0).accesses, 0u);
}

TEST(Cores, StopWhenOneMeetsAnError) {
  const Record wild = read(0x8000'0000'0000'0000);
  std::vector<Record> endless(100'000, read(kHeap));
  const RunResult result =
      run(small_machine(Mode::kNative), Programs{{{read(kHeap), wild}}, {on(0, 1, endless)}});
  ASSERT_TRUE(result.error);
  EXPECT_TRUE(result.partial);
  EXPECT_LT(result.accesses, 10'000u);
}

}  // namespace
}  // namespace eptsim::sim
