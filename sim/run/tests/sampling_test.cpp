#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"
#include "sim/run/tests/varied_program.hpp"

namespace eptsim::sim {
namespace {

/// The core that waits for each translation, so that time has no influence on what happens; with a
/// walker's caches, and caches of memory so small that lines leave them.
RunSettings machine() {
  RunSettings settings = small_machine();
  mmu::MachineSettings& hardware = settings.machine.hardware;
  hardware.l1i.unified = {.entries = 16, .ways = 4};
  hardware.l1d.unified = {.entries = 16, .ways = 4};
  hardware.l2.unified = {.entries = 64, .ways = 8};
  hardware.l2.replacement = mmu::Replacement::kRandom;
  hardware.walker = *mmu::find_configuration("default");
  mmu::MemorySettings& memory = hardware.memory;
  memory.l1d = {.bytes = 1024, .ways = 4, .hit_cycles = 5, .mshrs = 2};
  memory.l2 = {.bytes = 4096,
               .ways = 8,
               .hit_cycles = 15,
               .mshrs = 4,
               .replacement = mmu::Replacement::kTreePlru};
  memory.l3 = {.bytes = 16384, .ways = 16, .hit_cycles = 50, .mshrs = 8};
  memory.dram = {.cycles = 100, .channels = 2, .banks = 4, .row_bytes = 1024};
  return settings;
}

RunSettings sampled(RunSettings settings, std::uint64_t period, std::uint64_t window,
                    std::uint64_t warmup) {
  settings.machine.sampling = {.period = period, .window = window, .warmup = warmup};
  return settings;
}

/// The lines of a result that time has no part in.
std::string counts_in(const std::string& text) {
  std::istringstream lines(text);
  std::string counts;
  for (std::string line; std::getline(lines, line);) {
    if (line.find('/') != std::string::npos) {
      // A place: references / cycles / by level.
      std::istringstream places(line);
      for (std::string place; places >> place;) {
        const std::size_t first = place.find('/');
        counts += place.substr(0, first) + place.substr(place.find('/', first + 1)) + ' ';
      }
      counts += '\n';
      continue;
    }
    for (const char* name :
         {"accesses ", "instructions ", "events ", "l1i ", "l1d ", "l2 ", "walks ", "references ",
          "flags ", "refs ", "combined ", "ept ", "nested ", "cache ", "invalidations ", "dram ",
          "faults ", "bytes ", "memory "}) {
      if (line.starts_with(name)) counts += line + '\n';
    }
  }
  return counts;
}

std::vector<double> numbers_of(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + ' ');
  if (at == std::string::npos) return {};
  std::istringstream line(
      text.substr(at + name.size() + 2, text.find('\n', at + 1) - at - name.size() - 2));
  std::vector<double> numbers;
  for (double number = 0; line >> number;) numbers.push_back(number);
  return numbers;
}

/// Of `whole`, with as many windows as are to be expected.
testing::AssertionResult counts_alike(const std::string& whole, const std::string& sample) {
  if (!whole.ends_with("\n0 done\n") || !sample.ends_with("\n0 done\n")) {
    return testing::AssertionFailure() << whole << sample;
  }
  if (numbers_of(sample, "windows").at(0) < 2) return testing::AssertionFailure() << sample;
  const std::string expected = counts_in(whole);
  const std::string counted = counts_in(sample);
  if (expected.size() < 600) return testing::AssertionFailure() << "nothing compared";
  if (expected == counted) return testing::AssertionSuccess();
  std::istringstream a(expected);
  std::istringstream b(counted);
  std::string left;
  std::string right;
  while (std::getline(a, left) && std::getline(b, right) && left == right) {
  }
  return testing::AssertionFailure() << "whole:  " << left << "\nsample: " << right;
}

testing::AssertionResult counts_alike(const RunSettings& settings, std::uint64_t period,
                                      std::uint64_t window, std::uint64_t warmup) {
  return counts_alike(
      run_apart(settings, varied_program(4 << 20)),
      run_apart(sampled(settings, period, window, warmup), varied_program(4 << 20)));
}

TEST(Sampling, CountsWhatTheWholeRunCounts) {
  EXPECT_TRUE(counts_alike(machine(), 2000, 100, 100));
  EXPECT_TRUE(counts_alike(machine(), 777, 50, 0));
}

TEST(Sampling, CountsWhatTheWholeRunCountsInEveryMode) {
  for (const Mode mode : {Mode::kNative, Mode::kShadow}) {
    RunSettings settings = machine();
    settings.mode = mode;
    EXPECT_TRUE(counts_alike(settings, 2000, 100, 100)) << static_cast<int>(mode);
  }
}

TEST(Sampling, CountsWhatTheWholeRunCountsOnOtherMachines) {
  RunSettings banked = machine();
  banked.machine.hardware.memory.dram.model = mmu::DramModel::kBanked;
  EXPECT_TRUE(counts_alike(banked, 2000, 100, 100));
  RunSettings without_caches = small_machine();
  EXPECT_TRUE(counts_alike(without_caches, 2000, 100, 100));
  RunSettings low_entry = machine();
  low_entry.machine.hardware.memory.walks_enter_at = mmu::MemoryLevel::kL2;
  EXPECT_TRUE(counts_alike(low_entry, 2000, 100, 100));
  RunSettings guest_structures = machine();
  guest_structures.machine.hardware.walker.kind = mmu::StructureKind::kGuest;
  guest_structures.machine.hardware.walker.combined_ways = {0, 0, 4};
  EXPECT_TRUE(counts_alike(guest_structures, 2000, 100, 100));
  RunSettings large_pages = machine();
  large_pages.machine.guest_page = arch::PageSize::k2M;
  EXPECT_TRUE(counts_alike(large_pages, 2000, 100, 100));
  RunSettings ideal = machine();
  ideal.machine.ideal_tlb = true;
  EXPECT_TRUE(counts_alike(ideal, 2000, 100, 100));
  RunSettings without_fetches = machine();
  without_fetches.fetch = false;
  EXPECT_TRUE(counts_alike(without_fetches, 500, 100, 100));
}

TEST(Sampling, CountsWhatTheWholeRunCountsWhileTheHypervisorWriteProtects) {
  RunSettings settings = machine();
  settings.machine.dirty_log = write_protection(1300);
  EXPECT_TRUE(counts_alike(settings, 2000, 100, 100));
}

TEST(Sampling, KeepsWarmUpAndLimit) {
  RunSettings settings = machine();
  settings.warmup = 3000;
  settings.limit = 10'001;
  const std::string whole = run_apart(settings, varied_program(4 << 20));
  const std::string sample = run_apart(sampled(settings, 2000, 100, 100), varied_program(4 << 20));
  EXPECT_TRUE(counts_alike(whole, sample));
  EXPECT_EQ(numbers_of("\n" + sample, "accesses").at(0), 10'001);
}

// Each access is a window of its own, so every cycle after the warm-up is measured; and those
// before were warmed. If anything was left as one core wouldn't have left it, cycles differ.
TEST(Sampling, WarmingLeavesTheMachineAsTheCoreWould) {
  for (const mmu::DramModel dram : {mmu::DramModel::kPlain, mmu::DramModel::kBanked}) {
    RunSettings settings = machine();
    settings.machine.hardware.memory.dram.model = dram;
    settings.warmup = 9000;
    settings.limit = 6000;
    const std::string whole = run_apart(settings, varied_program(4 << 20));
    const std::string sample = run_apart(sampled(settings, 1, 1, 0), varied_program(4 << 20));
    EXPECT_TRUE(counts_alike(whole, sample));
    EXPECT_EQ(numbers_of(sample, "windows").at(0), 6000);
    EXPECT_EQ(numbers_of(whole, "cycles"), numbers_of(sample, "cycles"));
    EXPECT_EQ(numbers_of(whole, "classes"), numbers_of(sample, "classes"));
    EXPECT_EQ(numbers_of(whole, "walk cycles"), numbers_of(sample, "walk cycles"));
  }
}

// The same of the caches of data: a core with room for one instruction makes its accesses one after
// the other too. What a store brings may still be on its way when the warm-up ends, or not.
TEST(Sampling, WarmingLeavesTheDataWhereTheCoreWould) {
  RunSettings settings = machine();
  settings.detail = Detail::kFull;
  settings.machine.core.window = 1;
  settings.machine.core.width = 1;
  settings.warmup = 3000;
  settings.limit = 6000;
  std::vector<Record> records;
  std::uint64_t state = 5;
  for (unsigned i = 0; i < 10'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t address = kHeap + (state >> 33) % (48 << 10);
    records.push_back(i > 2900 && i < 3000
                          ? read(address)
                          : record(i % 3 == 0 ? RecordKind::kModify : RecordKind::kRead, address));
  }
  const std::string whole = run_apart(settings, records);
  const std::string sample = run_apart(sampled(settings, 1000, 1000, 0), records);
  EXPECT_TRUE(counts_alike(whole, sample));
  EXPECT_EQ(numbers_of(whole, "cycles"), numbers_of(sample, "cycles"));
  EXPECT_EQ(numbers_of(whole, "classes"), numbers_of(sample, "classes"));
}

/// A program that has touched all its pages in the beginning: it chases a pointer, in phases over
/// more and over less memory.
std::vector<Record> settled_program() {
  std::vector<Record> records;
  constexpr std::uint64_t kPages = 2048;
  std::uint64_t state = 7;
  for (unsigned i = 0; i < 100'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t random = state >> 33;
    const std::uint64_t pages = i / 10'000 % 2 == 0 ? kPages : kPages / 4;
    const std::uint64_t page = i < 4096 ? i % kPages : random % pages;
    Record next = read(kHeap + page * kPageBytes + 64 * (random >> 16) % kPageBytes);
    next.instructions = 3;
    next.depends_on = i % 3 == 0 ? 1 : 0;
    records.push_back(next);
  }
  return records;
}

/// How far `sample` is off, over what it says that it may be.
double error_of(const std::string& whole, const std::string& sample) {
  const double cycles = numbers_of(whole, "cycles").at(0);
  const double estimate = numbers_of(sample, "cycles").at(0);
  return std::abs(estimate - cycles) / (estimate * numbers_of(sample, "windows").at(3));
}

// Once in 20 times a 95 % interval may be missed.
TEST(Sampling, TheWholeRunIsWithinTheInterval) {
  for (const Detail detail : {Detail::kTranslation, Detail::kFull}) {
    RunSettings settings = machine();
    settings.machine.core.window = 64;
    settings.machine.hardware.l1d.unified = {.entries = 64, .ways = 4};
    settings.machine.hardware.l2.unified = {.entries = 512, .ways = 8};
    settings.machine.hardware.l2.replacement = mmu::Replacement::kLru;
    settings.detail = detail;
    settings.warmup = 4096;
    const std::vector<Record> records = settled_program();
    const std::string whole = run_apart(settings, records);
    unsigned within = 0;
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
      settings.machine.hardware.seed = seed;
      const std::string sample = run_apart(sampled(settings, 1000, 250, 250), records);
      EXPECT_GT(numbers_of(sample, "windows").at(0), 20) << sample;
      EXPECT_GT(numbers_of(sample, "windows").at(3), 0.0001);
      EXPECT_LT(numbers_of(sample, "windows").at(3), 0.1);
      within += error_of(whole, sample) <= 1 ? 1 : 0;
    }
    EXPECT_GE(within, 5u) << static_cast<int>(detail);
  }
}

/// Stores to page after page for the first time, then a pointer chase over them.
std::vector<Record> program_that_fills_its_memory() {
  std::vector<Record> records;
  constexpr std::uint64_t kPages = 1500;
  for (std::uint64_t page = 0; page < kPages; ++page) {
    Record next = write(kHeap + page * kPageBytes);
    next.instructions = 7;
    records.push_back(next);
  }
  std::uint64_t state = 7;
  for (unsigned i = 0; i < 120'000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    Record next = read(kHeap + (state >> 33) % kPages * kPageBytes + 64 * (state >> 58));
    next.instructions = 3;
    next.depends_on = i % 3 == 0 ? 1 : 0;
    records.push_back(next);
  }
  return records;
}

// What a fault costs beyond its exit is not known of those that were warmed. All come in one part
// of a hundred of the run, in which windows at places chosen by accesses alone would be one or two.
TEST(Sampling, FaultsInTheBeginningAreWithinTheInterval) {
  RunSettings settings = machine();
  settings.machine.exit_cycles = 10;
  settings.machine.handler_cycles = 0;
  settings.machine.core.window = 64;
  settings.machine.hardware.l2.replacement = mmu::Replacement::kLru;
  settings.detail = Detail::kFull;
  const std::vector<Record> records = program_that_fills_its_memory();
  const std::string whole = run_apart(settings, records);
  unsigned within = 0;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    settings.machine.hardware.seed = seed;
    const std::string sample = run_apart(sampled(settings, 6000, 500, 500), records);
    EXPECT_LT(numbers_of(sample, "windows").at(3), 0.025) << sample;
    within += error_of(whole, sample) <= 1 ? 1 : 0;
  }
  EXPECT_GE(within, 5u);
}

