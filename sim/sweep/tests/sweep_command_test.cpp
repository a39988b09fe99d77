#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sim/tests/program.hpp"

// `eptsim sweep` as scripts use it.
namespace eptsim::sim::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class SweepCommand : public testing::Test {
 protected:
  SweepCommand() {
    folder_.write("t", small_trace(100, 2));
    folder_.write("four.toml",
                  "machines = [\"plain\"]\nschemes = [\"native:4K\", \"nested:4K/4K\"]\n"
                  "traces = [\"t\"]\n[vary]\ndram.cycles = [50, 100]\n");
  }

  Ran run(const std::string& command) const { return test::run(command, folder_); }
  std::string text(const std::string& name) const { return bytes_of(folder_.path() / name); }
  /// How often points were begun in the folder of a sweep.
  std::string begun(const std::string& output) const {
    return run("cat " + output + "/points/*/log | grep -c ^begun").out;
  }

  TestFolder folder_;
};

TEST_F(SweepCommand, RunsEveryPointOnceAndMergesWhatTheyGive) {
  const Ran ran = run("eptsim sweep four.toml --output out");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, IsEmpty()) << "no progress where there is no terminal";
  EXPECT_THAT(ran.out, StartsWith("4 of 4 points are done.\n"));
  EXPECT_THAT(folder_.names(),
              testing::IsSupersetOf({"out/results.csv", "out/results.json", "out/sweep.html"}));
  EXPECT_EQ(begun("out"), "4\n");
  EXPECT_EQ(run("ls out/points/*/stats.json | wc -l").out, "4\n");
  const std::string csv = text("out/results.csv");
  EXPECT_THAT(csv, StartsWith("point,machine,scheme,trace,dram.cycles,cycles,cpi,"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
  // As `eptsim run` counts.
  const Ran alone = run("eptsim run t --machine plain --set dram.cycles=100 --json -");
  const auto cycles = nlohmann::json::parse(alone.out).at("stats").at("cycles").dump();
  EXPECT_THAT(csv, ContainsRegex("[0-9a-f]+,plain,nested:4K/4K,t,100," + cycles + ","));
}

TEST_F(SweepCommand, RunsNothingAgainAndOnlyWhatIsNewWhenItHasGrown) {
  ASSERT_EQ(run("eptsim sweep four.toml --output out").status, 0);
  EXPECT_THAT(run("eptsim sweep four.toml --output out").out,
              StartsWith("4 of 4 points are done, 4 of them were before.\n"));
  EXPECT_EQ(begun("out"), "4\n");
  run("sed -i 's/100]/100, 150]/; s/^machines.*/machines = { mine = \"plain\" }/' four.toml");
  EXPECT_THAT(run("eptsim sweep four.toml --output out").out,
              StartsWith("6 of 6 points are done, 4 of them were before.\n"))
      << "what a machine is called doesn't matter";
  EXPECT_EQ(begun("out"), "6\n");
}

TEST_F(SweepCommand, RunsAgainWhatOtherInputsWouldChange) {
  ASSERT_EQ(run("eptsim sweep four.toml --output out").status, 0);
  folder_.write("t", small_trace(101, 2));
  EXPECT_THAT(run("eptsim sweep four.toml --output out").out,
              StartsWith("4 of 4 points are done.\n"));
  EXPECT_EQ(begun("out"), "8\n");
}

TEST_F(SweepCommand, ResultsDontDependOnHowManyRunAtATime) {
  ASSERT_EQ(run("eptsim sweep four.toml --output one --jobs 1").status, 0);
  ASSERT_EQ(run("eptsim sweep four.toml --output four --jobs 4").status, 0);
  for (const std::string name : {"/results.csv", "/results.json", "/sweep.html"}) {
    EXPECT_EQ(text("one" + name), text("four" + name)) << name;
  }
}

TEST_F(SweepCommand, TriesAFailedPointOnceMoreShowsItsLogAndRunsTheOthers) {
  folder_.write("bad", small_trace(100, 1) + " L nonsense\n");
  run("sed -i 's/\"t\"/\"bad\", \"t\"/' four.toml");
  const Ran ran = run("eptsim sweep four.toml --output out");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, StartsWith("4 of 8 points are done; 4 failed.\n"));
  EXPECT_THAT(ran.err, HasSubstr("scheme native:4K, trace bad, dram.cycles 50: failed twice, at "
                                 "last exit status 2; the end of out/points/"));
  EXPECT_THAT(ran.err, ContainsRegex("\n    bad:201:4: "));
  EXPECT_EQ(begun("out"), "12\n") << "four once, four twice";
  EXPECT_THAT(text("out/results.csv"), ContainsRegex("native:4K,bad,50,,,"));
  EXPECT_THAT(text("out/results.json"), HasSubstr("\"state\": \"failed\""));
}

TEST_F(SweepCommand, OneSweepAtATimeIsAtWorkInAFolderAndADeadOneKeepsNothing) {
  folder_.write("long.toml", "traces = [\"generate:gups,footprint=1GiB\"]\n");
  const Ran ran =
      run("\"$program\" sweep long.toml --output out --progress always 2>log & sweep=$!\n"
          "while [ ! -s log ] && kill -0 $sweep; do sleep 0.02; done\n"
          "\"$program\" sweep four.toml --output out; second=$?\n"
          "kill -9 $sweep; wait $sweep 2>/dev/null\n"
          "\"$program\" sweep four.toml --output out; echo status $second, then $?");
  EXPECT_THAT(ran.err, StartsWith("out: another sweep is at work there: process "));
  EXPECT_THAT(ran.out, HasSubstr("4 of 4 points are done.\n"));
  EXPECT_THAT(ran.out, HasSubstr("status 2, then 0\n"));
}

