#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "sim/report/report.hpp"
#include "sim/tests/program.hpp"

// The program, which writes report.html beside stats.json.
namespace eptsim::sim::test {
namespace {

class ReportFiles : public testing::Test {
 protected:
  ReportFiles() { folder_.write("t", small_trace(300, 2)); }

  std::string text(const std::string& name) const { return bytes_of(folder_.path() / name); }
  Json stats(const std::string& folder) const { return Json::parse(text(folder + "/stats.json")); }

  TestFolder folder_;
};

TEST_F(ReportFiles, RunWritesWhatItsStatisticsSay) {
  const Ran ran = run("eptsim run t --output out --set dram.cycles=50", folder_);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(text("out/report.html"), run_report_html(stats("out")));
}

TEST_F(ReportFiles, CompareWritesBothSideBySideAndEachByItself) {
  const Ran ran = run("eptsim compare t --schemes native:4K,nested:4K/4K --output out", folder_);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(text("out/report.html"),
            comparison_report_html(
                {{"native:4K", stats("out/native")}, {"nested:4K/4K", stats("out/nested")}}));
  for (const std::string mode : {"out/native", "out/nested"}) {
    EXPECT_EQ(text(mode + "/report.html"), run_report_html(stats(mode)));
  }
}

TEST_F(ReportFiles, ARunThatEndsEarlyLeavesAReportToo) {
  folder_.write("damaged", small_trace(300, 1) + " L nonsense\n");
  const Ran ran = run("eptsim run damaged --output out", folder_);
  ASSERT_EQ(ran.status, 2) << ran.err;
  EXPECT_EQ(text("out/report.html"), run_report_html(stats("out")));
  EXPECT_NE(text("out/report.html").find("Partial."), std::string::npos);
}

TEST_F(ReportFiles, OneFolderIsReportedOnAnewOrWhereAskedFor) {
  ASSERT_EQ(run("eptsim run t --output out", folder_).status, 0);
  const std::string page = text("out/report.html");
  folder_.write("out/report.html", "old");
  const Ran ran = run("eptsim report out/", folder_);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::HasSubstr("The report is in out/report.html.\n"));
  EXPECT_EQ(text("out/report.html"), page);
  EXPECT_EQ(run("eptsim report out --output other.html", folder_).status, 0);
  EXPECT_EQ(text("other.html"), page);
  EXPECT_EQ(run("eptsim report out --output -", folder_).out, page);
}

TEST_F(ReportFiles, TwoFoldersAreComparedUnderTheirNames) {
  ASSERT_EQ(run("eptsim run t --output few/run; eptsim run t --output many/run --mode native "
                "--set dram.cycles=50",
                folder_)
                .status,
            0);
  const Ran ran = run("eptsim report few/run many/run", folder_);
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(text("comparison.html"),
            two_runs_report_html({"few/run", stats("few/run")}, {"many/run", stats("many/run")}));
  EXPECT_THAT(ran.out, testing::HasSubstr("The report is in comparison.html.\n"));
  EXPECT_THAT(ran.out, testing::ContainsRegex("--mode +nested +native\n"));
  EXPECT_THAT(ran.out, testing::ContainsRegex("dram.cycles +[0-9]+ cycles +50 cycles\n"));

  const Ran same = run("eptsim report few/run few/../few/run --output same.html", folder_);
  EXPECT_THAT(same.out, testing::HasSubstr("The two runs are identical: "));
}

TEST_F(ReportFiles, ReportSaysWhatToDoAboutFoldersItCantShow) {
  ASSERT_EQ(run("eptsim compare t --schemes native:4K,nested:4K/4K --output both", folder_).status,
            0);
  const auto refused = [&](const std::string& folders) {
    const Ran ran = run("eptsim report " + folders + " --output page.html", folder_);
    EXPECT_EQ(ran.status, 2) << folders;
    EXPECT_EQ(ran.out, "");
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "page.html")) << folders;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    return ran.err;
  };
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string damaged = text("both/native/stats.json");
    damaged.replace(damaged.find(from), from.size(), to);
    folder_.write("bad/stats.json", damaged);
  };
  using testing::StartsWith;
  EXPECT_THAT(refused("nowhere"), StartsWith("nowhere: isn't there, expected a folder that"));
  EXPECT_THAT(refused("t"), StartsWith("t: isn't a folder, expected"));
  EXPECT_THAT(refused("both"), testing::HasSubstr("eptsim report both/native both/nested\n"));
  EXPECT_THAT(refused("both/native both/nested both"), StartsWith("eptsim report: expected one"));
  std::filesystem::create_directory(folder_.path() / "bad");
  EXPECT_THAT(refused("bad"), StartsWith("bad: has no stats.json, expected"));
  folder_.write("bad/stats.json", "{\n \"schema_version\": 1,\n");
  EXPECT_THAT(refused("bad"), StartsWith("bad/stats.json:3:1: the file ends too early"));
  folder_.write("bad/stats.json", "{\n \"schema_version\": !1}");
  EXPECT_THAT(refused("bad"), StartsWith("bad/stats.json:2:20: isn't JSON here"));
  folder_.write("bad/stats.json", "[]");
  EXPECT_THAT(refused("bad"), StartsWith("bad/stats.json: has no schema_version"));
  changed("\"schema_version\": 1", "\"schema_version\": 2");
  EXPECT_THAT(refused("both/native bad"), StartsWith("bad/stats.json: has schema_version 2"));
  changed("\"latency\"", "\"lateness\"");
  EXPECT_THAT(refused("bad both/native"),
              StartsWith("bad/stats.json: doesn't hold what this version shows (key 'latency'"));
  changed("\"guest_level\": 4", "\"guest_level\": 9");
  EXPECT_THAT(refused("bad"), StartsWith("bad/stats.json: has a number that no run counts"));
}

TEST_F(ReportFiles, ASweepIsToldFromARun) {
  std::filesystem::create_directories(folder_.path() / "sweep/points/0");
  folder_.write("sweep/results.json", "{}");
  const Ran ran = run("eptsim report sweep", folder_);
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, testing::StartsWith("sweep: holds a sweep, whose points have reports"));
}

}  // namespace
}  // namespace eptsim::sim::test
