#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "testbench/rtl_walker/tests/fst_times.hpp"

/// `eptsim verify` as scripts see it.
namespace eptsim::tb {
namespace {

struct ProgramRun {
  int status = -1;
  std::string output;  ///< standard output and standard error
};

ProgramRun verify(const std::string& arguments) {
  const std::string command = std::string(EPTSIM_PROGRAM) + " verify " + arguments + " 2>&1";
  ProgramRun run;
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> buffer{};
  for (std::size_t size = 0; (size = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    run.output.append(buffer.data(), size);
  }
  const int status = pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return run;
}

TEST(VerifyCommand, TheSameSeedGivesTheSameBytes) {
  const ProgramRun summary = verify("--walks 1500 --seed 11");
  EXPECT_EQ(summary.status, 0) << summary.output;
  EXPECT_NE(summary.output.find("no mismatch"), std::string::npos);
  EXPECT_EQ(verify("--walks 1500 --seed 11").output, summary.output);
  EXPECT_NE(verify("--walks 1500 --seed 12").output, summary.output);

  const ProgramRun json = verify("--walks 1500 --seed 11 --json -");
  EXPECT_EQ(json.status, 0);
  EXPECT_TRUE(json.output.starts_with("{\n  \"schema_version\": 1,\n"))
      << json.output.substr(0, 80);
  EXPECT_NE(json.output.find("\"mismatch\": null"), std::string::npos);
  EXPECT_EQ(verify("--walks 1500 --seed 11 --json -").output, json.output);
}

TEST(VerifyCommand, AnotherWalkerTakesTheRtlsPlaceAndTheWalksThatItLacksAreCounted) {
  const ProgramRun run = verify("--walks 2000 --configuration second");
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_NE(run.output.find("\n  in the second walker "), std::string::npos) << run.output;
  EXPECT_NE(run.output.find("walks not in the second walker\n"), std::string::npos);
  EXPECT_EQ(run.output.find("cycles"), std::string::npos) << "it has a time of its own";
  const ProgramRun json = verify("--walks 500 --configuration second --json -");
  EXPECT_NE(json.output.find("\"configuration\": \"second\""), std::string::npos);
}

TEST(VerifyCommand, AReplayShowsOneWalk) {
  const ProgramRun run = verify("--replay 11:42");
  EXPECT_EQ(run.status, 0);
  EXPECT_TRUE(run.output.starts_with("Walk 42 of seed 11: no mismatch\n")) << run.output;
  EXPECT_NE(run.output.find("guest L1"), std::string::npos);
  EXPECT_NE(run.output.find("Outcome: "), std::string::npos);
}

TEST(VerifyCommand, TheGreatestNumberThatAWalkOrASeedCanHaveIsOneLikeOthers) {
  const ProgramRun run = verify("--replay 18446744073709551615:18446744073709551615");
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.output.find("\n  memory   "), std::string::npos);
  EXPECT_EQ(run.output.find("  memory   0 words"), std::string::npos) << run.output;
}

TEST(VerifyCommand, AReplayShowsOneStream) {
  const ProgramRun run = verify("--replay 11:s3 --configuration small");
  EXPECT_EQ(run.status, 0);
  EXPECT_TRUE(run.output.starts_with("Stream 3 of seed 11: no mismatch\n")) << run.output;
  EXPECT_NE(run.output.find("  request  0  context "), std::string::npos);
  EXPECT_NE(run.output.find("words, all others 0"), std::string::npos);
}

TEST(VerifyCommand, EachConfigurationIsVerifiedByStreams) {
  for (const std::string name : {"single", "small", "default"}) {
    const ProgramRun run = verify("--walks 2000 --configuration " + name + " --json -");
    EXPECT_EQ(run.status, 0) << run.output.substr(0, 2000);
    EXPECT_NE(run.output.find("\"configuration\": \"" + name + "\""), std::string::npos);
    EXPECT_NE(run.output.find("\"invalidations\": "), std::string::npos);
  }
}

TEST(VerifyCommand, BinsThatAreNotReachedAreNamedAndFailIfAllAreAskedFor) {
  const ProgramRun named = verify("--walks 500 --configuration small --coverage -");
  EXPECT_EQ(named.status, 0);
  const std::size_t unreached = named.output.find("\nNot reached\n");
  const std::size_t impossible = named.output.find("\nImpossible\n");
  ASSERT_NE(unreached, std::string::npos);
  ASSERT_NE(impossible, std::string::npos);
  EXPECT_NE(named.output.find("without paging and EPT nothing is looked up", impossible),
            std::string::npos);
  const ProgramRun asked = verify("--walks 500 --configuration small --complete");
  EXPECT_EQ(asked.status, 1);
  EXPECT_NE(asked.output.find(" bins were not reached"), std::string::npos);
}

TEST(VerifyCommand, AWaveformBeginsAndEndsWithTheCyclesAskedFor) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                     ("eptsim-verify-" + std::to_string(::getpid()) + ".fst");
  const std::string wave = " --wave " + file.string();
  // The run is the same as without it.
  const ProgramRun run = verify("--walks 400 --wave-start 1000 --wave-end 1999" + wave);
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_EQ(run.output, verify("--walks 400").output);
  EXPECT_EQ(fst_times(file), (FstTimes{10'000, 20'000}));

