#include "sim/output/two_runs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/report/report.hpp"
#include "sim/report/tests/document.hpp"
#include "sim/report/tests/reported_runs.hpp"

namespace eptsim::sim {
namespace {

using namespace report::test;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Differences between(const Json& left, const Json& right) { return {left, right}; }

const Difference* find(const std::vector<Difference>& differences, const std::string& key) {
  const auto found = std::ranges::find(differences, key, &Difference::key);
  return found == differences.end() ? nullptr : &*found;
}

std::vector<std::string> keys(const std::vector<Difference>& differences) {
  std::vector<std::string> all;
  for (const Difference& difference : differences) all.push_back(difference.key);
  return all;
}

std::string page_of(const Json& left, const Json& right) {
  return two_runs_report_html({"left", left}, {"right", right});
}

std::string summary_of(const Json& left, const Json& right) {
  return differences_summary({"left", left}, {"right", right}, between(left, right), Style{});
}

TEST(TwoRuns, OfTheSameDocumentAreIdenticalWhateverTheHostTook) {
  const Json left = document_of(Mode::kNested);
  Json right = left;
  right["host"]["wall_seconds"] = 12.5;
  const Differences differences = between(left, right);
  EXPECT_TRUE(differences.identical);
  EXPECT_THAT(differences.settings, IsEmpty());
  EXPECT_THAT(differences.statistics, IsEmpty());
  EXPECT_THAT(Document(page_of(left, right)).texts("h1"),
              ElementsAre("The two runs are identical"));
  EXPECT_THAT(summary_of(left, right), HasSubstr("The two runs are identical: "));

  right["memory"]["hash"] = "ff";
  EXPECT_FALSE(between(left, right).identical);
  EXPECT_THAT(Document(page_of(left, right)).texts("h1"),
              ElementsAre("Both runs take the same time"));
}

TEST(TwoRuns, SettingsThatDifferHaveTheNamesByWhichTheyAreSet) {
  const Json left = document_of(Mode::kNested);
  RunReport run = run_of(Mode::kNested);
  run.settings.limit = 5'000'000;
  Json right = stats_document(run);
  right["machine"]["tlb"]["l2"]["ways"] = 3;
  right["machine"]["cache"]["l3"]["bytes"] = 3 << 20;
  right["trace"]["path"] = "elsewhere/some.ept";
  const Differences differences = between(left, right);
  EXPECT_THAT(keys(differences.settings),
              testing::UnorderedElementsAre("trace", "--limit", "tlb.l2.ways", "cache.l3.bytes"));
  const Document document(page_of(left, right));
  EXPECT_THAT(row(document, "--limit"), ElementsAre("--limit", "-", "5,000,000"));
  EXPECT_THAT(document.rows("cache.l3.bytes"),
              Contains(ElementsAre("cache.l3.bytes", "0 B", "3.0 MiB")));
}

TEST(TwoRuns, StatisticsThatDifferComeInTheOrderOfHowMuch) {
  const Json left = document_of(Mode::kNested);
  Json right = left;
  Json& stats = right["stats"];
  stats["walker"]["walks"] = 10'008;                 // by 1 of 10,008
  stats["tlb"]["l2"]["hits"] = 45'001;               // by a half
  stats["stale"]["uses"] = 3;                        // from nothing
  stats["walker"]["references_histogram"]["7"] = 5;  // which the left one hasn't
  stats["walker"]["matrix"][0]["cycles"] = 1;        // from 900,404
  stats["walker"]["latency"]["mean"] =
      2.0 * left["stats"]["walker"]["latency"]["mean"].get<double>();
  const Differences differences = between(left, right);
  EXPECT_THAT(
      keys(differences.statistics),
      ElementsAre("walker.references_histogram.7", "stale.uses", "walker.matrix[4,4].cycles",
                  "tlb.l2.hits", "walker.latency.mean", "walker.walks"));
  EXPECT_EQ(change_text(*find(differences.statistics, "walker.references_histogram.7")), "+5");
  EXPECT_EQ(relative_text(*find(differences.statistics, "stale.uses")), "-");
  EXPECT_EQ(change_text(*find(differences.statistics, "tlb.l2.hits")), "\u221245,001");
  EXPECT_EQ(relative_text(*find(differences.statistics, "tlb.l2.hits")), unbroken("\u221250.00 %"));
  EXPECT_EQ(relative_text(*find(differences.statistics, "walker.latency.mean")),
            unbroken("+100.00 %"));

  const Document document(page_of(left, right));
  EXPECT_THAT(document.rows("tlb.l2.hits"),
              ElementsAre(ElementsAre("tlb.l2.hits", "90,002", "45,001", "\u221245,001",
                                      unbroken("\u221250.00 %"), HasSubstr("lookups that found"))));
  EXPECT_THAT(row(document, "walker.matrix[4,4].cycles")[5], "that memory here held up walks");
}

TEST(TwoRuns, ListsThatDifferAreNamedButNotListed) {
  const Json left = document_of(Mode::kNested);
  Json right = left;
  right["stats"]["timeline"][1]["walks"] = 1;
  right["stats"]["hot"]["pages"] = Json::array();
  const Differences differences = between(left, right);
  EXPECT_THAT(differences.statistics, IsEmpty());
  EXPECT_THAT(differences.lists, ElementsAre("timeline", "hot.pages"));
  EXPECT_THAT(page_of(left, right),
              AllOf(HasSubstr("<code>timeline</code>"), HasSubstr("<code>hot.pages</code>")));
}

TEST(TwoRuns, EachCoreIsComparedWhereThereAreSeveral) {
  Json left = document_of(Mode::kNested);
  Json right = left;
  const Json core = {{"cycles", 7}};
  left["stats"]["cores"] = {core};
  right["stats"]["cores"] = {{{"cycles", 8}}};
  EXPECT_THAT(between(left, right).statistics, IsEmpty()) << "what one core did is what all did";
  left["stats"]["cores"] = {core, core};
  right["stats"]["cores"] = {core, {{"cycles", 8}}};
  EXPECT_THAT(keys(between(left, right).statistics), ElementsAre("cores[1].cycles"));
}

TEST(TwoRuns, OfDifferentTracesStandSideBySideWithoutAConclusion) {
  const Json left = document_of(Mode::kNested);
  Json right = left;
  right["trace"]["path"] = "traces/other.ept";
  right["trace"]["hash"] = "ff";
  const Document document(page_of(left, right));
  EXPECT_THAT(document.texts("h1"), ElementsAre("The two runs are of different traces"));
  EXPECT_THAT(row(document, "hash of the trace"),
              ElementsAre("hash of the trace", "00112233445566778899aabbccddeeff", "ff"));
  // One trace under two names is one trace.
  right["trace"]["hash"] = left["trace"]["hash"];
  EXPECT_THAT(Document(page_of(left, right)).texts("h1"),
              ElementsAre("Both runs take the same time"));
}

TEST(TwoRuns, ASmallDifferenceIsNotRoundedAway) {
  const Json left = document_of(Mode::kNested);
  Json right = left;
  right["stats"]["cycles"] = left["stats"]["cycles"].get<std::uint64_t>() + 35'398;
  EXPECT_EQ(verdict({"left", left}, {"right", right}, between(left, right)),
            "right takes 1.0010\u00a0× the time of left");
}

/// How many elements of the page have this class.
long count(const std::string& html, const std::string& css_class) {
  const Document document(html);
  return std::ranges::count_if(document.elements(), [&](const Document::Element& element) {
    const auto found = element.attributes.find("class");
    return found != element.attributes.end() && found->second == css_class;
  });
}

TEST(TwoRuns, TheMapOfDifferencesHasEveryPlaceOfEither) {
  const Json native = document_of(Mode::kNative);
  Json nested = document_of(Mode::kNested);
  nested["stats"]["walker"]["walks"] = 20'014;
  const std::string html = page_of(native, nested);
  const Document document(html);
  // 900,302 cycles over 20,014 walks, which a native walk has nothing of; and a place of both,
  // 900,100 cycles over 10,007 walks in the one and over twice as many in the other.
  EXPECT_THAT(document.rows("EPT PDE for the guest PDPTE"),
              Contains(ElementsAre("EPT PDE for the guest PDPTE", "0.0", "45.0", "+45.0", "-")));
  EXPECT_THAT(document.rows("guest PTE"),
              Contains(ElementsAre("guest PTE", "89.9", "45.0", "\u221245.0", unbroken("0.50 ×"))));
  EXPECT_EQ(count(html, "more"), 20);
  EXPECT_EQ(count(html, "less"), 4);
  EXPECT_EQ(count(page_of(nested, nested), "same"), 24);
}

TEST(TwoRuns, TheTerminalSaysSettingsFiguresAndWhatDiffersMost) {
  const std::string text = summary_of(document_of(Mode::kNative), document_of(Mode::kNested));
  EXPECT_THAT(text, HasSubstr("right takes 5.30 x the time of left.\n"));
  EXPECT_THAT(text, testing::ContainsRegex("  --mode +native +nested\n"));
  EXPECT_THAT(text, testing::ContainsRegex(
                        "  cycles +6,680,047 +35,398,124 +\\+28,718,077 +\\+429.91 %\n"));
  EXPECT_THAT(text, testing::ContainsRegex("  time lost to translation +70.06 % +69.75 % +-0.31 "
                                           "points +-\n"));
  EXPECT_THAT(text, testing::ContainsRegex("more of [0-9]+ statistics differ\\.\n"));
  EXPECT_THAT(text, Not(HasSubstr("\u00a0")));
}

}  // namespace
}  // namespace eptsim::sim
