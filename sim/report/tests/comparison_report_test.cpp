#include "sim/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "sim/report/tests/document.hpp"
#include "sim/report/tests/reported_runs.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

using namespace report::test;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(ComparisonReport, HasTheDifferencesInTheForeground) {
  const Document document(comparison_report());
  EXPECT_THAT(document.texts("h1"),
              ElementsAre("nested takes " + unbroken("5.30 ×") + " the time of native"));
  EXPECT_THAT(document.texts("dd"),
              AllOf(Contains(unbroken("5.97 ×")), Contains("4.00 native, 23.89 nested"),
                    Contains("\u22120.3 points")));
  EXPECT_THAT(row(document, "walks: EPT entries"),
              ElementsAre("walks: EPT entries", "0", unbroken("0.0 %"), "20,010,077",
                          unbroken("56.5 %"), "+20,010,077", "-"));
  EXPECT_THAT(row(document, "in all"),
              ElementsAre("in all", "6,680,047", unbroken("100.0 %"), "35,398,124",
                          unbroken("100.0 %"), "+28,718,077", unbroken("5.30 ×")));
  EXPECT_THAT(row(document, "median"), ElementsAre("median", "404", "1,911", unbroken("4.73 ×")));
  EXPECT_THAT(document.rows("4"),
              Contains(ElementsAre("4", "9,971", unbroken("99.64 %"), "0", unbroken("0.00 %"))));
  EXPECT_THAT(row(document, "second level, nested")[1], "100,009");
}

TEST(ComparisonReport, BothBarsHaveOneScaleAndTheLongerFillsIt) {
  std::vector<double> program;
  double end = 0;
  const Document document(comparison_report());
  for (const Document::Element& element : document.elements()) {
    if (element.tag != "rect" || element.text.find(" cycles, ") == std::string::npos) continue;
    const double width = std::stod(element.attributes.at("width"));
    end = std::max(end, std::stod(element.attributes.at("x")) + width);
    if (element.text.starts_with("the program itself")) program.push_back(width);
  }
  ASSERT_THAT(program, SizeIs(2));
  EXPECT_EQ(program[0], program[1]) << "2,000,000 cycles in both runs";
  EXPECT_NEAR(end, 100, 0.01);
}

TEST(ComparisonReport, BarsAndTableSayTheSamePercents) {
  const Document document(comparison_report());
  std::vector<std::string> on_bars;
  for (const Document::Element& element : document.elements()) {
    const auto kind = element.attributes.find("class");
    if (kind != element.attributes.end() && kind->second == "on-fill") {
      on_bars.push_back(element.text);
    }
  }
  // Also of a bar that takes a fifth of the page's width.
  EXPECT_THAT(on_bars, Contains(unbroken("56.5 %")));
  EXPECT_THAT(document.texts("title"),
              Contains("walks: page-table entries: 4,050,033 cycles, " + unbroken("60.63 %")));
}

TEST(ComparisonReport, OfRunsThatAreNotOfOneLengthDrawsNoConclusion) {
  RunReport native = run_of(Mode::kNative);
  native.result.partial = true;
  native.result.accesses -= 1;
  const std::string html = compared(stats_document(native), document_of(Mode::kNested));
  EXPECT_THAT(Document(html).texts("h1"), ElementsAre("The two runs are not of the same length"));
  EXPECT_THAT(html, HasSubstr("The native run ended early"));
  EXPECT_EQ(html.find("The nested run ended early"), std::string::npos);
}

TEST(ComparisonReport, NamesEachRunThatIsNotComplete) {
  EXPECT_EQ(row(Document(comparison_report()), "complete")[1], "yes");
  RunReport native = run_of(Mode::kNative);
  native.result.partial = true;
  const Document document(compared(stats_document(native), document_of(Mode::kNested)));
  EXPECT_THAT(row(document, "complete"), ElementsAre("complete", "no: the run ended early", "yes"));
}

