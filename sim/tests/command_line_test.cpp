#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sim/statistics/statistic.hpp"
#include "sim/tests/program.hpp"

// The program as scripts use it.
namespace eptsim::sim::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class CommandLine : public testing::Test {
 protected:
  CommandLine() { folder_.write("t", small_trace(3000, 2)); }

  Ran run(const std::string& command) const { return test::run(command, folder_); }
  Json json_of(const std::string& command) const {
    const Ran ran = run(command + " --json -");
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out);
  }

  TestFolder folder_;
};

TEST_F(CommandLine, VersionAndHelpGoToStandardOutputWithoutABanner) {
  const Ran version = run("eptsim --version");
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out,
              testing::MatchesRegex(
                  "eptsim [0-9.]+\nBuilt as .+ by .+, with SystemC 2\\.[0-9.]+ and .+\\.\n"));
  EXPECT_THAT(version.err, IsEmpty());
  const Ran help = run("eptsim --help");
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("Usage: eptsim [options] [COMMAND]"));
  EXPECT_THAT(help.out, HasSubstr("Examples:"));
  EXPECT_THAT(run("eptsim run --help").out, HasSubstr("Usage: eptsim run [options] TRACE"));
}

TEST_F(CommandLine, ANestedWalkTakes24ReferencesAndANativeOneFour) {
  // 3,000 pages in turn leave no translation in a TLB of 2,048 entries for the second round.
  const std::string run = "eptsim run t --machine plain --fetch off --warmup 3000 --mode ";
  const Json nested = json_of(run + "nested").at("stats").at("walker");
  const Json native = json_of(run + "native").at("stats").at("walker");
  EXPECT_EQ(nested.at("references_histogram"), Json({{"24", 3000}}));
  EXPECT_EQ(native.at("references_histogram"), Json({{"4", 3000}}));
  EXPECT_EQ(nested.at("latency").at("p50"), 1 + 24 * 101)
      << "the first step; 100 cycles of memory and one to issue for each";
}

TEST_F(CommandLine, ARunGoesOnFromItsLastCheckpoint) {
  const std::string whole = "eptsim run t --warmup 1000 --checkpoint-every 1500 --checkpoint ";
  Json expected = json_of(whole + "all");
  // Ended by its limit between two checkpoints, of which the first is in the file.
  EXPECT_EQ(run(whole + "state --limit 1500").status, 0);
  Json resumed = json_of(whole + "state --resume state");
  for (Json* document : {&expected, &resumed}) document->erase("host");
  EXPECT_EQ(resumed, expected);
  EXPECT_EQ(run("cmp state all").status, 0);
  const Ran other = run(whole + "state --resume state --set tlb.l2.entries=1024");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err,
              HasSubstr("state: was written with tlb.l2.entries 2048, and this run has 1024"));
}

/// Every key of `object`, with those within it: "tlb.l2.hits", "timeline[].walks".
void add_keys(const Json& object, const std::string& before, std::set<std::string>& keys) {
  for (const auto& [name, value] : object.items()) {
    const std::string key = before + name;
    if (value.is_object() && key != "walker.references_histogram") {
      add_keys(value, key + ".", keys);
    } else {
      keys.insert(key);
      if (!value.is_array() || value.empty()) continue;
      for (const auto& [member, inner] : value.front().items()) {
        if (inner.is_number() || inner.is_object()) keys.insert(key + "[]." + member);
      }
    }
  }
}

TEST_F(CommandLine, StatisticsExplainsEveryNumberThatARunGives) {
  std::set<std::string> keys;
  add_keys(json_of("eptsim run t").at("stats"), "", keys);
  ASSERT_GT(keys.size(), 100u);
  const std::string page = run("eptsim statistics --markdown").out;
  const std::string list = run("eptsim statistics").out;
  for (const std::string& key : keys) {
    EXPECT_THAT(page, HasSubstr("| `" + key + "` | "));
    EXPECT_THAT("\n" + list, HasSubstr("\n" + key));
  }
  EXPECT_EQ(run("eptsim statistics walker.latency.p90").out,
            "walker.latency.p90, in cycles\n    cycles that 90 of 100 walks do not exceed\n");
  EXPECT_EQ(run("eptsim statistics translation_share").out,
            "translation_share\n    translation_cycles over core_cycles\n");
}

