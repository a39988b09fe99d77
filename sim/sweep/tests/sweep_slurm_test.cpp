#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/tests/program.hpp"

// Sweeps by a Slurm of one node, which each test starts for itself.
namespace eptsim::sim::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int kNotInstalled = 77;

class SweepBySlurm : public testing::Test {
 protected:
  SweepBySlurm() {
    folder_.write("t", small_trace(100, 2));
    folder_.write("six.toml",
                  "machines = [\"plain\"]\nschemes = [\"native:4K\", \"nested:4K/4K\"]\n"
                  "traces = [\"t\"]\n[vary]\ndram.cycles = [50, 100, 150]\n");
  }

  /// Runs a script where Slurm's commands work.
  Ran run_with_slurm(const std::string& script) const {
    folder_.write("script", "eptsim() { \"$program\" \"$@\"; }\n" + script);
    return run("export program; \"" EPTSIM_SCRIPTS "/local-slurm\" run slurm bash script");
  }
  Ran run(const std::string& command) const { return test::run(command, folder_); }
  std::string text(const std::string& name) const { return bytes_of(folder_.path() / name); }

  TestFolder folder_;
};

// scripts/setup installs Slurm for scripts/test; who builds without may have no use for it.
#define SKIP_WITHOUT_SLURM(ran)                                  \
  if ((ran).status == kNotInstalled && !(ran).err.empty()) {     \
    GTEST_SKIP() << "Slurm isn't installed: scripts/setup test"; \
  }

TEST_F(SweepBySlurm, GivesWhatALocalOneGivesAndFailedPointsWithTheirLogs) {
  folder_.write("bad", small_trace(100, 1) + " L nonsense\n");
  folder_.write("bad.toml",
                "machines = [\"plain\"]\nschemes = [\"native:4K\", \"nested:4K/4K\"]\n"
                "traces = [\"bad\", \"t\"]\n");
  const Ran ran = run_with_slurm(
      "eptsim sweep six.toml --output by-slurm --executor slurm && echo fine\n"
      "eptsim sweep six.toml --output by-slurm --executor slurm && echo fine again\n"
      "eptsim sweep bad.toml --output bad-out --executor slurm --jobs 1; echo status $?\n");
  SKIP_WITHOUT_SLURM(ran);
  EXPECT_THAT(ran.out, StartsWith("6 of 6 points are done.\n")) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("fine\n6 of 6 points are done, 6 of them were before.\n"));
  EXPECT_EQ(run("eptsim sweep six.toml --output here").status, 0);
  for (const std::string name : {"/results.csv", "/results.json", "/sweep.html"}) {
    EXPECT_EQ(text("by-slurm" + name), text("here" + name)) << name;
  }
  EXPECT_THAT(ran.out, HasSubstr("status 1\n"));
  EXPECT_THAT(ran.err,
              HasSubstr("failed twice, at last exit status 2; the end of bad-out/points/"));
  EXPECT_THAT(ran.err, HasSubstr("bad:201:4: byte 3003"));
  EXPECT_EQ(run("cat bad-out/points/*/log | grep -c ^begun").out, "6\n") << "two once, two twice";
}

TEST_F(SweepBySlurm, AKilledSweepsTasksGoOnAndTheNextSweepWaitsForThem) {
  const Ran ran = run_with_slurm(
      "\"$program\" sweep six.toml --output out --executor slurm --jobs 1 & sweep=$!\n"
      "until ls out/points/*/stats.json >/dev/null 2>&1; do sleep 0.05; done\n"
      "kill -9 $sweep; wait $sweep 2>/dev/null\n"
      "eptsim sweep six.toml --output out --executor slurm && echo fine\n");
  SKIP_WITHOUT_SLURM(ran);
  EXPECT_THAT(ran.out, HasSubstr("6 of 6 points are done, ")) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("fine\n"));
  EXPECT_EQ(run("cat out/points/*/log | grep -c ^begun").out, "6\n");
}

TEST_F(SweepBySlurm, AKilledTaskIsTriedAgainAndAnInterruptCancelsTheArray) {
  // Points that don't end by themselves soon: their tasks are killed, and then the sweep stopped.
  run("sed 's/\"t\"/\"generate:gups,footprint=1GiB\"/' six.toml >long.toml");
  const Ran ran = run_with_slurm(
      "\"$program\" sweep long.toml --output out --executor slurm --jobs 1 2>err & sweep=$!\n"
      "begun() { cat out/points/*/log 2>/dev/null | grep -c ^begun; }\n"
      "until [ \"$(begun)\" -ge 1 ]; do sleep 0.05; done\n"
      "task=$(squeue --noheader --states=RUNNING --format=%A)\n"
      "scancel --signal=KILL --full $task\n"
      "until [ \"$(begun)\" -ge 2 ]; do sleep 0.05; done\n"
      "kill -INT $sweep; wait $sweep; echo status $?\n"
      "squeue --noheader | wc -l; cat err >&2\n");
  SKIP_WITHOUT_SLURM(ran);
  EXPECT_THAT(ran.out, StartsWith("0 of 6 points are done.\n")) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("status 130\n0\n"));
  EXPECT_THAT(ran.err, HasSubstr("interrupted"));
}

}  // namespace
}  // namespace eptsim::sim::test
