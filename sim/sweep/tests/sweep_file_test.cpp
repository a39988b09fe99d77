#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/input_error.hpp"
#include "sim/sweep/sweep_file.hpp"
#include "sim/tests/test_folder.hpp"

namespace eptsim::sim::sweep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Sweep read(const std::string& text) { return read_sweep(text, "s.toml", ""); }

std::vector<std::string> names_of(const Axis& axis) {
  std::vector<std::string> names;
  for (const Value& value : axis.values) names.push_back(value.name);
  return names;
}

TEST(SweepFile, HasAnAxisForEachListInTheOrderOfTheFile) {
  const Sweep sweep = read(
      "title = \"T\"\n"
      "traces = [\"a/x\", \"b/y\", \"generate:gups\"]\n"
      "machines = [\"zen4\", \"plain\"]\n"
      "[vary]\n"
      "walker.slots = [1, 4]\n"
      "cache.l2.bytes = [\"1MiB\", \"2MiB\"]\n"
      "[variants.caches]\n"
      "none = { psc.pde.entries = 0, nested_tlb.entries = 0 }\n"
      "as-is = {}\n");
  EXPECT_EQ(sweep.title, "T");
  std::vector<std::string> names;
  for (const Axis& axis : sweep.axes) names.push_back(axis.name);
  EXPECT_THAT(names, ElementsAre("trace", "machine", "walker.slots", "cache.l2.bytes", "caches"));
  EXPECT_THAT(names_of(sweep.axes[0]), ElementsAre("x", "y", "generate:gups"));
  EXPECT_THAT(names_of(sweep.axes[1]), ElementsAre("zen4", "plain"));
  EXPECT_TRUE(sweep.axes[3].numeric());
  EXPECT_EQ(sweep.axes[3].values[0].number, 1u << 20);
  EXPECT_FALSE(sweep.axes[4].numeric());
  EXPECT_THAT(names_of(sweep.axes[4]), ElementsAre("none", "as-is"));
  EXPECT_EQ(sweep.axes[4].values[0].settings.size(), 2u);
}

TEST(SweepFile, NamesFilesWithoutTheirFoldersWhereThatTellsThemApart) {
  const Sweep apart = read("traces = [\"a/x\", \"b/y\", [\"a/x\", \"b/y\"]]\n");
  EXPECT_THAT(names_of(apart.axes[0]), ElementsAre("x", "y", "a/x + b/y"));
  const Sweep same = read("traces = [\"a/x\", \"b/x\", \"y\"]\n");
  EXPECT_THAT(names_of(same.axes[0]), ElementsAre("a/x", "b/x", "y"));
  const Sweep named = read("traces = { one = \"a/x\", other = \"b/x\" }\n");
  EXPECT_THAT(names_of(named.axes[0]), ElementsAre("one", "other"));
}

TEST(SweepFile, RelativePathsStartFromItsFolder) {
  const Sweep sweep = read_sweep("traces = [\"../x\", \"/y\", \"generate:gups\"]\n", "s", "a/b");
  EXPECT_THAT(sweep.axes[0].values[0].traces, ElementsAre("a/x"));
  EXPECT_THAT(sweep.axes[0].values[1].traces, ElementsAre("/y"));
  EXPECT_THAT(sweep.axes[0].values[2].traces, ElementsAre("generate:gups"));
}

TEST(SweepFile, OptionsHoldForEveryPoint) {
  const Sweep sweep = read(
      "traces = [\"t\"]\n[set]\ndram.cycles = 200\n[run]\nwarmup = 1_000\nlimit = 5\nseed = 3\n"
      "detail = \"translation\"\nfetch = \"off\"\nformat = \"champsim\"\nwalker = \"both\"\n");
  ASSERT_EQ(sweep.settings.size(), 1u);
  EXPECT_EQ(sweep.settings[0].key + "=" + sweep.settings[0].value, "dram.cycles=200");
  EXPECT_EQ(sweep.options.warmup, 1000u);
  EXPECT_EQ(sweep.options.limit, 5u);
  EXPECT_EQ(sweep.options.seed, 3u);
  EXPECT_EQ(sweep.options.detail, Detail::kTranslation);
  EXPECT_EQ(sweep.options.fetch, false);
  EXPECT_EQ(sweep.options.format, "champsim");
  EXPECT_EQ(sweep.options.walker, WalkerKind::kBoth);
}

TEST(SweepFile, ColumnsAreStatisticsAndWhatFollowsFromThem) {
  const Sweep sweep =
      read("traces = [\"t\"]\ncolumns = [\"walker.walks\", \"cpi\"]\nplots = [\"dram.reads\"]\n");
  ASSERT_EQ(sweep.columns.size(), 2u);
  EXPECT_EQ(sweep.columns[1].unit, "cycle");
  EXPECT_EQ(sweep.plots[0].name, "dram.reads");
  EXPECT_GT(read("traces = [\"t\"]\n").columns.size(), 5u);
}

struct Wrong {
  const char* text;
  const char* says;
  const char* hints = "";
};

