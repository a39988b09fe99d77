#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/report/tests/document.hpp"
#include "sim/sweep/page.hpp"
#include "sim/sweep/tests/small_sweep.hpp"

namespace eptsim::sim::sweep {
namespace {

using report::test::Document;
using test::kTwelve;
using test::SmallSweep;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

std::size_t count(const Document& page, const std::string& tag, const std::string& css_class) {
  std::size_t found = 0;
  for (const Document::Element& element : page.elements()) {
    const auto attribute = element.attributes.find("class");
    found += element.tag == tag && attribute != element.attributes.end() &&
                     attribute->second == css_class
                 ? 1
                 : 0;
  }
  return found;
}

TEST(SweepPage, IsWellFormedAndNamesNothingOfTheNetwork) {
  std::string html = page_html(SmallSweep(kTwelve).results);
  const Document page(html);
  EXPECT_THAT(page.texts("h1"), ElementsAre("Twelve <points>"));
  for (const Document::Element& element : page.elements()) {
    for (const auto& [name, value] : element.attributes) {
      if (name == "xmlns" || value.starts_with("default-src 'none'")) continue;
      EXPECT_THAT(value, Not(HasSubstr("//"))) << element.tag << " " << name;
    }
  }
}

TEST(SweepPage, HasAPlotOfEachNumberForEachPairOfAxesAndATableBehindIt) {
  const Document page(page_html(SmallSweep(kTwelve).results));
  EXPECT_THAT(page.texts("h2"),
              ElementsAre("What matters", "scheme and trace", "scheme and dram.cycles",
                          "trace and dram.cycles", "The points", "What was run"));
  EXPECT_EQ(count(page, "table", "map heat"), 2u) << "schemes by traces";
  EXPECT_EQ(count(page, "svg", "plot"), 4u) << "the others over dram.cycles, in lines";
  EXPECT_EQ(page.texts("details").size(), 6u);
}

TEST(SweepPage, MeansAreOverAllOtherAxes) {
  const Document page(page_html(SmallSweep(kTwelve).results));
  // Native on the small trace are rows 1 to 3, nested on the large 10 to 12; a row took n cycles
  // per instruction.
  EXPECT_THAT(page.rows("native:4K"),
              Contains(IsSupersetOf({"native:4K", "small", "2", "1", "3", "3"})));
  EXPECT_THAT(page.rows("nested:4K/4K"),
              Contains(IsSupersetOf({"nested:4K/4K", "large", "11", "10", "12", "3"})));
  // Over DRAM's cycles from least to most, whatever their order in the file: the middle value of
  // the file is the least. Rows 2, 5, 8, 11 have 50.
  EXPECT_THAT(page.rows("50"), Contains(IsSupersetOf({"50", "native:4K", "3.50", "2", "5", "2"})));
}

TEST(SweepPage, LinesGoFromTheLeastNumberToTheMost) {
  const Document page(page_html(SmallSweep(kTwelve).results));
  std::vector<std::string> axis;
  for (const Document::Element& element : page.elements()) {
    if (element.tag == "text" && element.attributes.contains("text-anchor")) {
      axis.push_back(element.text);
    }
  }
  ASSERT_GE(axis.size(), 3u);
  EXPECT_THAT(std::vector(axis.begin(), axis.begin() + 3), ElementsAre("50", "100", "200"));
}

TEST(SweepPage, TheAxisThatMovesANumberMostStandsFirst) {
  const Document page(page_html(SmallSweep(kTwelve).results));
  std::vector<std::string> axes;
  for (const std::string& heading : page.texts("th")) {
    if (heading == "scheme" || heading == "trace" || heading == "dram.cycles") {
      axes.push_back(heading);
    }
  }
  ASSERT_GE(axes.size(), 3u);
  EXPECT_THAT(std::vector(axes.begin(), axes.begin() + 3),
              ElementsAre("scheme", "trace", "dram.cycles"));
  // Means of rows 1 to 6, and of 7 to 12.
  EXPECT_THAT(page.rows("native:4K"),
              Contains(IsSupersetOf({"scheme", "native:4K", "3.50", "nested:4K/4K", "9.50"})));
}

TEST(SweepPage, ASingleAxisAndASinglePointAreDrawnToo) {
  const std::string trace = "traces = [\"generate:gups\"]\n";
  const Document lines(page_html(SmallSweep(trace + "[vary]\ndram.cycles = [50, 100]\n").results));
  EXPECT_EQ(count(lines, "svg", "plot"), 2u);
  const Document map(
      page_html(SmallSweep(trace + "schemes = [\"native:4K\", \"nested:4K/4K\"]\n").results));
  EXPECT_EQ(count(map, "table", "map heat"), 2u);
  const Document point(page_html(SmallSweep(trace).results));
  EXPECT_THAT(point.texts("h2"), ElementsAre("The points", "What was run"));
}

TEST(SweepPage, OfASweepThatIsntCompleteSaysSoFirst) {
  const std::string html = page_html(SmallSweep(kTwelve, 4).results);
  EXPECT_THAT(html, HasSubstr("Not complete.</b> 4 of 12 points are done"));
  EXPECT_NO_THROW(Document{html});
  const std::string empty = page_html(SmallSweep(kTwelve, 0).results);
  EXPECT_THAT(empty, HasSubstr("nothing is measured yet"));
  EXPECT_NO_THROW(Document{empty});
}

TEST(SweepPage, EveryPointLeadsToItsReport) {
  const SmallSweep twelve(kTwelve, 1);
  const Document page(page_html(twelve.results));
  std::vector<std::string> links;
  for (const Document::Element& element : page.elements()) {
    if (element.tag == "a") links.push_back(element.attributes.at("href"));
  }
  EXPECT_THAT(links, Contains("points/" + twelve.grid.points[0].id + "/report.html"));
  EXPECT_THAT(links, Not(Contains(HasSubstr(twelve.grid.points[1].id)))) << "isn't done";
}

}  // namespace
}  // namespace eptsim::sim::sweep