TEST_F(CommandLine, TheSameRunTwiceGivesTheSameBytesButForTheHost) {
  Json one = json_of("eptsim run t --set tlb.l2.replacement=random --seed 7");
  Json two = json_of("eptsim run t --set tlb.l2.replacement=random --seed 7");
  one.erase("host");
  two.erase("host");
  EXPECT_EQ(one.dump(), two.dump());
  EXPECT_EQ(one.at("run").at("seed"), 7);
}

TEST_F(CommandLine, OutputHasTheStatisticsAndTheMachineAndNothingElse) {
  const Ran ran = run("eptsim run t --output out --guest-page 2M --set dram.cycles=50");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Results are in out.\n"));
  EXPECT_THAT(ran.out, HasSubstr("6 instructions a cycle, a window of 512, 192 loads"));
  EXPECT_THAT(folder_.names(), testing::IsSupersetOf({"out/machine.toml", "out/stats.json"}));
  for (const std::string& name : folder_.names()) {
    EXPECT_EQ(name.find("/."), std::string::npos) << "a temporary file is left: " << name;
  }
  const Json document = Json::parse(bytes_of(folder_.path() / "out/stats.json"));
  EXPECT_EQ(document.at("machine").at("dram").at("cycles"), 50);
  EXPECT_EQ(document.at("machine").at("guest").at("page"), "2M");
  EXPECT_EQ(document.at("machine_changes"), Json::array({"dram.cycles=50"}));
  // The machine as resolved is a machine file, and gives the same run.
  const Json again = json_of("eptsim run t --machine out/machine.toml");
  EXPECT_EQ(again.at("stats"), document.at("stats"));
  EXPECT_EQ(again.at("machine"), document.at("machine"));
}

TEST_F(CommandLine, JsonToAFileLeavesTheSummaryOnStandardOutput) {
  const Ran ran = run("eptsim run t --json stats.json");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\n\neptsim "));
  EXPECT_EQ(Json::parse(bytes_of(folder_.path() / "stats.json")).at("schema_version"), 1);
  EXPECT_THAT(folder_.names(), ElementsAre("stats.json", "t"));
}