TEST(ComparisonReport, OfManyRunsHasARowForEachInTheGroupOfItsTrace) {
  const Document document(comparison_report_html(many_runs()));
  EXPECT_THAT(document.texts("h1"), ElementsAre("6 runs of 2 traces"));
  EXPECT_THAT(document.texts("h2"), testing::IsSupersetOf({"some.ept", "other.ept"}));
  const auto overview = [&](const std::string& name) {
    auto rows = document.rows(name);
    std::erase_if(rows, [](const auto& cells) { return cells.size() != 8; });
    return rows;
  };
  EXPECT_THAT(
      overview("native 2M"),
      ElementsAre(ElementsAre("native 2M", unbroken("0.50 ×"), "3,340,023", unbroken("70.1 %"),
                              unbroken("0.0 %"), "5.00", "4.00", "404.7")));
  EXPECT_THAT(overview("nested 4K/4K"), SizeIs(2)) << "of each trace";
  EXPECT_EQ(overview("nested 4K/4K")[0][1], unbroken("5.30 ×"));
  EXPECT_EQ(overview("nested 4K/4K")[1][1], unbroken("1.00 ×"));
  EXPECT_EQ(overview("nested 1G/4K")[0][1], "-") << "not of the same length";
  // Over the traces: a column each.
  EXPECT_THAT(document.rows("nested 4K/4K"),
              Contains(ElementsAre("nested 4K/4K", unbroken("5.30 ×"), unbroken("1.00 ×"))));
  EXPECT_THAT(document.rows("nested 2M/4K"),
              Contains(ElementsAre("nested 2M/4K", unbroken("5.30 ×"), "-")));
}

TEST(ComparisonReport, OfManyRunsOfOneTraceNamesTheOneThatDiffersMost) {
  std::vector<NamedRun> runs = many_runs();
  runs.erase(runs.begin() + 5);
  runs.erase(runs.begin() + 3);
  EXPECT_THAT(Document(comparison_report_html(runs)).texts("h1"),
              ElementsAre("nested 4K/4K takes " + unbroken("5.30 ×") + " the time of native 4K"));
  runs.resize(2);
  EXPECT_THAT(Document(comparison_report_html(runs)).texts("h1"),
              ElementsAre("native 2M takes " + unbroken("0.50 ×") + " the time of native 4K"));
}

TEST(ComparisonReport, FewRunsOfOneTraceStandSideBySide) {
  std::vector<NamedRun> runs = many_runs();
  runs.erase(runs.begin() + 3, runs.end());
  const Document document(comparison_report_html(runs));
  EXPECT_THAT(row(document, "median"), ElementsAre("median", "404", "404", "1,911"));
  EXPECT_THAT(row(document, "second level, nested 4K/4K")[1], "100,009");
  EXPECT_THAT(document.rows("nested 4K/4K"),
              Contains(ElementsAre("nested 4K/4K", "2,000,000", "630,014", "4,050,033",
                                   "20,010,077", "8,708,000", "35,398,124")));
}

void expect_names_of_their_own(const std::string& html) {
  const Document document(html);
  std::map<std::string, int> ids;
  for (const Document::Element& element : document.elements()) {
    if (element.attributes.contains("id")) ++ids[element.attributes.at("id")];
  }
  EXPECT_FALSE(ids.empty());
  for (const auto& [id, times] : ids) EXPECT_EQ(times, 1) << id;
  for (const Document::Element& element : document.elements()) {
    const auto names = element.attributes.find("aria-labelledby");
    if (names == element.attributes.end()) continue;
    const std::size_t space = names->second.find(' ');
    EXPECT_TRUE(ids.contains(names->second.substr(0, space)));
    EXPECT_TRUE(ids.contains(names->second.substr(space + 1)));
  }
}

TEST(ComparisonReport, EveryDrawingHasANameOfItsOwn) {
  expect_names_of_their_own(comparison_report());
  expect_names_of_their_own(comparison_report_html(many_runs()));
  expect_names_of_their_own(nested_report());
}

}  // namespace
}  // namespace eptsim::sim