RunSettings touching(RunSettings settings, std::uint64_t period, std::uint64_t warming) {
  settings = sampled(settings, period, 100, 100);
  settings.machine.sampling.warming = warming;
  return settings;
}

/// The lines of a result that begin with one of `names`.
std::string lines_of(const std::string& text, const std::vector<std::string>& names) {
  std::istringstream lines(text);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    for (const std::string& name : names) {
      if (line.starts_with(name + ' ')) found += line + '\n';
    }
  }
  return found;
}

testing::AssertionResult touching_leaves_memory_as_it_is(const RunSettings& settings,
                                                         std::uint64_t period = 2000) {
  const std::vector<std::string> kept = {"accesses", "instructions", "events", "faults",
                                         "bytes",    "memory",       "dirty",  "merging"};
  const std::string whole = run_apart(settings, varied_program(4 << 20));
  const std::string sample = run_apart(touching(settings, period, 100), varied_program(4 << 20));
  if (!whole.ends_with("\n0 done\n") || !sample.ends_with("\n0 done\n")) {
    return testing::AssertionFailure() << whole << sample;
  }
  if (numbers_of(sample, "windows").at(6) < 5000 || counts_in(whole) == counts_in(sample)) {
    return testing::AssertionFailure() << "nothing was touched alone:\n" << sample;
  }
  if (lines_of(whole, kept) == lines_of(sample, kept)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << lines_of(whole, kept) << "is not\n"
                                     << lines_of(sample, kept);
}

// Frames, tables, and their flags are what the whole run leaves, however little of it
// is warmed.
TEST(Sampling, TouchingLeavesMemoryAsTheWholeRunDoes) {
  for (const Mode mode : {Mode::kNested, Mode::kNative, Mode::kShadow}) {
    RunSettings settings = machine();
    settings.mode = mode;
    EXPECT_TRUE(touching_leaves_memory_as_it_is(settings)) << static_cast<int>(mode);
  }
}

TEST(Sampling, TouchingLeavesMemoryAsTheWholeRunDoesWhilePagesAreWriteProtected) {
  RunSettings settings = machine();
  settings.machine.dirty_log = write_protection(1300);
  EXPECT_TRUE(touching_leaves_memory_as_it_is(settings));
}

TEST(Sampling, TouchingLeavesMemoryAsTheWholeRunDoesWhilePagesAreMerged) {
  RunSettings settings = machine();
  settings.machine.guest_merge = {.interval = 700, .pieces = 1};
  constexpr std::uint64_t kPeriod = 40'000;  // faults are many, and each is long
  EXPECT_TRUE(touching_leaves_memory_as_it_is(settings, kPeriod));
  settings.machine.hypervisor_merge = {.interval = 900, .pieces = 1};
  EXPECT_TRUE(touching_leaves_memory_as_it_is(settings, kPeriod));
}

// Warming as long as the gaps is what it was without touching.
TEST(Sampling, WarmingOfAllOfTheGapsLeavesNothingToTouch) {
  const auto program = varied_program(4 << 20);
  const std::string warmed = run_apart(touching(machine(), 2000, 0), program);
  EXPECT_EQ(numbers_of(warmed, "windows").at(6), 0);
  const std::string touched = run_apart(touching(machine(), 2000, 1 << 20), program);
  EXPECT_EQ(lines_of(warmed, {"accesses", "classes"}), lines_of(touched, {"accesses", "classes"}));
}

TEST(Sampling, CountsAreEstimatedInProportionWhereGapsAreTouched) {
  RunSettings settings = machine();
  settings.machine.hardware.l2.replacement = mmu::Replacement::kLru;
  settings.warmup = 4096;
  const std::vector<Record> records = settled_program();
  const std::string whole = run_apart(settings, records);
  const std::string sample = run_apart(touching(settings, 2000, 600), records);
  EXPECT_GT(numbers_of(sample, "windows").at(6), 50'000);
  for (const char* name : {"l1d", "l2", "walks", "references"}) {
    const double expected = numbers_of(whole, name).at(0);
    EXPECT_NEAR(numbers_of(sample, name).at(0), expected, 0.05 * expected) << name;
  }
}

TEST(Sampling, ThereAreAsManyWindowsAsAskedFor) {
  RunSettings settings = machine();
  settings.limit = 10'000;
  settings.machine.sampling = {.windows = 20, .window = 100, .warmup = 100};
  settings.warmup = 5000;  // first touches count for more
  std::vector<Record> records;
  for (unsigned i = 0; i < 15'000; ++i) records.push_back(read(kHeap + i % 300 * kPageBytes));
  EXPECT_EQ(numbers_of(run_apart(settings, records), "windows").at(0), 20);
  settings.limit.reset();  // and the trace doesn't tell
  EXPECT_NE(run_apart(settings, records).find("sampling.windows"), std::string::npos);
}

TEST(Sampling, TheSameRunTwiceGivesTheSameResultAndAnotherSeedOtherWindows) {
  RunSettings settings = sampled(machine(), 2000, 100, 100);
  settings.machine.hardware.l2.replacement = mmu::Replacement::kLru;
  settings.detail = Detail::kFull;
  const std::string once = run_apart(settings, varied_program(4 << 20));
  EXPECT_EQ(once, run_apart(settings, varied_program(4 << 20)));
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(once, run_apart(settings, varied_program(4 << 20)));
  settings.machine.hardware.seed = 2;
  EXPECT_NE(numbers_of(once, "classes"),
            numbers_of(run_apart(settings, varied_program(4 << 20)), "classes"));
}

TEST(Sampling, RefusesByNameWhatItCannotDo) {
  RunSettings rtl = sampled(machine(), 2000, 100, 100);
  rtl.walker = WalkerKind::kBoth;
  EXPECT_NE(run_apart(rtl, varied_program(4 << 20)).find("--walker model"), std::string::npos);
  EXPECT_NE(
      run_apart(sampled(machine(), 100, 60, 41), varied_program(4 << 20)).find("sampling.period"),
      std::string::npos);
  const std::string one_window =
      run_apart(sampled(machine(), 10'000'000, 100, 100), varied_program(4 << 20));
  EXPECT_NE(one_window.find("a shorter period"), std::string::npos) << one_window;
}

}  // namespace
}  // namespace eptsim::sim
