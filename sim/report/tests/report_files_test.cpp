#include <gtest/gtest.h>

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

}  // namespace
}  // namespace eptsim::sim::test