TEST_F(CommandLine, LimitAndWarmUpSelectWhatIsCounted) {
  const Json limited = json_of("eptsim run t --limit 100");
  EXPECT_EQ(limited.at("stats").at("accesses"), 100);
  const Json all = json_of("eptsim run t");
  const Json warm = json_of("eptsim run t --warmup 100");
  EXPECT_EQ(warm.at("stats").at("accesses").get<int>() + 100, all.at("stats").at("accesses"));
  EXPECT_EQ(all.at("stats").at("accesses"), 12'000);
}

TEST_F(CommandLine, FetchesCanBeLeftOut) {
  const Json without = json_of("eptsim run t --fetch off");
  EXPECT_EQ(without.at("stats").at("accesses"), 6'000);
  EXPECT_EQ(without.at("stats").at("tlb").at("l1i").at("accesses"), 0);
  EXPECT_EQ(without.at("run").at("fetch"), false);
  EXPECT_EQ(json_of("eptsim run t").at("run").at("fetch"), true);
}

TEST_F(CommandLine, ATraceFromAPipeHasNoHash) {
  const Json piped = json_of("cat t | eptsim run -");
  const Json read = json_of("eptsim run t");
  EXPECT_FALSE(piped.at("trace").contains("hash"));
  EXPECT_EQ(read.at("trace").at("hash").get<std::string>().size(), 32u);
  EXPECT_EQ(piped.at("stats"), read.at("stats"));
}

TEST_F(CommandLine, AWorkloadStandsWhereATraceStandsAndGivesWhatItsConversionGives) {
  const std::string trace = "generate:chase,pages=5000,accesses=9000,seed=3";
  const Json computed = json_of("eptsim run " + trace);
  EXPECT_EQ(computed.at("trace").at("path"), trace);
  EXPECT_EQ(computed.at("trace").at("format"), "generated");
  EXPECT_EQ(computed.at("trace").at("hash").get<std::string>().size(), 32u);
  EXPECT_EQ(computed.at("stats").at("accesses"), 14'000) << "5,000 stores before the chase";
  EXPECT_EQ(run("eptsim trace convert " + trace + " c.ept").status, 0);
  EXPECT_EQ(json_of("eptsim run c.ept").at("stats"), computed.at("stats"));
  const Json both = json_of("eptsim compare " + trace);
  EXPECT_EQ(both.at("nested").at("stats"), computed.at("stats"));
  EXPECT_THAT(run("eptsim trace generators").out, HasSubstr("generate:chase: dependent loads"));
}

TEST_F(CommandLine, AMachineFileMayDescribeTheHypervisorThatANativeRunLeavesOut) {
  folder_.write("m.toml", "[hypervisor]\npage = \"2M\"\n");
  EXPECT_EQ(run("eptsim run t --machine m.toml --mode native").status, 0);
  EXPECT_EQ(run("eptsim compare t --ept-page 2M").status, 0);
}

TEST_F(CommandLine, CompareGivesWhatTwoRunsGive) {
  Json both = json_of("eptsim compare t --guest-page 2M");
  for (const char* mode : {"native", "nested"}) {
    Json alone = json_of(std::string("eptsim run t --guest-page 2M --mode ") + mode);
    alone.erase("host");
    both.at(mode).erase("host");
    EXPECT_EQ(both.at(mode), alone) << mode;
  }
  const Ran ran = run("eptsim compare t --output out");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\nnested:4K/4K "));
  EXPECT_THAT(folder_.names(),
              testing::IsSupersetOf({"out/native/stats.json", "out/nested/stats.json",
                                     "out/nested-thp-thp/stats.json", "out/report.html",
                                     "out/shadow-2M-2M/machine.toml"}));
}

TEST_F(CommandLine, CompareRunsTheSchemesThatItIsTold) {
  const std::string command =
      "eptsim compare t --schemes nested:2M/4K,shadow:2M/4K,ideal:thp,nested:thp/1G --jobs ";
  Json one = json_of(command + "1");
  ASSERT_EQ(one.at("schemes").size(), 4u);
  const Json& shadow = one.at("schemes").at(1);
  EXPECT_EQ(shadow.at("scheme"), "shadow:2M/4K");
  EXPECT_EQ(shadow.at("trace"), "t");
  EXPECT_EQ(shadow.at("run").at("mode"), "shadow");
  EXPECT_EQ(shadow.at("run").at("machine").at("guest").at("page"), "2M");
  EXPECT_EQ(
      shadow.at("figures").at("exits"),
      shadow.at("run").at("stats").at("vmx").at("exits").at("page_fault").get<int>() +
          shadow.at("run").at("stats").at("vmx").at("exits").at("guest_table_write").get<int>());
  EXPECT_EQ(one.at("schemes").at(2).at("run").at("machine").at("tlb").at("ideal"), "on");
  EXPECT_FALSE(one.contains("native")) << "an ideal machine is none";
  EXPECT_EQ(one.at("nested"), one.at("schemes").at(0).at("run"));

  // However many run at a time, each tells the same, in the same order.
  Json three = json_of(command + "3");
  for (Json* all : {&one, &three}) {
    all->at("nested").erase("host");
    for (Json& entry : all->at("schemes")) entry.at("run").erase("host");
  }
  EXPECT_EQ(one.dump(), three.dump());
}

TEST_F(CommandLine, CompareTakesSeveralTraces) {
  std::filesystem::create_directory(folder_.path() / "sub");
  folder_.write("sub/t", small_trace(300, 2));
  const Ran ran =
      run("eptsim compare t sub/t generate:chase,pages=100 --limit 500 --output out "
          "--schemes native:4K,nested:4K/4K");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(folder_.names(),
              testing::IsSupersetOf({"out/1-t/native/stats.json", "out/2-t/nested/stats.json",
                                     "out/generate:chase,pages=100/native/stats.json"}));
  EXPECT_THAT(ran.out,
              testing::ContainsRegex("trace +t,(.|\n)*trace +sub/t,(.|\n)*generate:chase"));
}

TEST_F(CommandLine, CompareSaysOnceWhatEveryRunMet) {
  folder_.write("bad", small_trace(100, 1) + " L nonsense\n");
  const Ran ran = run("eptsim compare bad");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, testing::MatchesRegex("bad:[^\n]*\n")) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("PARTIAL"));
}

TEST_F(CommandLine, AnInterruptedRunIsReportedAsPartial) {
  // A pipe that stays open: the run can't end by itself. It is interrupted once its progress shows
  // that it has begun, and the pipe then goes on, for a blocked read is not broken off.
  const Ran ran =
      run("mkfifo pipe; { while cat t; do :; done 2>/dev/null; } >pipe & feeder=$!\n"
          "\"$program\" run pipe --json part.json --progress always 2>log & pid=$!\n"
          "while [ ! -s log ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done\n"
          "kill -INT $pid; wait $pid; status=$?\n"
          "kill $feeder 2>/dev/null; cat log >&2; exit $status");
  EXPECT_EQ(ran.status, 130) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("interrupted"));
  EXPECT_THAT(ran.out, StartsWith("PARTIAL"));
  const Json document = Json::parse(bytes_of(folder_.path() / "part.json"));
  EXPECT_EQ(document.at("partial"), true);
}

