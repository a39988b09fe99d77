#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sim/input_error.hpp"
#include "sim/sweep/grid.hpp"
#include "sim/tests/test_folder.hpp"

namespace eptsim::sim::sweep {
namespace {

using sim::test::TestFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kTrace = "traces = [\"generate:gups,accesses=10\"]\n";

Grid grid(const std::string& text, const std::filesystem::path& folder = "") {
  return grid_of(read_sweep(text, "s.toml", folder));
}

std::string only_id(const std::string& text, const std::filesystem::path& folder = "") {
  const Grid all = grid(text, folder);
  EXPECT_EQ(all.points.size(), 1u);
  return all.points.front().id;
}

TEST(Grid, HasARowForEachChoiceOfValuesTheLastAxisFastest) {
  const std::string text = kTrace +
                           "schemes = [\"native:4K\", \"nested:2M/4K\"]\n[vary]\n"
                           "dram.cycles = [5, 6, 7]\n";
  const Sweep sweep = read_sweep(text, "s.toml", "");
  const Grid all = grid_of(sweep);
  ASSERT_EQ(all.rows.size(), 6u);
  EXPECT_THAT(all.rows[1].at, ElementsAre(0, 0, 1));
  EXPECT_THAT(all.rows[3].at, ElementsAre(0, 1, 0));
  EXPECT_EQ(described(sweep, all.rows[4]), "scheme nested:2M/4K, dram.cycles 6");
  const RunRequest& request = all.points[all.rows[4].point].request;
  EXPECT_EQ(request.settings.mode, Mode::kNested);
  EXPECT_EQ(request.settings.machine.guest_page, PagePolicy(arch::PageSize::k2M));
  EXPECT_EQ(request.settings.machine.hardware.memory.dram.cycles, 6u);
}

TEST(Grid, APointIsWhatItRunsAndNotWhatThatIsCalled) {
  const TestFolder folder;
  folder.write("a", " L 1000,8\n");
  folder.write("copy", " L 1000,8\n");
  folder.write("b", " L 2000,8\n");
  folder.write("m.toml", "dram.cycles = 100\n");  // as it is in plain
  const std::string a = "traces = [\"a\"]\nmachines = [\"plain\"]\n";
  const std::string id = only_id(a, folder.path());
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(id, only_id("traces = { x = \"copy\" }\nmachines = [\"m.toml\"]\n", folder.path()));
  EXPECT_EQ(id, only_id(a + "columns = [\"cpi\"]\n[set]\ndram.cycles = 100\n", folder.path()));
  std::set<std::string> others = {id};
  for (const std::string& other :
       {std::string("traces = [\"b\"]\nmachines = [\"plain\"]\n"),
        std::string("traces = [[\"a\", \"a\"]]\nmachines = [\"plain\"]\n"),
        a + "schemes = [\"native:4K\"]\n", a + "schemes = [\"ideal:4K\"]\n",
        a + "[set]\ndram.cycles = 101\n", a + "[run]\nwarmup = 1\n", a + "[run]\nlimit = 1\n",
        a + "[run]\nseed = 2\n", a + "[run]\ndetail = \"translation\"\n",
        a + "[run]\nfetch = \"off\"\n", a + "[run]\nwalker = \"both\"\n"}) {
    EXPECT_TRUE(others.insert(only_id(other, folder.path())).second) << other;
  }
}

TEST(Grid, RowsThatAreTheSameRunShareAPoint) {
  const Grid all =
      grid(kTrace + "[variants.x]\none = { dram.cycles = 7 }\nother = { dram.cycles = 7 }\n");
  EXPECT_EQ(all.rows.size(), 2u);
  EXPECT_EQ(all.points.size(), 1u);
}

std::string refusal(const std::string& text, const std::filesystem::path& folder = "") {
  try {
    grid(text, folder);
  } catch (const InputError& error) {
    return error.what();
  }
  return "taken";
}

TEST(Grid, IsCheckedWholeBeforeAnythingRuns) {
  const TestFolder folder;
  folder.write("bad.toml", "\ndram.cycels = 1\n");
  folder.write("reads", "0 7f0000000000\n");
  EXPECT_THAT(refusal("traces = [\"generate:gups\", \"nothing\"]\n"),
              StartsWith("s.toml:1:28: nothing: "));
  EXPECT_THAT(refusal("traces = [\"generate:gup\"]\n"), HasSubstr("unknown workload"));
  EXPECT_THAT(refusal("traces = [\"/dev/zero\"]\n"), HasSubstr("expected a regular file"));
  EXPECT_THAT(refusal("traces = [\"reads\"]\n[run]\nfetch = \"on\"\n", folder.path()),
              HasSubstr("reads: has no instruction fetches"));
  EXPECT_THAT(refusal(kTrace + "machines = [\"plain\", \"bad.toml\"]\n", folder.path()),
              testing::AllOf(StartsWith("s.toml:2:22: "), HasSubstr("bad.toml:2:6: unknown")));
  EXPECT_THAT(refusal(kTrace + "machines = [\"plain\", \"default\"]\n[vary]\ntlb.l2.ways = [7]\n"),
              testing::AllOf(StartsWith("s.toml:4:16: "), HasSubstr("(on plain)")));
  EXPECT_THAT(refusal(kTrace + "[run]\nwalker = \"rtl\"\n[vary]\nnested_tlb.entries = [2]\n"),
              HasSubstr("nested_tlb.entries"));
}

}  // namespace
}  // namespace eptsim::sim::sweep