TEST_F(SweepCommand, AnInterruptStopsItAndItGoesOn) {
  for (const char* signal : {"INT", "TERM"}) {
    const Ran ran = run(
        "rm -rf out\n"
        "sed 's/traces = .*/traces = [\"t\", \"generate:gups,footprint=1GiB\"]/' four.toml "
        ">long.toml\n"
        "\"$program\" sweep long.toml --output out --jobs 2 & sweep=$!\n"
        "until [ \"$(ls out/points/*/stats.json 2>/dev/null | wc -l)\" = 2 ] &&\n"
        "      [ \"$(cat out/points/*/log | grep -c ^begun)\" = 4 ]; do sleep 0.02; done\n"
        "children=$(cat /proc/$sweep/task/$sweep/children)\n"
        "kill -" +
        std::string(signal) +
        " $sweep; wait $sweep; status=$?\n"
        "for child in $children; do kill -0 $child 2>/dev/null && echo child $child lives; done\n"
        "exit $status");
    EXPECT_EQ(ran.status, 130);
    EXPECT_THAT(ran.out, StartsWith("2 of 8 points are done.\n"));
    EXPECT_THAT(ran.out, testing::Not(HasSubstr("lives")));
    EXPECT_THAT(ran.err, HasSubstr("eptsim sweep: interrupted; start it again, and it goes on\n"));
    EXPECT_THAT(run("eptsim sweep four.toml --output out").out,
                StartsWith("4 of 4 points are done, 2 of them were before.\n"));
  }
}

TEST_F(SweepCommand, APointCanBeRunByItselfAndByTheCommandInItsFolder) {
  const std::string id = run("eptsim sweep four.toml --list | tail -1 | cut -d' ' -f1").out;
  ASSERT_EQ(id.size(), 17u);
  const std::string point = id.substr(0, 16);
  const Ran ran = run("eptsim sweep four.toml --output out --point " + point);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(run("eptsim sweep four.toml --output out --list").out,
              HasSubstr(point + "  done  scheme nested:4K/4K, dram.cycles 100\n"));
  const Ran again = run("sh out/points/" + point + "/command --json -");
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(nlohmann::json::parse(again.out).at("stats"),
            nlohmann::json::parse(text("out/points/" + point + "/stats.json")).at("stats"));
}

TEST_F(SweepCommand, APointIsntRunByTwoAtATime) {
  const Ran ran =
      run("id=$(eptsim sweep four.toml --list | head -1 | cut -d' ' -f1)\n"
          "for i in 1 2 3 4 5; do \"$program\" sweep four.toml --output out --point $id & all+=\" "
          "$!\"; done\n"
          "for one in $all; do wait $one || echo failed; done");
  EXPECT_THAT(ran.out, IsEmpty()) << ran.err;
  EXPECT_EQ(begun("out"), "1\n");
}

TEST_F(SweepCommand, ADamagedResultIsMadeAgain) {
  ASSERT_EQ(run("eptsim sweep four.toml --output out").status, 0);
  const std::string before = text("out/results.csv");
  run("for f in out/points/*/stats.json; do head -c 1000 $f >x; mv x $f; break; done");
  EXPECT_THAT(run("eptsim sweep four.toml --output out").out, HasSubstr("3 of them were before"));
  EXPECT_EQ(text("out/results.csv"), before);
}

TEST_F(SweepCommand, RelativePathsStartFromTheFolderOfItsFile) {
  const Ran ran = run("mkdir sub && mv t four.toml sub && eptsim sweep sub/four.toml --output out");
  EXPECT_EQ(ran.status, 0) << ran.err;
}

TEST_F(SweepCommand, TheExampleHas24Points) {
  const Ran ran =
      run("eptsim sweep \"" EPTSIM_SCRIPTS "/../examples/sweeps/nested-tlb.toml\" --list");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 24);
}

struct Refused {
  const char* name;
  const char* options;
  const char* says;
};

void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.options; }

class SweepRefused : public SweepCommand, public testing::WithParamInterface<Refused> {};

TEST_P(SweepRefused, BeforeAnythingRunsWithStatus2AndNothingLeft) {
  folder_.write("typo.toml", "traces = [\"t\"]\n[vary]\ntlb.l2.entires = [1024]\n");
  const auto before = folder_.names();
  const Ran ran = run(std::string("eptsim sweep ") + GetParam().options);
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << "one line: " << ran.err;
  EXPECT_EQ(folder_.names(), before);
}

const Refused kRefused[] = {
    {"NoFile", "nothing.toml --output out", "nothing.toml: No such file"},
    {"NoOutput", "four.toml", "--output is missing"},
    {"Typo", "typo.toml --output out", "typo.toml:3:8: unknown setting 'tlb.l2.entires'; did you"},
    {"Executor", "four.toml --output out --executor slrum", "did you mean 'slurm'?"},
    {"Jobs", "four.toml --output out --jobs 0", "--jobs 0: expected a number from 1 to 1024"},
    {"Point", "four.toml --output out --point 0123", "--point 0123: is no point of this sweep"},
    {"Option", "four.toml --outptu out", "did you mean '--output'?"},
};

INSTANTIATE_TEST_SUITE_P(Sweep, SweepRefused, testing::ValuesIn(kRefused),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace eptsim::sim::test
