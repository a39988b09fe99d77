#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "sim/tests/program.hpp"

/// `eptsim run --shards N`.
namespace eptsim::sim {
namespace {

using Json = nlohmann::ordered_json;
using test::Ran;
using test::run;
using test::TestFolder;

constexpr const char* kTrace = "generate:mix,footprint=4MiB,accesses=60000 ";

Json document(const std::string& options, const TestFolder& folder) {
  const Ran ran = run("eptsim run " + std::string(kTrace) + options + " --json -", folder);
  EXPECT_EQ(ran.status, 0) << ran.err;
  Json all = Json::parse(ran.out);
  all.erase("host");
  return all;
}

TEST(Shards, GiveTheSameBytesHoweverManyRunAtATime) {
  const TestFolder folder;
  const Json one = document("--shards 3 --jobs 1", folder);
  EXPECT_EQ(one.at("run").at("shards"), 3);
  EXPECT_EQ(document("--shards 3 --jobs 3", folder), one);
  EXPECT_EQ(document("--shards 3", folder), one);
  EXPECT_NE(document("--shards 2", folder).at("stats"), one.at("stats"));
}

TEST(Shards, MeasureWhatTheWholeRunMeasures) {
  const TestFolder folder;
  // One access after the other, warming is exact: nothing differs.
  Json whole = document("--detail translation --warmup 1000 --limit 50000", folder);
  Json parts = document("--detail translation --warmup 1000 --limit 50000 --shards 4", folder);
  EXPECT_FALSE(whole.at("run").contains("shards"));
  EXPECT_EQ(parts.at("run").at("shards"), 4);
  EXPECT_EQ(parts.at("stats"), whole.at("stats"));
  EXPECT_EQ(parts.at("memory"), whole.at("memory"));
  // A window is cut, and caches were filled in another order.
  whole = document("", folder);
  parts = document("--shards 4", folder);
  EXPECT_EQ(parts.at("stats").at("accesses"), whole.at("stats").at("accesses"));
  EXPECT_EQ(parts.at("stats").at("instructions"), whole.at("stats").at("instructions"));
  EXPECT_EQ(parts.at("memory"), whole.at("memory"));
  EXPECT_NEAR(parts.at("stats").at("cycles").get<double>(),
              whole.at("stats").at("cycles").get<double>(),
              0.01 * whole.at("stats").at("cycles").get<double>());
}

TEST(Shards, OfATraceThatDoesntSayItsLengthAreCutAllTheSame) {
  const TestFolder folder;
  folder.write("a.lackey", test::small_trace(40, 30));
  const Ran whole = run("eptsim run a.lackey --fetch off --detail translation --json -", folder);
  const Ran parts =
      run("eptsim run a.lackey --fetch off --detail translation --shards 3 --json -", folder);
  ASSERT_EQ(whole.status, 0) << whole.err;
  ASSERT_EQ(parts.status, 0) << parts.err;
  EXPECT_EQ(Json::parse(parts.out).at("stats"), Json::parse(whole.out).at("stats"));
}

TEST(Shards, OfADamagedTraceSayWhatTheWholeRunSays) {
  const TestFolder folder;
  ASSERT_EQ(run("eptsim trace convert generate:mix,accesses=600000 a.ept", folder).status, 0);
  ASSERT_EQ(run("head -c $(($(stat -c %s a.ept) * 2 / 3)) a.ept > b.ept", folder).status, 0);
  const Ran whole = run("eptsim run b.ept --detail translation --json -", folder);
  const Ran parts = run("eptsim run b.ept --detail translation --shards 3 --json -", folder);
  EXPECT_EQ(whole.status, 2);
  EXPECT_EQ(parts.status, 2);
  EXPECT_NE(whole.err.find("truncated"), std::string::npos) << whole.err;
  EXPECT_EQ(parts.err, whole.err);
  const Json document = Json::parse(parts.out);
  EXPECT_EQ(document.at("partial"), true);
  EXPECT_EQ(document.at("stats").at("accesses"), Json::parse(whole.out).at("stats").at("accesses"));
}

TEST(Shards, OfATraceWithoutAnythingToCountSayWhatTheWholeRunSays) {
  const TestFolder folder;
  ASSERT_EQ(run("eptsim trace convert generate:mix,accesses=1000 a.ept", folder).status, 0);
  ASSERT_EQ(run("head -c 300 a.ept > b.ept", folder).status, 0);
  const Ran whole = run("eptsim run b.ept", folder);
  const Ran parts = run("eptsim run b.ept --shards 2", folder);
  EXPECT_EQ(whole.status, 2);
  EXPECT_EQ(parts.status, 2);
  EXPECT_EQ(parts.err, whole.err);
}

TEST(Shards, OfWhatCantBeCutAreRefused) {
  const TestFolder folder;
  const auto said = [&](const std::string& command) {
    const Ran ran = run(command, folder);
    EXPECT_EQ(ran.status, 2) << command;
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  const std::string trace = kTrace;
  EXPECT_NE(said("eptsim run " + trace + "--shards 0").find("expected a number from 1"),
            std::string::npos);
  EXPECT_NE(said("eptsim run " + trace + "--jobs 2").find("--shards"), std::string::npos);
  EXPECT_NE(said("eptsim run " + trace + trace + "--shards 2").find("one trace"),
            std::string::npos);
  EXPECT_NE(said("eptsim run - --shards 2 < /dev/null").find("empty"), std::string::npos);
  EXPECT_NE(
      said("eptsim run " + trace + "--shards 2 --set sampling.period=1000").find("sampling.period"),
      std::string::npos);
  EXPECT_NE(said("eptsim run " + trace + "--shards 2 --warmup 10000000").find("warm-up"),
            std::string::npos);
}

/// A run that would take minutes, and a process of it: `$part`.
constexpr const char* kLongRun =
    "\"$program\" run generate:mix,accesses=1000000000 --shards 3 --jobs 2 --json - > out 2> err "
    "&\n"
    "run=$!\n"
    "for i in $(seq 600); do\n"
    "  part=$(cat /proc/$run/task/$run/children | cut -d' ' -f1)\n"
    "  [ -n \"$part\" ] && break\n"
    "  sleep 0.05\n"
    "done\n"
    "parts=$(cat /proc/$run/task/$run/children)\n";

TEST(Shards, WithAPartThatIsKilledEndTheRunAndSaySo) {
  const TestFolder folder;
  const Ran ran = run(std::string(kLongRun) +
                          "kill -KILL $part; wait $run; status=$?\n"
                          "for p in $parts; do kill -0 $p 2> /dev/null && echo $p is left; done\n"
                          "cat err; exit $status",
                      folder);
  EXPECT_EQ(ran.status, 3);
  EXPECT_NE(ran.out.find("signal 9"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("is left"), std::string::npos) << ran.out;
}

TEST(Shards, ThatAreInterruptedReportWhatTheyMeasured) {
  const TestFolder folder;
  const Ran ran = run(std::string(kLongRun) +
                          "sleep 0.5; kill -TERM $run; wait $run; status=$?\n"
                          "for p in $parts; do kill -0 $p 2> /dev/null && echo $p is left; done\n"
                          "cat out; cat err >&2; exit $status",
                      folder);
  EXPECT_EQ(ran.status, 130);
  EXPECT_NE(ran.err.find("interrupted"), std::string::npos) << ran.err;
  const Json document = Json::parse(ran.out);
  EXPECT_EQ(document.at("partial"), true);
}

}  // namespace
}  // namespace eptsim::sim
