#include <gtest/gtest.h>
#include <string>

#include "mmu_model/walker/configurations.hpp"
#include "sim/run/tests/result_text.hpp"
#include "sim/run/tests/support.hpp"
#include "sim/run/tests/varied_program.hpp"

namespace eptsim::sim {
namespace {

/// Whether a text is a result of a run that had work to do.
testing::AssertionResult is_of_a_whole_run(const std::string& text) {
  const bool whole = !text.starts_with("accesses 0\n") && text.ends_with("\n0 done\n");
  return whole ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
}

/// The line of a result that begins with `name`.
std::string line_of(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n" + name + ' ');
  return text.substr(at, text.find('\n', at + 1) - at);
}

RunSettings machine() {
  RunSettings settings = small_machine();
  settings.machine.hardware.l1i.unified = {.entries = 16, .ways = 4};
  settings.machine.hardware.l1d.unified = {.entries = 16, .ways = 4};
  settings.machine.hardware.l2.unified = {.entries = 64, .ways = 8};
  settings.machine.hardware.l2.replacement = mmu::Replacement::kRandom;
  settings.warmup = 1000;
  return settings;
}

/// The same with the walker of the RTL's configuration `default`.
RunSettings machine_with_caches() {
  RunSettings settings = machine();
  settings.machine.hardware.walker = *mmu::find_configuration("default");
  return settings;
}

/// The same with caches so small that the tables' lines leave them, and banks that are waited for.
RunSettings machine_with_memory(mmu::DramModel dram = mmu::DramModel::kBanked) {
  RunSettings settings = machine_with_caches();
  mmu::MemorySettings& memory = settings.machine.hardware.memory;
  memory.l1d = {.bytes = 1024, .ways = 4, .hit_cycles = 5, .mshrs = 2};
  memory.l2 = {.bytes = 4096,
               .ways = 8,
               .hit_cycles = 15,
               .mshrs = 4,
               .replacement = mmu::Replacement::kTreePlru};
  memory.l3 = {.bytes = 16384,
               .ways = 16,
               .hit_cycles = 50,
               .mshrs = 8,
               .replacement = mmu::Replacement::kRandom};
  memory.dram = {.model = dram,
                 .cycles = 100,
                 .channels = 2,
                 .banks = 4,
                 .row_bytes = 1024,
                 .tcas = 14,
                 .trcd = 15,
                 .trp = 16,
                 .burst_cycles = 4};
  return settings;
}

TEST(Equality, TheSameRunTwiceGivesTheSameResult) {
  const std::string once = run_apart(machine(), varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(once));
  EXPECT_EQ(once, run_apart(machine(), varied_program(64 << 20)));
}

TEST(Equality, AnotherSeedGivesAnotherResultUnderRandomReplacement) {
  RunSettings settings = machine();
  settings.machine.hardware.seed = 2;
  EXPECT_NE(run_apart(machine(), varied_program(64 << 20)),
            run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, LockstepChangesNothing) {
  RunSettings settings = machine();
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(run_apart(machine(), varied_program(64 << 20)),
            run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, LockstepChangesNothingOnAMachineWithStructureCaches) {
  RunSettings settings = machine_with_caches();
  const std::string ahead = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(ahead));
  EXPECT_EQ(ahead.find("nested 0 0 0\n"), std::string::npos) << "its caches are asked";
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, LockstepChangesNothingOnAMachineWithCachesOfMemory) {
  for (const mmu::DramModel dram : {mmu::DramModel::kPlain, mmu::DramModel::kBanked}) {
    for (const mmu::MemoryLevel entry : {mmu::MemoryLevel::kL1d, mmu::MemoryLevel::kL2}) {
      RunSettings settings = machine_with_memory(dram);
      settings.machine.hardware.memory.walks_enter_at = entry;
      const std::string ahead = run_apart(settings, varied_program(64 << 20));
      EXPECT_TRUE(is_of_a_whole_run(ahead));
      settings.machine.hardware.lockstep = true;
      EXPECT_EQ(ahead, run_apart(settings, varied_program(64 << 20)));
    }
  }
}

TEST(Equality, CachesOfMemoryChangeNoOutcome) {
  const std::string with = run_apart(machine_with_memory(), varied_program(64 << 20));
  const std::string without = run_apart(machine_with_caches(), varied_program(64 << 20));
  for (const char* name : {"l1i", "l1d", "l2", "references", "faults", "bytes", "memory"}) {
    EXPECT_EQ(line_of(with, name), line_of(without, name));
  }
  EXPECT_NE(line_of(with, "walk cycles"), line_of(without, "walk cycles"));
  // All of them were used: something was written to DRAM, and rows were changed.
  for (const char* idle : {"dram 0", " 0 0\n"}) {
    EXPECT_EQ(line_of(with, "dram").find(idle), std::string::npos) << line_of(with, "dram");
  }
}

TEST(Equality, StructureCachesChangeNoOutcome) {
  // What the program does, its faults and memory are the same: only the cost differs.
  const std::string with = run_apart(machine_with_caches(), varied_program(64 << 20));
  const std::string without = run_apart(machine(), varied_program(64 << 20));
  for (const char* name : {"l1i", "l1d", "l2", "faults", "bytes", "memory"}) {
    EXPECT_EQ(line_of(with, name), line_of(without, name));
  }
  EXPECT_NE(line_of(with, "references"), line_of(without, "references"));
}

TEST(Equality, LockstepChangesNothingOnANativeMachineWithLargePages) {
  RunSettings settings = machine();
  settings.mode = Mode::kNative;
  settings.machine.guest_page = arch::PageSize::k2M;
  const std::string ahead = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(ahead));
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, LockstepChangesNothingUnderShadowPaging) {
  RunSettings settings = machine_with_memory();
  settings.mode = Mode::kShadow;
  settings.machine.guest_page = PagePolicy::transparent_huge_pages();
  settings.machine.guest_fragmentation = 50;
  const std::string ahead = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(ahead));
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(ahead, run_apart(settings, varied_program(64 << 20)));
}

#ifdef EPTSIM_HAS_RTL
TEST(Equality, TheRtlWalkerGivesTheModelsResult) {
  RunSettings settings = machine();
  settings.walker = WalkerKind::kRtl;
  EXPECT_EQ(run_apart(machine(), varied_program(64 << 20)),
            run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, TheRtlWalkerGivesTheModelsResultInLockstepOnLargePages) {
  RunSettings settings = machine();
  settings.machine.guest_page = arch::PageSize::k2M;
  settings.machine.ept_page = arch::PageSize::k2M;
  const std::string model = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(model));
  settings.walker = WalkerKind::kRtl;
  settings.machine.hardware.lockstep = true;
  EXPECT_EQ(model, run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, TheRtlWalkerWithCachesGivesTheModelsResult) {
  RunSettings settings = machine_with_caches();
  const std::string model = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(model));
  settings.walker = WalkerKind::kRtl;
  EXPECT_EQ(model, run_apart(settings, varied_program(64 << 20)));
  settings.walker = WalkerKind::kBoth;
  EXPECT_EQ(model, run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, TheRtlWalkerGivesTheModelsResultOnAMachineWithCachesOfMemory) {
  RunSettings settings = machine_with_memory();
  const std::string model = run_apart(settings, varied_program(64 << 20));
  EXPECT_TRUE(is_of_a_whole_run(model));
  settings.walker = WalkerKind::kRtl;
  EXPECT_EQ(model, run_apart(settings, varied_program(64 << 20)));
  settings.walker = WalkerKind::kBoth;
  EXPECT_EQ(model, run_apart(settings, varied_program(64 << 20)));
}

TEST(Equality, BothWalkersSideBySideGiveTheModelsResult) {
  RunSettings settings = machine();
  settings.walker = WalkerKind::kBoth;
  EXPECT_EQ(run_apart(machine(), varied_program(64 << 20)),
            run_apart(settings, varied_program(64 << 20)));
}
#else
TEST(Equality, ABuildWithoutTheRtlRefusesItByName) {
  RunSettings settings = machine();
  for (const WalkerKind kind : {WalkerKind::kRtl, WalkerKind::kBoth}) {
    settings.walker = kind;
    EXPECT_NE(run_apart(settings, varied_program(64 << 20)).find("--walker"), std::string::npos);
  }
}
#endif

}  // namespace
}  // namespace eptsim::sim