/// Starts a command that reads `pipe`, into which comes a trace and then nothing more, and stays
/// open. Sends `signal` once the file `sign` has something in it.
std::string with_silent_pipe(const std::string& command, const std::string& sign,
                             const std::string& signal) {
  return "mkfifo pipe; exec 8<>pipe\n"
         "for i in $(seq 20); do cat t; done 8>&- >pipe & feeder=$!\n"
         "\"$program\" " +
         command + " & pid=$!\n" + "for i in $(seq 500); do [ ! -s " + sign +
         " ] && sleep 0.02; done\n"
         "kill -" +
         signal + " $pid; wait $pid; status=$?; kill $feeder 2>/dev/null; exit $status";
}

TEST_F(CommandLine, AnInterruptBreaksOffTheWaitForASilentPipe) {
  const Ran ran =
      run(with_silent_pipe("run pipe --json part.json --progress always 2>log", "log", "INT"));
  EXPECT_EQ(ran.status, 130) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("PARTIAL"));
  EXPECT_EQ(Json::parse(bytes_of(folder_.path() / "part.json")).at("partial"), true);
}

TEST_F(CommandLine, ATraceForChampsimSaysWhatItsFormatHasNoPlaceFor) {
  const Ran ran = run("eptsim trace convert generate:chase,pages=64,accesses=300 c --to champsim");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("c: 364 accesses"));
  EXPECT_EQ(run("eptsim run c --limit 300").status, 0);
  EXPECT_THAT(run("eptsim trace convert t c --to champsim --level 3").err,
              HasSubstr("takes neither --level nor --note"));
  EXPECT_THAT(run("eptsim trace convert t c --to champsin").err,
              HasSubstr("did you mean 'champsim'?"));
}

TEST_F(CommandLine, AnInterruptedConversionLeavesNothing) {
  for (const char* signal : {"INT", "TERM"}) {
    const Ran ran = run("rm -f pipe\n" +
                        with_silent_pipe("trace convert pipe out.trace", "out.trace.part", signal));
    EXPECT_EQ(ran.status, 130) << ran.err;
    EXPECT_EQ(ran.err, "eptsim: interrupted\n");
    EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("pipe", "t")) << signal;
  }
}

TEST_F(CommandLine, ARecordingThatIsToldToEndKeepsWhatItHas) {
  const Ran ran =
      run("mkfifo pipe; exec 8<>pipe\n"
          "\"$program\" trace record --output r.trace -- sh -c 'echo >started; read line' <&8"
          " & pid=$!\n"
          "for i in $(seq 500); do [ ! -s started ] && sleep 0.02; done\n"
          "kill -TERM $pid; wait $pid; exit $?");
  EXPECT_EQ(ran.status, 130) << ran.err;
  EXPECT_THAT(folder_.names(), testing::UnorderedElementsAre("pipe", "r.trace", "started", "t"));
  EXPECT_EQ(run("eptsim trace info r.trace").status, 0);
}

