#include "sim/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/output/style.hpp"
#include "sim/report/tests/document.hpp"
#include "sim/report/tests/reported_runs.hpp"
#include "sim/settings/machine.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

using namespace report::test;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(Report, OfACoreWithAWindowShowsTheCoresOwnClassesOfCycles) {
  // Walks beside one another take more cycles than the core lost to them.
  RunReport run = run_of(Mode::kNested);
  run.settings.detail = Detail::kFull;
  run.result.cycles_by = {
      .retiring = 7'001, .data = 20'002, .translation = 60'003, .exits = 4'004, .other = 8'990};
  run.result.cycles = 100'000;
  const Document document(run_report_html(stats_document(run)));
  EXPECT_EQ(row(document, "instructions retiring")[1], "7,001");
  EXPECT_EQ(row(document, "waiting for data")[1], "20,002");
  EXPECT_EQ(row(document, "waiting for translation")[1], "60,003");
  EXPECT_EQ(row(document, "VM exits")[1], "4,004");
  EXPECT_EQ(row(document, "nothing to retire yet")[1], "8,990");
}

TEST(Report, IsWellFormed) {
  for (const std::string& html : {nested_report(), run_report_html(document_of(Mode::kNative)),
                                  comparison_report(), comparison_report_html(many_runs())}) {
    EXPECT_NO_THROW(Document{html});
  }
}

/// `html` without its one script, which a test in a browser looks at.
std::string without_script(std::string html) {
  const std::string begin = "<script>'use strict';";
  const std::size_t at = html.find(begin);
  EXPECT_NE(at, std::string::npos);
  return html.erase(at, html.find("</script>", at) + 9 - at);
}

TEST(Report, AsksForNothingFromOutside) {
  for (const std::string& page : {nested_report(), comparison_report()}) {
    std::string html = without_script(page);
    // Names of XML, not addresses that anything loads.
    const std::string svg = " xmlns=\"http://www.w3.org/2000/svg\"";
    for (std::size_t at = 0; (at = html.find(svg)) != std::string::npos;)
      html.erase(at, svg.size());
    for (const char* address : {"http:", "https:", "//", "url(", "@import", "src=", "<script"}) {
      EXPECT_EQ(html.find(address), std::string::npos) << address;
    }
    EXPECT_THAT(html, HasSubstr("default-src &#39;none&#39;"));
    const Document document(html);
    for (const Document::Element& element : document.elements()) {
      const auto address = element.attributes.find("href");
      if (address != element.attributes.end()) {
        EXPECT_EQ(address->second, "data:,");
      }
    }
  }
}

TEST(Report, TheSameRunGivesTheSameBytesWhateverTheHostTook) {
  RunReport run = run_of(Mode::kNested);
  const std::string one = run_report_html(stats_document(run));
  run.wall_seconds = 12.5;
  run.peak_memory_bytes = 1u << 30;
  EXPECT_EQ(run_report_html(stats_document(run)), one);
}

TEST(Report, BeginsWithTheAnswer) {
  const Document document(nested_report());
  EXPECT_THAT(document.texts("h1"),
              ElementsAre(unbroken("69.7 %") + " of the time went to translation"));
  EXPECT_THAT(document.texts("p"),
              Contains("some.ept ran nested, with 4K guest pages on 4K EPT pages, on the machine "
                       "plain, dram.cycles=80. A walk took 23.89 references and 2,404.3 cycles, on "
                       "average over 10,007 walks. VM exits took another " +
                       unbroken("24.6 %") + " of the time."));
  EXPECT_THAT(document.texts("dd"),
              AllOf(Contains("23.89"), Contains("2,404.3"), Contains(unbroken("69.75 %")),
                    Contains("4.00 of guest entries, 19.89 of EPT entries")));
}

TEST(Report, TheCyclesArePartsThatSumToAll) {
  const Document document(nested_report());
  EXPECT_EQ(row(document, "the program itself")[1], "2,000,000");
  EXPECT_EQ(row(document, "look-ups in TLBs and structure caches")[1], "630,014");
  EXPECT_EQ(row(document, "walks: guest entries")[1], "4,050,033");
  EXPECT_EQ(row(document, "walks: EPT entries")[1], "20,010,077");
  EXPECT_EQ(row(document, "VM exits")[1], "8,708,000");
  EXPECT_EQ(row(document, "in all")[1], "35,398,124");
  EXPECT_EQ(row(document, "walks: EPT entries")[2], unbroken("56.53 %"));
  EXPECT_EQ(row(document, "walks: EPT entries")[3], "16.208");

  double widths = 0;
  for (const Document::Element& element : document.elements()) {
    if (element.tag != "rect" || !element.text.ends_with("%")) continue;
    widths += std::stod(element.attributes.at("width"));
  }
  EXPECT_NEAR(widths, 100, 0.01) << "of the bar";
}

TEST(Report, EachTlbHasItsLookUps) {
  const Document document(nested_report());
  EXPECT_THAT(row(document, "first level, data"),
              ElementsAre("first level, data", "800,003", "700,001", "100,002", "50.00",
                          unbroken("87.50 %"), ""));
  EXPECT_EQ(row(document, "first level, instructions")[3], "7");
  EXPECT_EQ(row(document, "second level")[5], unbroken("89.99 %"));
}

TEST(Report, EachOfTheWalkersCachesThatWasAskedHasItsLookUps) {
  RunReport run = run_of(Mode::kNested);
  run.result.walker.combined[2] = {9'000, 8'100, 900};
  run.result.walker.ept[3] = {7'000, 6'300, 700};
  run.result.walker.nested_tlb = {50'005, 40'004, 10'001};
  const Document document(run_report_html(stats_document(run)));
  EXPECT_EQ(row(document, "structure cache, PDE")[1], "9,000");
  EXPECT_EQ(row(document, "EPT structure cache, PDPTE")[3], "700");
  EXPECT_THAT(row(document, "nested TLB"),
              ElementsAre("nested TLB", "50,005", "40,004", "10,001", unbroken("80.00 %"), ""));
  EXPECT_THAT(document.rows("structure cache, PML4E"), IsEmpty());
  const Document both(compared(document_of(Mode::kNative), stats_document(run)));
  EXPECT_EQ(row(both, "nested TLB, nested")[2], "40,004");
  EXPECT_THAT(both.rows("nested TLB, native"), IsEmpty());
  EXPECT_EQ(nested_report().find("Look-ups of walks"), std::string::npos)
      << "of a walker without caches";
}

TEST(Report, AMachineWithCachesShowsWhereReferencesWereServed) {
  RunReport run = run_of(Mode::kNested);
  EXPECT_THAT(Document(run_report_html(stats_document(run))).rows("L2 cache"), IsEmpty());
  run.settings.machine = resolve_machine("default");
  run.result.walker.served_by = {190'013, 30'005, 15'001, 4'001};
  run.result.walker.matrix[4][4].served_by = {9'000, 300, 100, 4};
  run.result.walker.matrix[2][0].served_by = {5, 0, 6, 0};
  run.result.caches.cache[1].by_origin[1] = {49'007, 30'005, 19'002, 0, 0};
  run.result.caches.dram.reads = 4'001;
  const Document document(run_report_html(stats_document(run)));
  // By what served them, all references and those of each dimension.
  EXPECT_THAT(document.rows("all"),
              Contains(ElementsAre("all", "239,020", "190,013, " + unbroken("79.5 %"),
                                   "30,005, " + unbroken("12.6 %"), "15,001, " + unbroken("6.3 %"),
                                   "4,001, " + unbroken("1.7 %"))));
  EXPECT_THAT(
      row(document, "guest entries"),
      ElementsAre("guest entries", "11", "5, " + unbroken("45.5 %"), "0, " + unbroken("0.0 %"),
                  "6, " + unbroken("54.5 %"), "0, " + unbroken("0.0 %")));
  EXPECT_THAT(row(document, "EPT entries"),
              ElementsAre("EPT entries", "9,404", "9,000, " + unbroken("95.7 %"),
                          "300, " + unbroken("3.2 %"), "100, " + unbroken("1.1 %"),
                          "4, " + unbroken("0.0 %")));
  EXPECT_THAT(document.texts("title"),
              Contains("L3 cache: 15,001 references, " + unbroken("6.28 %")));
  EXPECT_THAT(document.texts("title"), Contains("L3 cache: 6 references, " + unbroken("54.55 %")));
  EXPECT_EQ(row(document, "L2 cache, walks")[2], "30,005");
  EXPECT_EQ(row(document, "lines read")[1], "4,001");
  EXPECT_THAT(document.rows("to a bank with another row open"), IsEmpty());
  const auto place = row(document, "EPT PML4E for the guest PML4E");
  ASSERT_THAT(place, SizeIs(10));
  EXPECT_THAT(std::vector(place.begin() + 6, place.end()), ElementsAre("9,000", "300", "100", "4"));
  const Document both(compared(stats_document(run), stats_document(run)));
  EXPECT_THAT(row(both, "nested, guest entries"), SizeIs(6));
}

TEST(Report, EveryPlaceOfTheWalkHasItsReferencesAndCycles) {
  const Json stats = document_of(Mode::kNested);
  const Document document(nested_report());
  const auto guest = [](unsigned level) {
    return std::vector<std::string>{"data", "guest PTE", "guest PDE", "guest PDPTE", "guest PML4E"}
        .at(level);
  };
  const auto ept = [](unsigned level) {
    return std::vector<std::string>{"", "EPT PTE", "EPT PDE", "EPT PDPTE", "EPT PML4E"}.at(level);
  };
  std::size_t step = 0;
  for (const Json& place : stats.at("stats").at("walker").at("matrix")) {
    const auto guest_level = place.at("guest_level").get<unsigned>();
    const auto ept_level = place.at("ept_level").get<unsigned>();
    const std::string name =
        ept_level == 0 ? guest(guest_level) : ept(ept_level) + " for the " + guest(guest_level);
    const auto references = place.at("references").get<std::uint64_t>();
    const auto cycles = place.at("cycles").get<std::uint64_t>();
    // The heading of the map's column is a row with this name too.
    const auto rows = document.rows(name);
    EXPECT_THAT(rows, Contains(testing::IsSupersetOf(
                          {std::to_string(++step), grouped(references), grouped(cycles)})))
        << name;
  }
  EXPECT_EQ(step, 24u);
  // The map itself: the step, the cycles and the references per walk, and the share of the cycles,
  // from guest PML4E to the data.
  const auto map_row = document.rows("EPT PML4E");
  ASSERT_THAT(map_row, SizeIs(1));
  const std::string share = unbroken("4.2 %");
  EXPECT_THAT(map_row[0], ElementsAre("EPT PML4E", "190.00.94" + share, "690.00.93" + share,
                                      "1190.00.92" + share, "1689.90.91" + share,
                                      "2189.90.90" + share, "449.84.60" + unbroken("20.8 %")));
  EXPECT_THAT(document.rows("guest entry")[0].at(5), "the data");
}

TEST(Report, TheHottestPlaceHasTheFullColourAndNoneIsBeyond) {
  double hottest = 0;
  const Document document(nested_report());
  for (const Document::Element& element : document.elements()) {
    const auto style = element.attributes.find("style");
    if (style == element.attributes.end()) continue;
    ASSERT_TRUE(style->second.starts_with("--heat:"));
    hottest = std::max(hottest, std::stod(style->second.substr(7)));
  }
  EXPECT_EQ(hottest, 1.0);
}

TEST(Report, LatencyHistogramHotSpotsAndExitsAreThoseOfTheStatistics) {
  const Document document(nested_report());
  EXPECT_EQ(row(document, "mean")[1], "2,074.7");
  EXPECT_EQ(row(document, "median")[1], "1,911");
  EXPECT_EQ(row(document, "90th percentile")[1], "2,727");
  EXPECT_EQ(row(document, "99th percentile")[1], "2,727");
  EXPECT_EQ(row(document, "walks per 1,000 instructions")[1], "5.00");
  EXPECT_THAT(document.texts("title"), Contains("nested: 2,111 walks of 20 references"));
  EXPECT_THAT(document.rows("20"), Contains(ElementsAre("20", "2,111", unbroken("21.10 %"))));
  EXPECT_THAT(document.texts("title"), Contains("nested: 8,000 walks of 1,792 to 2,047 cycles"));
  EXPECT_THAT(row(document, "2,560 to 3,071"),
              ElementsAre("2,560 to 3,071", "2,007", unbroken("20.06 %")));
  EXPECT_THAT(row(document, "0x7f0012345000"),
              ElementsAre("0x7f0012345000", "31", "61,003", unbroken("0.25 %"), ""));
  EXPECT_EQ(row(document, "0x4002874958")[3], unbroken("52.35 %"));
  EXPECT_EQ(row(document, "VM exits, EPT violation")[1], "2,177");
  EXPECT_EQ(row(document, "guest page faults")[1], "2,137");
  EXPECT_EQ(row(document, "memory: extended page tables")[1], "32.0 KiB");
}

/// The points of the line of `kind` in its plot.
std::string points(const Document& document, const std::string& kind) {
  for (const Document::Element& element : document.elements()) {
    if (element.tag == "polyline" && element.attributes.at("class") == "line " + kind) {
      return element.attributes.at("points");
    }
  }
  return "no such line";
}

TEST(Report, DrawsTheRunOverTimeAndHasTheNumbersBehindIt) {
  const Document document(nested_report());
  EXPECT_THAT(
      row(document, "617,284"),
      ElementsAre("617,284", "617,283", "1,000,000", "5,398,117", "4,690,121", unbroken("86.88 %"),
                  "707,999", "334,564", "10,008", "1,006", "1,004", "4,043.9"));
  // Of 170 high, the highest value of the plot fills all. Of the time 66.667 and 86.884 % were
  // lost; of the look-ups 10.000 and 2.991 % missed the first level, 1.0001 and 0.3007 % every one.
  EXPECT_EQ(points(document, "tlb"), "0.000,39.558 500.000,39.558 500.000,0.000 1000.000,0.000");
  EXPECT_EQ(points(document, "run-1"),
            "0.000,0.000 500.000,0.000 500.000,119.147 1000.000,119.147");
  EXPECT_EQ(points(document, "run-0"),
            "0.000,152.998 500.000,152.998 500.000,164.888 1000.000,164.888");
}

TEST(Report, ARunOfOneIntervalHasNoCourse) {
  RunReport run = run_of(Mode::kNested);
  run.result.timeline.pop_back();
  EXPECT_EQ(run_report_html(stats_document(run)).find("Over the run"), std::string::npos);
}

TEST(Report, EveryColumnOfAHistogramIsAsHighAsItsNumber) {
  const Document document(nested_report());
  std::map<std::string, double> heights;
  for (const Document::Element& element : document.elements()) {
    if (element.tag == "rect" && element.text.find(" walks of ") != std::string::npos) {
      heights[element.text] = std::stod(element.attributes.at("height"));
    }
  }
  EXPECT_EQ(heights.size(), 5u) << "of references and of cycles";
  EXPECT_NEAR(heights.at("nested: 7,895 walks of 24 references"), 170, 0.05);
  EXPECT_NEAR(heights.at("nested: 2,111 walks of 20 references"), 170 * 2'111 / 7'895.0, 0.05);
  EXPECT_NEAR(heights.at("nested: 1 walks of 5 references"), 2, 0.05) << "seen all the same";
  EXPECT_NEAR(heights.at("nested: 8,000 walks of 1,792 to 2,047 cycles"), 170, 0.05);
  EXPECT_NEAR(heights.at("nested: 2,007 walks of 2,560 to 3,071 cycles"), 170 * 2'007 / 8'000.0,
              0.05);
}

TEST(Report, HasRowsOfStaleTranslationsAndWriteProtectionWhereThereWereSome) {
  RunReport run = run_of(Mode::kNested);
  const std::string protected_writes = "writes to pages that the hypervisor had write-protected";
  const std::string stale = "stale translations used, after a change of the EPT";
  const Document without(run_report_html(stats_document(run)));
  EXPECT_THAT(without.rows(protected_writes), IsEmpty());
  EXPECT_THAT(without.rows(stale), IsEmpty());
  run.result.dirty_log.protected_writes = 4'711;
  run.result.stale.ept = 815;
  const Document with(run_report_html(stats_document(run)));
  EXPECT_EQ(row(with, protected_writes)[1], "4,711");
  EXPECT_EQ(row(with, stale)[1], "815");
  EXPECT_THAT(with.rows("stale translations used, after a change by the guest"), IsEmpty());
}

TEST(Report, TellsTheMachineAndWhereTheNumbersComeFrom) {
  const Document document(nested_report());
  EXPECT_THAT(row(document, "tlb.l1d.entries.4k"),
              ElementsAre("tlb.l1d.entries.4k", "96", HasSubstr("4 KiB pages")));
  EXPECT_EQ(row(document, "dram.cycles")[1], "100 cycles");
  EXPECT_EQ(row(document, "dram.bytes")[1], "1.0 TiB");
  EXPECT_EQ(row(document, "guest.page")[1], "4K");
  EXPECT_EQ(row(document, "trace")[1], "traces/some.ept");
  EXPECT_EQ(row(document, "its hash (XXH3-128)")[1], "00112233445566778899aabbccddeeff");
  EXPECT_EQ(row(document, "warm-up")[1], "1,500 accesses");
  EXPECT_EQ(row(document, "seed")[1], "1");
  EXPECT_EQ(row(document, "complete")[1], "yes");
}

TEST(Report, ANativeRunShowsNothingOfVirtualMachines) {
  const Document document(run_report_html(document_of(Mode::kNative)));
  EXPECT_THAT(document.rows("VM exits"), IsEmpty());
  EXPECT_THAT(document.rows("walks: EPT entries"), IsEmpty());
  EXPECT_THAT(document.rows("VM exits, EPT violation"), IsEmpty());
  EXPECT_EQ(row(document, "walks: page-table entries")[1], "4,050,033");
  EXPECT_THAT(row(document, "entry"), SizeIs(6)) << "four levels and their sum";
}

TEST(Report, TextFromOutsideStaysText) {
  RunReport run = run_of(Mode::kNested);
  run.trace_path = "/x/</title><script>alert('a')</script> & \"b\" \xff\x1b.ept";
  run.machine_name = "<b onclick=\"x\">";
  run.machine_changes = {"</details>"};
  run.result.partial = true;
  run.result.error = InputError("t", "<img src=x>");
  Json document = stats_document(run);
  const std::string html = without_script(run_report_html(document));
  for (const char* markup : {"<script", "<b onclick", "<img"}) {
    EXPECT_EQ(html.find(markup), std::string::npos) << markup;
  }
  EXPECT_EQ(row(Document(run_report_html(document)), "trace")[1],
            "/x/</title><script>alert('a')</script> & \"b\" \ufffd\ufffd.ept");
  EXPECT_NO_THROW(Document(compared(document, document)));
}

TEST(Report, APartialRunSaysSoBeforeItsFigures) {
  RunReport run = run_of(Mode::kNested);
  run.result.partial = true;
  const std::string html = run_report_html(stats_document(run));
  const std::size_t warning = html.find("Partial.");
  ASSERT_NE(warning, std::string::npos);
  EXPECT_LT(warning, html.find("<dl"));
  EXPECT_EQ(row(Document(html), "complete")[1], "no: the run ended early");
  EXPECT_EQ(nested_report().find("Partial."), std::string::npos);

  run.result.error = InputError("some.ept", "record 7: the file ends within it");
  EXPECT_THAT(run_report_html(stats_document(run)), HasSubstr("record 7: the file ends within it"));
}

/// No number of the page may come from a division by zero.
void expect_numbers(const std::string& html) {
  for (const std::string& text : Document(html).texts("td")) {
    EXPECT_THAT(text, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
  }
  for (const std::string& text : Document(html).texts("dd")) {
    EXPECT_THAT(text, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
  }
}

TEST(Report, ARunWithoutWalksSaysSo) {
  for (const Mode mode : {Mode::kNative, Mode::kNested}) {
    RunReport run = run_of(mode);
    run.result = {};
    run.result.accesses = 10;
    run.result.instructions = run.result.cycles = 20;
    run.result.l1d = {10, 10, 0};
    const std::string html = run_report_html(stats_document(run));
    EXPECT_THAT(html, HasSubstr("There were no walks."));
    EXPECT_THAT(html, HasSubstr("No walks: there is nothing to show here."));
    EXPECT_EQ(html.find("<figure"), std::string::npos);
    expect_numbers(html);
  }
}

TEST(Report, ARunThatEndedBeforeItsFirstAccessIsShownWithoutNumbers) {
  RunReport run = run_of(Mode::kNested);
  run.result = {};
  run.result.partial = true;
  const Json document = stats_document(run);
  EXPECT_THAT(Document(run_report_html(document)).texts("h1"), ElementsAre("Nothing was measured"));
  expect_numbers(run_report_html(document));
  expect_numbers(compared(document, document));
  EXPECT_THAT(Document(compared(document, document)).texts("h1"),
              ElementsAre("Nothing was measured"));
}

TEST(Report, ATraceWithoutInstructionsHasNoHotOnes) {
  RunReport run = run_of(Mode::kNested);
  run.result.hot_instructions = {};
  EXPECT_THAT(run_report_html(stats_document(run)),
              HasSubstr("this trace doesn&#39;t tell their addresses"));
}

}  // namespace
}  // namespace eptsim::sim
