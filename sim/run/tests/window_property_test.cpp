#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"

/// What holds of the core with a window whatever the trace and the machine.
namespace eptsim::sim {
namespace {

RunSettings random_machine(std::mt19937_64& random) {
  RunSettings settings = small_machine(random() % 3 == 0 ? Mode::kNative : Mode::kNested);
  settings.detail = Detail::kFull;
  settings.machine.core = {.width = static_cast<unsigned>(1 + random() % 6),
                           .window = static_cast<unsigned>(1 + random() % 100),
                           .loads = static_cast<unsigned>(1 + random() % 40),
                           .dependence = static_cast<Dependence>(random() % 3)};
  mmu::MachineSettings& hardware = settings.machine.hardware;
  if (random() % 2 == 0) hardware.walker = *mmu::find_configuration("default");
  hardware.walker.walks = static_cast<unsigned>(1 + random() % 6);
  if (random() % 2 == 0) {
    hardware.memory.l1d = {.bytes = 4096, .ways = 4, .hit_cycles = 3};
    hardware.memory.l2 = {.bytes = 65536, .ways = 4, .hit_cycles = 12, .mshrs = 4};
  }
  hardware.memory.dram.cycles = static_cast<unsigned>(1 + random() % 60);
  if (random() % 4 == 0 && settings.mode == Mode::kNested) {
    settings.machine.dirty_log = {
        .tracking = random() % 2 == 0 ? DirtyTracking::kPml : DirtyTracking::kWriteProtect,
        .split = static_cast<DirtySplit>(random() % 2),
        .interval = 1 + random() % 300,
        .rounds = random() % 5};
  }
  settings.warmup = random() % 3 == 0 ? random() % 500 : 0;
  if (random() % 4 == 0) settings.limit = 1 + random() % 1000;
  settings.fetch = random() % 3 != 0;
  return settings;
}

/// Pages that come and go, all kinds of accesses and events.
std::vector<Record> random_program(std::mt19937_64& random) {
  std::vector<Record> records;
  std::uint16_t asid = 0;
  const std::uint64_t pages = 4 + random() % 60;
  for (unsigned i = 0; i < 1500; ++i) {
    const auto kind = static_cast<RecordKind>(random() % 4);
    Record next = record(kind, kHeap + random() % (pages * kPageBytes),
                         static_cast<std::uint16_t>(random() % 20 == 0 ? random() % 9000 : 8));
    if (random() % 10 == 0) next.address = kHeap + (1u << 22) + 64 * i;
    next.instructions = static_cast<std::uint32_t>(random() % 3 == 0 ? 0 : random() % 7);
    next.ip = 0x401000 + random() % 16;
    if (random() % 2 == 0) next.depends_on = static_cast<std::uint32_t>(random() % 8);
    if (random() % 100 == 0) {
      next.kind = static_cast<RecordKind>(4 + random() % 8);
      next.size = static_cast<std::uint16_t>(random() % 4);
    }
    if (random() % 400 == 0) asid ^= 1;
    next.asid = asid;
    records.push_back(next);
  }
  return records;
}

/// The numbers of a line.
std::vector<std::uint64_t> numbers(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + ' ');
  if (at == std::string::npos) return {};
  std::istringstream line(text.substr(at + name.size() + 2, text.find('\n', at + 1) - at));
  std::vector<std::uint64_t> found;
  for (std::uint64_t number; line >> number;) found.push_back(number);
  return found;
}

TEST(WindowProperties, EachCycleIsInOneClassAndLockstepChangesNothing) {
  std::mt19937_64 random(7);
  for (unsigned round = 0; round < 40; ++round) {
    RunSettings settings = random_machine(random);
    const std::vector<Record> records = random_program(random);
    const std::string ahead = run_apart(settings, records);
    ASSERT_TRUE(ahead.ends_with("\n0 done\n")) << "round " << round << ": " << ahead;
    const auto classes = numbers(ahead, "classes");
    ASSERT_EQ(classes.size(), 5u);
    std::uint64_t sum = 0;
    for (const std::uint64_t cycles : classes) sum += cycles;
    ASSERT_EQ(numbers(ahead, "cycles").at(0), sum) << "round " << round;
    settings.machine.hardware.lockstep = true;
    ASSERT_EQ(ahead, run_apart(settings, records)) << "round " << round;
  }
}

TEST(WindowProperties, LockstepChangesNothingOnTheCoreThatBlocksEither) {
  std::mt19937_64 random(17);
  for (unsigned round = 0; round < 40; ++round) {
    RunSettings settings = random_machine(random);
    settings.detail = Detail::kTranslation;
    const std::vector<Record> records = random_program(random);
    const std::string driven = run_apart(settings, records);
    ASSERT_TRUE(driven.ends_with("\n0 done\n")) << "round " << round << ": " << driven;
    settings.machine.hardware.lockstep = true;
    ASSERT_EQ(driven, run_apart(settings, records)) << "round " << round;
  }
}

TEST(WindowProperties, BothCoresTranslateTheSameAndTheProgramsFaultsAreTheSame) {
  std::mt19937_64 random(8);
  for (unsigned round = 0; round < 20; ++round) {
    RunSettings settings = random_machine(random);
    // Of write protection the window's walks of writes that begin anew set flags in another order.
    settings.machine.dirty_log = write_protection(0);
    settings.warmup = 0;
    const std::vector<Record> records = random_program(random);
    const std::string window = run_apart(settings, records);
    settings.detail = Detail::kTranslation;
    const std::string blocking = run_apart(settings, records);
    for (const char* name : {"instructions", "events"}) {
      ASSERT_EQ(numbers(window, name), numbers(blocking, name)) << name << ", round " << round;
    }
    ASSERT_EQ(window.substr(0, window.find('\n')), blocking.substr(0, blocking.find('\n')));
    const auto faults = numbers(window, "faults");
    const auto expected = numbers(blocking, "faults");
    ASSERT_EQ(faults.at(0), expected.at(0)) << "round " << round;
  }
}

TEST(WindowProperties, AnIdealTlbLosesNoCycleToTranslationAndIsNeverSlower) {
  std::mt19937_64 random(9);
  for (unsigned round = 0; round < 20; ++round) {
    RunSettings settings = random_machine(random);
    settings.machine.hardware.memory = {};
    settings.machine.dirty_log = write_protection(0);
    const std::vector<Record> records = random_program(random);
    const std::string real = run_apart(settings, records);
    settings.machine.ideal_tlb = true;
    const std::string ideal = run_apart(settings, records);
    ASSERT_EQ(numbers(ideal, "classes").at(2), 0u) << "round " << round;
    ASSERT_EQ(numbers(ideal, "walks").at(0), 0u);
    ASSERT_LE(numbers(ideal, "cycles").at(0), numbers(real, "cycles").at(0)) << "round " << round;
  }
}

}  // namespace
}  // namespace eptsim::sim