  const ProgramRun stream = verify("--configuration small --replay 1:s0" + wave);
  EXPECT_EQ(stream.status, 0) << stream.output;
  const auto whole = fst_times(file);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->begin, 0U);
  EXPECT_GT(whole->end, 100U);

  EXPECT_EQ(verify("--configuration small --replay 1:s0 --wave-end 4" + wave).status, 0);
  EXPECT_EQ(fst_times(file), (FstTimes{0, 50}));
  const ProgramRun late = verify("--configuration small --replay 1:s0 --wave-start 999999" + wave);
  EXPECT_EQ(late.status, 2);
  EXPECT_NE(late.output.find("the RTL walked in none of these cycles"), std::string::npos);
  EXPECT_EQ(fst_times(file), (FstTimes{0, 50})) << "what was there is left alone";
  std::filesystem::remove(file);
}

/// Points of a source that a file of line coverage knows, and those reached.
std::array<unsigned, 2> lines_of(const std::filesystem::path& file, const std::string& source) {
  std::ifstream stream(file);
  std::array<unsigned, 2> points{};
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with("C '") || line.find("/" + source + "\1") == std::string::npos) continue;
    ++points[0];
    if (!line.ends_with("' 0")) ++points[1];
  }
  return points;
}

TEST(VerifyCommand, LinesOfTheRtlAreCounted) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() /
                                     ("eptsim-verify-" + std::to_string(::getpid()) + ".lines");
  const std::string option = " --line-coverage " + file.string();
  EXPECT_EQ(verify("--walks 20" + option).status, 0);
  const auto few = lines_of(file, "guest_permission_check.sv");
  const ProgramRun run = verify("--walks 4000" + option);
  EXPECT_EQ(run.output, verify("--walks 4000").output);
  const auto many = lines_of(file, "guest_permission_check.sv");
  EXPECT_EQ(many[0], few[0]);
  EXPECT_GT(few[1], 0U);
  EXPECT_GT(many[1], few[1]);
  std::filesystem::remove(file);
}

TEST(VerifyCommand, WithoutMismatchAndRangeNoWaveformIsWritten) {
  const ProgramRun run = verify("--walks 100 --wave /dev/full");
  EXPECT_EQ(run.status, 0);
  EXPECT_NE(run.output.find("no mismatch: /dev/full was not written"), std::string::npos);
}

TEST(VerifyCommand, RefusalsThatThereCanNotBeAreListedWithWhatSpeaksAgainstThem) {
  const ProgramRun run = verify("--walks 100 --coverage -");
  EXPECT_NE(run.output.find("refused: ept_address_too_wide, "), std::string::npos);
  EXPECT_NE(run.output.find(": only a 4-level EPT refuses an address, at its root\n"),
            std::string::npos);
  EXPECT_NE(run.output.find("flag updates: guest L5, dirty set: no page is mapped above level 3"),
            std::string::npos);
}

TEST(VerifyCommand, WhatItCannotDoIsRefusedByName) {
  const std::array<std::array<std::string, 2>, 25> cases{{
      {"--replay 11", "--replay 11: not a seed and a walk's number"},
      {"--replay 1:2x", "expected SEED:N"},
      {"--replay 1:s", "expected SEED:N"},
      {"--coverage - --json -", "standard output is taken by --json -"},
      {"--coverage both --json both", "--coverage both: --json is written there"},
      {"--coverage /nowhere/at/all --walks 1", "/nowhere/at/all"},
      {"--configuration second --complete", "--complete: knows what the RTL can reach"},
      {"--configuration second --replay 1:s2", "second has a time of its own"},
      {"--walks 0", "nothing would be compared"},
      {"--seed 18446744073709551616", "--seed 18446744073709551616: not a whole number"},
      {"--replay 1:2 --seed 1", "--replay: names seed and walk itself"},
      {"--features ept,mbee", "--features mbee: unknown"},
      {"--features ept,mbee", "did you mean 'mbe'?"},
      {"--features hlat,spp", "hlat needs ept too"},
      {"--features ept,pml", "pml needs ept-ad too"},
      {"--configuration defualt", "did you mean 'default'?"},
      {"--configuration secnd", "did you mean 'second'?"},
      {"--walks 10 --wave /nowhere/at/all.fst", "/nowhere/at/all.fst"},
      {"--wave-start 5", "--wave-start: says nothing without --wave"},
      {"--wave walk.fst --wave-start 5 --wave-end 4", "--wave-end: is before --wave-start"},
      {"--configuration second --wave walk.fst", "--wave: only the RTL is recorded"},
      {"--configuration second --line-coverage lines", "--line-coverage: only the RTL is recorded"},
      {"--replay 1:2 --line-coverage lines", "takes no option of coverage"},
      {"--wave walk.fst --line-coverage lines", "is of a run of its own"},
      {"--walks 10 --json /nowhere/at/all.json", "/nowhere/at/all.json"},
  }};
  for (const auto& [arguments, message] : cases) {
    const ProgramRun run = verify(arguments);
    EXPECT_EQ(run.status, 2) << arguments;
    EXPECT_NE(run.output.find(message), std::string::npos) << run.output;
    EXPECT_EQ(run.output.find('\n'), run.output.size() - 1) << "one line: " << run.output;
  }
}

}  // namespace
}  // namespace eptsim::tb