TEST_F(CommandLine, AnInterruptedComparisonComparesNothing) {
  // A trace too long to end before the signal, which goes to the parent process alone.
  const Ran ran =
      run("set +o pipefail; yes ' L 7f0000000000,8' | head -1000000 | gzip -1 >part\n"
          "for i in $(seq 400); do cat part; done >long.gz\n"
          "\"$program\" compare long.gz --output out --progress always 2>log & pid=$!\n"
          "while [ ! -s log ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done\n"
          "kill -INT $pid; wait $pid; status=$?; cat log >&2; exit $status");
  EXPECT_EQ(ran.status, 130) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("eptsim compare: interrupted"));
  EXPECT_THAT(ran.err, testing::Not(HasSubstr("nested  "))) << "no nested run";
  EXPECT_THAT(ran.out, StartsWith("PARTIAL"));
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("ratio")));
  EXPECT_THAT(folder_.names(), testing::Contains("out/native/stats.json"));
  for (const std::string& name : folder_.names()) {
    EXPECT_THAT(name, testing::Not(StartsWith("out/nested")));
    EXPECT_NE(name, "out/report.html");
  }
}

TEST_F(CommandLine, ATraceThatBreaksOffReportsWhatWasMeasured) {
  folder_.write("bad", small_trace(100, 1) + " L nonsense\n");
  const Ran ran = run("eptsim run bad --output out");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, StartsWith("bad"));
  EXPECT_THAT(ran.out, StartsWith("PARTIAL"));
  const Json document = Json::parse(bytes_of(folder_.path() / "out/stats.json"));
  EXPECT_EQ(document.at("partial"), true);
  EXPECT_EQ(document.at("stats").at("accesses"), 200);
  EXPECT_THAT(ran.err, StartsWith(document.at("error").get<std::string>()));
}

TEST_F(CommandLine, ProgressIsOneLineThatIsWipedAndNeverInAPipeUnasked) {
  EXPECT_THAT(run("eptsim run t").err, IsEmpty());
  const Ran ran = run("for i in $(seq 40); do cat t; done | eptsim run - --progress always");
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.err, HasSubstr("nested  "));
  EXPECT_THAT(ran.err, testing::EndsWith("\r\x1b[K"));
  EXPECT_EQ(ran.err.find('\n'), std::string::npos);
}

TEST_F(CommandLine, AReplayedWalkIsNamedInItsJson) {
  EXPECT_EQ(json_of("eptsim verify --replay 11:42").at("replayed"), "11:42");
  EXPECT_FALSE(json_of("eptsim verify --walks 10").contains("replayed"));
}

TEST_F(CommandLine, MachinesAreShownAndSettingsExplained) {
  const std::string list = run("eptsim machine list").out;
  EXPECT_THAT(list, testing::StartsWith("plain            window and TLBs of Golden Cove"));
  EXPECT_THAT(list, HasSubstr("\nzen5             AMD Zen 5"));
  EXPECT_THAT(run("eptsim machine show plain --set dram.cycles=42").out,
              HasSubstr("dram.cycles = 42 "));
  EXPECT_THAT(run("eptsim machine show plain").out,
              testing::ContainsRegex("\ntlb\\.l2\\.hit_cycles = 7 +# published\n"));
  const std::string explained = run("eptsim machine explain dram.cycles").out;
  const std::string values = explained.substr(explained.find("\n\n") + 1);
  EXPECT_THAT(values, HasSubstr("\n    zen5             "));
  EXPECT_THAT(values, HasSubstr("measured: 455 to 495 with the way through L3\n"));
  EXPECT_EQ(explained,
            "dram.cycles\n    plain DRAM: memory latency, on top of the hit_cycles of the "
            "last cache that is on\n"
            "    a whole number from 1 to 100000 cycles; plain has 100, default has 230\n" +
                values);
  EXPECT_THAT(run("eptsim machine explain psc.pde").out,
              HasSubstr("; plain has 0, default has 32\n"));
}

}  // namespace
}  // namespace eptsim::sim::test