TEST(SweepFile, WhatIsWrongIsNamedWithItsPlace) {
  const Wrong all[] = {
      {"traces = [\"t\"]\nmachine = []\n", "s.toml:2:1: unknown key 'machine', expected title",
       "did you mean 'machines'?"},
      {"traces = [\"t\"]\ntlb.l2.ways = [1]\n", "s.toml:2:1: unknown key 'tlb'", "under [vary]"},
      {"traces = [\"t\"]\nlimit = 1\n", "s.toml:2:1: unknown key 'limit'", "under [run]"},
      {"title = \"no traces\"\n", "s.toml: has no traces"},
      {"traces = []\n", "s.toml:1:1: no trace, expected at least one value"},
      {"traces = \"t\"\n", "s.toml:1:10: traces can't be 't', expected a list"},
      {"traces = [1]\n", "s.toml:1:11: traces can't be 1, expected text in quotes"},
      {"traces = [\"-\"]\n", "s.toml:1:11: a sweep reads its traces again and again"},
      {"traces = [\"t\", \"u\", \"t\"]\n", "s.toml:1:21: t is there twice"},
      {"traces = [\"t\"\n", "s.toml:1:15: "},
      {"traces = [\"t\"]\nmachines = [\"zen\"]\n", "s.toml:2:13: unknown machine 'zen'",
       "did you mean 'zen2'?"},
      {"traces = [\"t\"]\nschemes = [\"nested:4K\"]\n", "s.toml:2:12: unknown scheme 'nested:4K'"},
      {"traces = [\"t\"]\nschemes = [\"nested:4k/4X\"]\n", "s.toml:2:12: unknown scheme",
       "did you mean 'nested:4K/4K'?"},
      {"traces = [\"t\"]\nschemes = [\"all\"]\n", "s.toml:2:12: unknown scheme 'all'"},
      {"traces = [\"t\"]\n[vary]\ntlb.l2.entires = [1]\n", "s.toml:3:8: unknown setting",
       "did you mean 'tlb.l2.entries'?"},
      {"traces = [\"t\"]\n[vary]\ndram.cycles = 5\n", "s.toml:3:15: dram.cycles is varied over a",
       "under [set]"},
      {"traces = [\"t\"]\n[vary]\ndram.cycles = [5, \"fast\"]\n",
       "s.toml:3:19: dram.cycles can't be fast"},
      {"traces = [\"t\"]\n[vary]\ndram.cycles = [5, -5]\n", "s.toml:3:19: dram.cycles can't be -5"},
      {"traces = [\"t\"]\n[vary]\ncache.l2.bytes = [1048576, \"1MiB\"]\n",
       "s.toml:3:28: 1MiB is there twice"},
      {"traces = [\"t\"]\nschemes = [\"native:4K\"]\n[vary]\nguest.page = [\"2M\"]\n",
       "s.toml:4:15: guest.page is given by schemes too"},
      {"traces = [\"t\"]\n[set]\ndram.cycles = 1\n[vary]\ndram.cycles = [2]\n",
       "s.toml:5:16: dram.cycles is given by [set] too"},
      {"traces = [\"t\"]\n[variants.a]\nx = { dram.cycles = 1 }\n[variants.b]\n"
       "y = { dram.cycles = 2 }\n",
       "s.toml:5:21: dram.cycles is given by the a too"},
      {"traces = [\"t\"]\n[variants.cpi]\nx = {}\n", "s.toml:2:11: 'cpi' is another column"},
      {"traces = [\"t\"]\n[variants]\nx = 1\n", "s.toml:3:5: variants.x can't be 1"},
      {"traces = [\"t\"]\n[run]\nwarmpu = 1\n", "s.toml:3:1: unknown option 'warmpu'",
       "did you mean 'warmup'?"},
      {"traces = [\"t\"]\n[run]\nlimit = 0\n", "s.toml:3:9: limit can't be 0"},
      {"traces = [\"t\"]\n[run]\nfetch = true\n", "s.toml:3:9: fetch can't be true, expected on"},
      {"traces = [\"t\"]\n[run]\ndetail = \"fll\"\n", "s.toml:3:10: detail can't be 'fll'",
       "did you mean 'full'?"},
      {"traces = [\"t\"]\n[run]\nformat = \"champsin\"\n",
       "s.toml:3:10: format can't be 'champsin'", "did you mean 'champsim'?"},
      {"traces = [\"t\"]\ncolumns = [\"walker.walk\"]\n", "s.toml:2:12: unknown statistic",
       "did you mean 'walker.walks'?"},
      {"traces = [\"t\"]\ncolumns = [\"timeline\"]\n", "s.toml:2:12: timeline is no single number"},
      {"traces = [\"t\"]\nplots = [\"cpi\", \"cpi\"]\n", "s.toml:2:17: cpi is there twice"},
  };
  for (const Wrong& wrong : all) {
    try {
      read(wrong.text);
      ADD_FAILURE() << wrong.text << "is taken";
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), StartsWith(wrong.says)) << wrong.text;
      EXPECT_THAT(error.hint(), HasSubstr(wrong.hints)) << wrong.text;
    }
  }
}

}  // namespace
}  // namespace eptsim::sim::sweep
