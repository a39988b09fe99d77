#include <gtest/gtest.h>
#include <unistd.h>

#include <gtkwave/fstapi.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>

#include "mmu_model/walker/configurations.hpp"
#include "testbench/rtl_walker/rtl_walker.hpp"
#include "testbench/rtl_walker/tests/fst_times.hpp"

namespace eptsim::tb {
namespace {

namespace fs = std::filesystem;

class WaveformFile : public testing::Test {
 protected:
  ~WaveformFile() override { fs::remove(file_); }

  static void tick(RtlWalker& walker, mmu::Cycle cycle) {
    mmu::WalkerInputs inputs;
    inputs.cycle = cycle;
    walker.tick(inputs);
  }
  static void tick(RtlWalker& walker, mmu::Cycle begin, mmu::Cycle end) {
    for (mmu::Cycle cycle = begin; cycle < end; ++cycle) tick(walker, cycle);
  }

  fs::path file_ = fs::temp_directory_path() / ("eptsim-waveform-" + std::to_string(::getpid()));
};

TEST_F(WaveformFile, BeginsAndEndsWithTheCyclesAskedFor) {
  RtlWalker walker("small", {.file = file_, .first = 3, .last = 7});
  tick(walker, 0, 20);
  EXPECT_TRUE(walker.end_waveform());
  EXPECT_EQ(fst_times(file_), (FstTimes{30, 80}));
}

TEST_F(WaveformFile, WithoutARangeHasEachCycle) {
  RtlWalker walker("single", {.file = file_});
  tick(walker, 0, 20);
  EXPECT_TRUE(walker.end_waveform());
  EXPECT_EQ(fst_times(file_), (FstTimes{0, 200}));
}

TEST_F(WaveformFile, CoversCyclesThatWereNotClocked) {
  RtlWalker walker("single", {.file = file_, .first = 5, .last = 9});
  tick(walker, 2);
  tick(walker, 8);
  tick(walker, 30);
  EXPECT_TRUE(walker.end_waveform());
  EXPECT_EQ(fst_times(file_), (FstTimes{50, 100}));
}

TEST_F(WaveformFile, AResetTakesACycleAndOnesInARowTakeNoMore) {
  RtlWalker walker("single", {.file = file_});
  walker.reset();
  tick(walker, 0, 10);
  walker.reset();
  walker.reset();
  tick(walker, 0, 4);
  EXPECT_TRUE(walker.end_waveform());
  EXPECT_EQ(fst_times(file_), (FstTimes{0, 150}));
}

TEST_F(WaveformFile, HasNothingOfCyclesThatDidNotCome) {
  RtlWalker walker("single", {.file = file_, .first = 100});
  tick(walker, 0, 20);
  EXPECT_FALSE(walker.end_waveform());
}

TEST_F(WaveformFile, ThatCannotBeWrittenIsRefused) {
  EXPECT_THROW(RtlWalker("single", {.file = "/nowhere/at/all.fst"}), std::runtime_error);
}

/// Names of all signals, as GTKWave spells them: "walker_pins.clk_i", "…time_i[63:0]".
std::set<std::string> signals_of(const fs::path& file) {
  std::set<std::string> names;
  void* const reader = fstReaderOpen(file.c_str());
  if (reader == nullptr) return names;
  while (const fstHier* const item = fstReaderIterateHier(reader)) {
    if (item->htyp == FST_HT_SCOPE) {
      fstReaderPushScope(reader, item->u.scope.name, nullptr);
    } else if (item->htyp == FST_HT_UPSCOPE) {
      fstReaderPopScope(reader);
    } else if (item->htyp == FST_HT_VAR) {
      std::string name = std::string(fstReaderGetCurrentFlatScope(reader)) + "." + item->u.var.name;
      std::erase(name, ' ');
      names.insert(name);
    }
  }
  fstReaderClose(reader);
  return names;
}

/// What the save file shows: its lines that are neither settings, flags nor titles.
std::set<std::string> shown_signals() {
  std::set<std::string> names;
  std::ifstream save(EPTSIM_SAVE_FILE);
  for (std::string line; std::getline(save, line);) {
    if (!line.empty() && std::string("[*@-").find(line[0]) == std::string::npos) names.insert(line);
  }
  return names;
}

TEST_F(WaveformFile, HasEachSignalThatTheSaveFileShows) {
  const auto shown = shown_signals();
  ASSERT_GT(shown.size(), 50U);
  std::set<std::string> found;
  for (const mmu::WalkerConfiguration& configuration : mmu::named_configurations()) {
    RtlWalker walker(configuration.name, {.file = file_});
    tick(walker, 0, 2);
    walker.end_waveform();
    const auto names = signals_of(file_);
    ASSERT_TRUE(names.contains("walker.walker_pins.clk_i"));
    std::ranges::set_intersection(shown, names, std::inserter(found, found.end()));
    // Caches and the widths of what is per slot differ from configuration to configuration.
    for (const std::string& name : shown) {
      if (name.find("u_walker") != std::string::npos) continue;
      EXPECT_TRUE(names.contains(name)) << configuration.name << ": " << name;
    }
  }
  for (const std::string& name : shown) EXPECT_TRUE(found.contains(name)) << name;
}

}  // namespace
}  // namespace eptsim::tb
