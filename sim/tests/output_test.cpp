#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "sim/input_error.hpp"
#include "sim/output/comparison.hpp"
#include "sim/output/output_file.hpp"
#include "sim/output/progress.hpp"
#include "sim/output/style.hpp"
#include "sim/output/summary.hpp"
#include "sim/settings/machine.hpp"
#include "sim/statistics/stats_json.hpp"
#include "sim/tests/test_folder.hpp"

namespace eptsim::sim {
namespace {

using test::TestFolder;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(OutputFile, IsTriedFirstAndWrittenWhole) {
  const TestFolder folder;
  const OutputFile file((folder.path() / "a").string());
  EXPECT_THAT(folder.names(), IsEmpty());
  file.write("one");
  EXPECT_THAT(folder.names(), ElementsAre("a"));
  file.write("two");
  EXPECT_EQ(bytes_of(folder.path() / "a"), "two");
}

TEST(OutputFile, ReplacesWhatALinkPointsToAndNotTheLink) {
  const TestFolder folder;
  folder.write("target", "old");
  std::filesystem::create_symlink("target", folder.path() / "link");
  OutputFile((folder.path() / "link").string()).write("new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(bytes_of(folder.path() / "target"), "new");
}

TEST(OutputFile, MakesWhatALinkToNothingNames) {
  const TestFolder folder;
  std::filesystem::create_directory(folder.path() / "sub");
  std::filesystem::create_symlink("sub/second", folder.path() / "first");
  std::filesystem::create_symlink("target", folder.path() / "sub" / "second");
  OutputFile((folder.path() / "first").string()).write("new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "first"));
  EXPECT_EQ(bytes_of(folder.path() / "sub" / "target"), "new");
  std::filesystem::create_symlink("circle", folder.path() / "circle");
  EXPECT_THROW(OutputFile((folder.path() / "circle").string()), InputError);
}

// A pipe of the test's own stands for every file that isn't a regular one: were a rename to replace
// it, nothing else would come to harm, as a device in /dev would.
TEST(OutputFile, WritesToAPipeAndDoesNotReplaceIt) {
  const TestFolder folder;
  const std::string path = (folder.path() / "pipe").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  OutputFile(path).write("text");
  std::array<char, 16> got{};
  EXPECT_EQ(::read(reader, got.data(), got.size()), 4);
  EXPECT_STREQ(got.data(), "text");
  ::close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(OutputFile, ThatCantBeWrittenSaysSoBeforeTheRun) {
  const TestFolder folder;
  folder.write("file", "");
  EXPECT_THROW(OutputFile((folder.path() / "no" / "a").string()), InputError);
  EXPECT_THROW(OutputFile((folder.path() / "file" / "a").string()), InputError);
  EXPECT_THROW(OutputFile(folder.path().string()), InputError);
  EXPECT_THROW(OutputFile(""), InputError);
}

TEST(OutputFolder, ThatItMadeGoesAgainIfNothingWasWritten) {
  const TestFolder folder;
  {
    const OutputFolder made((folder.path() / "a" / "b").string());
  }
  EXPECT_THAT(folder.names(), IsEmpty());
  {
    const OutputFolder made((folder.path() / "a" / "b").string() + "/");
  }
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(OutputFolder, StaysWithWhatWasWrittenAndWithWhatWasThere) {
  const TestFolder folder;
  OutputFolder((folder.path() / "a" / "b").string()).write("c", "text");
  {
    const OutputFolder there((folder.path() / "a").string());
  }
  EXPECT_THAT(folder.names(), ElementsAre("a", "a/b", "a/b/c"));
}

TEST(Style, NumbersAreWrittenForPeople) {
  EXPECT_EQ(grouped(std::uint64_t{0}), "0");
  EXPECT_EQ(grouped(std::uint64_t{999}), "999");
  EXPECT_EQ(grouped(std::uint64_t{1000}), "1,000");
  EXPECT_EQ(grouped(std::uint64_t{123456}), "123,456");
  EXPECT_EQ(grouped(std::uint64_t{1234567}), "1,234,567");
  EXPECT_EQ(grouped(2424.0, 1), "2,424.0");
  EXPECT_EQ(grouped(404.5, 0), "404");
  EXPECT_EQ(size_text(512), "512 B");
  EXPECT_EQ(size_text(1536), "1.5 KiB");
  EXPECT_EQ(size_text(std::uint64_t{1} << 40), "1.0 TiB");
  EXPECT_EQ(percent(1, 8, 2), "12.50 %");
  EXPECT_EQ(percent(1, 0, 2), "-");
  EXPECT_EQ(bar(1, 4, 24), "######");
}

TEST(Progress, TheLineSaysHowFarHowFastAndHowLongYet) {
  EXPECT_EQ(progress_line("nested", 12'300'000, 2, 0.25),
            "nested  12.3 M accesses, 6.2 M/s, 25 %, 6 s left");
  EXPECT_EQ(progress_line("nested", 12'300'000, 100, 0.5),
            "nested  12.3 M accesses, 0.1 M/s, 50 %, 1 min 40 s left");
  EXPECT_EQ(progress_line("native", 2'000'000'000, 10, std::nullopt),
            "native  2.00 G accesses, 200.0 M/s");
}

RunReport report_of(Mode mode) {
  RunReport report;
  report.settings.machine = resolve_machine("plain");
  report.settings.mode = mode;
  report.settings.detail = Detail::kTranslation;
  report.machine_name = "plain";
  report.machine_changes = {"dram.cycles=100"};
  report.trace_path = "a.trace";
  report.trace_format = "own";
  RunResult& result = report.result;
  const std::uint64_t references = mode == Mode::kNested ? 24 : 4;
  result.accesses = 10'000;
  result.instructions = 40'000;
  result.l1d = {10'000, 9'000, 1'000};
  result.l2 = {1'000, 600, 400};
  result.walker.walks = 400;
  result.walker.references = 400 * references;
  result.walker.guest_references = 1'600;
  result.walker.ept_references = result.walker.references - 1'600;
  result.walker.cycles = 400 * references * 101;
  result.walker.latency = {{references * 101, 400}};
  result.cycles_by.translation = result.walker.cycles + 7'000;
  result.cycles_by.exits = mode == Mode::kNested ? 4'000 : 0;
  result.cycles_by.retiring = 40'000;
  result.cycles = 40'000 + result.cycles_by.translation + result.cycles_by.exits;
  return report;
}

TEST(Summary, SaysWhereTheTimeWent) {
  const std::string text = summary(stats_document(report_of(Mode::kNested)), Style{});
  EXPECT_THAT(text, HasSubstr("nested, 4K guest pages on 4K EPT pages\n"));
  EXPECT_THAT(text, HasSubstr("one instruction a cycle, every miss blocks\n"));
  EXPECT_THAT(text, HasSubstr("plain, dram.cycles=100\n"));
  EXPECT_THAT(text, ContainsRegex("\n  lost to translation +976,600 +95\\.69 %"));
  EXPECT_THAT(text, ContainsRegex("\n  in all +1,020,600 +for 40,000 instructions\n"));
  EXPECT_THAT(text, ContainsRegex("\n  page tables, by a walk +400 +4\\.00 %"));
  EXPECT_THAT(text, HasSubstr("24.00   4.00 guest, 20.00 EPT\n"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find(" \n"), std::string::npos) << "no spaces at the end of a line";
  EXPECT_EQ(text.find("PARTIAL"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("\n  walks per 1,000 instructions         10.00\n"));
  EXPECT_THAT(text,
              ContainsRegex("\n  cycles per walk +2,424\\.0   half within 2,424, 90 % 2,424,\n"
                            " +99 % 2,424, longest 2,424\n"));
}

TEST(Summary, BeginsWithTheAnswerInWords) {
  EXPECT_THAT(summary(stats_document(report_of(Mode::kNested)), Style{}),
              testing::StartsWith(
                  "95.7 % of the time went to translation, and another 0.4 % to VM exits. There\n"
                  "were 10.0 walks per 1,000 instructions, and a walk took 24.0 references and\n"
                  "2,424 cycles.\n\neptsim "));
  RunReport report = report_of(Mode::kNative);
  report.result.walker = {};
  report.result.cycles_by.translation = 0;
  EXPECT_THAT(summary(stats_document(report), Style{}),
              testing::StartsWith(
                  "0.0 % of the time went to translation. There were no walks.\n\neptsim "));
  report.result = {};
  EXPECT_THAT(summary(stats_document(report), Style{}),
              testing::StartsWith("Nothing was measured.\n\neptsim "));
}

TEST(Summary, FitsATerminalOf80Letters) {
  RunReport report = report_of(Mode::kNested);
  report.settings.machine = resolve_machine("default");
  report.settings.detail = Detail::kFull;
  report.result.walker.served_by = {7'200, 1'200, 960, 240};
  report.result.walk_queue = {.merged = 1'234, .answered = 1'000, .cycles = 250'000, .most = 17};
  report.result.walker.nested_tlb = {2'000, 2'000, 0};
  std::istringstream lines(summary(stats_document(report), Style{}));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Summary, OfACoreWithAWindowHasACycleInOneClass) {
  RunReport report = report_of(Mode::kNested);
  report.settings.detail = Detail::kFull;
  RunResult& result = report.result;
  result.cycles_by = {
      .retiring = 7'000, .data = 20'000, .translation = 60'000, .exits = 4'000, .other = 9'000};
  result.cycles = 100'000;
  result.walk_queue = {.merged = 1'234, .answered = 1'000, .cycles = 250'000, .most = 17};
  const std::string text = summary(stats_document(report), Style{});
  EXPECT_THAT(text, HasSubstr("6 instructions a cycle, a window of 512, 192 loads\n"));
  EXPECT_THAT(text, ContainsRegex("\n  instructions retiring +7,000 +7\\.00 %.*"
                                  "\n  waiting for data +20,000 +20\\.00 %.*"
                                  "\n  lost to translation +60,000 +60\\.00 %.*"
                                  "\n  VM exits +4,000 +4\\.00 %.*"
                                  "\n  other +9,000 +9\\.00 %"));
  EXPECT_THAT(text, ContainsRegex("\n  walks at a time +2\\.50   17 at most; 1,234 shared one\n"));
  EXPECT_THAT(text,
              ContainsRegex("\n  cycles to the answer +250\\.0   with the wait for a walker\n"));
}

TEST(Summary, OfWalksThatWaitMoreThanTheyTakeSaysWhatTheShareDoesNotTell) {
  RunReport report = report_of(Mode::kNested);
  report.result.walk_queue = {.answered = 1, .cycles = 1, .most = 2};
  EXPECT_EQ(summary(stats_document(report), Style{}).find("`eptsim compare`"), std::string::npos);
  report.result.walk_queue.cycles = 1'000'000;
  EXPECT_THAT(summary(stats_document(report), Style{}), HasSubstr("`eptsim compare`"));
}

TEST(Summary, TellsOfTheWalkersCachesThatWereAsked) {
  RunReport report = report_of(Mode::kNested);
  const std::string without = summary(stats_document(report), Style{});
  EXPECT_EQ(without.find("Hits of walks in"), std::string::npos);
  report.result.walker.combined[4] = {300, 270, 30};
  report.result.walker.ept[2] = {200, 20, 180};
  report.result.walker.nested_tlb = {2'000, 1'000, 1'000};
  const std::string text = summary(stats_document(report), Style{});
  EXPECT_THAT(text, ContainsRegex("\nHits of walks in +hits +hit rate\n"
                                  "  structure cache, PML4E +270 +90\\.00 %.*\n"
                                  "  EPT structure cache, PDE +20 +10\\.00 %.*\n"
                                  "  nested TLB +1,000 +50\\.00 %.*\n\nSystem software"));
}

TEST(Summary, TellsWhereReferencesWereServedOnAMachineWithCaches) {
  RunReport report = report_of(Mode::kNested);
  report.result.walker.served_by = {7'200, 1'200, 960, 240};
  EXPECT_EQ(summary(stats_document(report), Style{}).find("served by"), std::string::npos);
  report.settings.machine = resolve_machine("default");
  EXPECT_THAT(summary(stats_document(report), Style{}),
              ContainsRegex("\nReferences of walks served by +references +share\n"
                            "  L1 data cache +7,200 +75\\.00 %.*\n"
                            "  L2 cache +1,200 +12\\.50 %.*\n"
                            "  L3 cache +960 +10\\.00 %.*\n"
                            "  DRAM +240 +2\\.50 %.*\n\nSystem software"));
}

TEST(Summary, TellsExitsOfShadowPagingByReason) {
  RunReport report = report_of(Mode::kShadow);
  report.result.shadow_exits = {
      .page_faults = 11, .guest_table_writes = 12, .cr_accesses = 13, .invlpgs = 14};
  report.result.shadow_table_bytes = 4096;
  const std::string text = summary(stats_document(report), Style{});
  EXPECT_THAT(text, HasSubstr(": shadow paging, 4K guest pages on 4K host pages\n"));
  EXPECT_THAT(text, ContainsRegex("\n  exits, page fault +11\n  exits, guest table written +12\n"
                                  "  exits, CR access +13\n  exits, INVLPG +14\n"));
  EXPECT_THAT(text, ContainsRegex("\n  memory: shadow tables +4\\.0 KiB\n"));
  EXPECT_THAT(text, ContainsRegex("\n  VM exits "));
  EXPECT_EQ(text.find("EPT"), std::string::npos);
}

TEST(Summary, APartialRunSaysSoFirst) {
  RunReport report = report_of(Mode::kNative);
  report.result.partial = true;
  const std::string text = summary(stats_document(report), Style{true});
  EXPECT_THAT(text, testing::StartsWith("\x1b[1mPARTIAL"));
  EXPECT_EQ(text.find("EPT"), std::string::npos) << "nothing of virtual machines in a native run";
}

TEST(Summary, SaysWhichWalksWereMadeAgain) {
  RunReport report = report_of(Mode::kNested);
  report.result.walker.walks = 430;
  EXPECT_THAT(summary(stats_document(report), Style{}),
              ContainsRegex("\n  walks +430   30 of them again, after a fault\n"));
}

/// A use of a page that the EPT no longer lets be written.
StaleAccess stale_write(std::uint64_t number, std::uint64_t address) {
  StaleAccess access;
  access.number = number;
  access.address = address;
  access.kind = arch::AccessKind::kWrite;
  access.eptp = 0x101e;
  access.use.change = mmu::StaleUse::Change::kRightsReduced;
  access.use.in_ept = true;
  access.use.gpa = address + 0x10000;
  access.use.hpa = address + 0x20000;
  access.use.memory.kind = mmu::OutcomeKind::kEptViolation;
  return access;
}

TEST(Summary, NamesEachPageOfAStaleTranslationOnceWithTheInvalidationThatIsOwed) {
  RunReport report = report_of(Mode::kNested);
  report.settings.machine.stale_check = true;
  report.result.stale.ept = 3;
  report.result.stale.first = {stale_write(12'345'678, 0x5008), stale_write(12'345'679, 0x5010),
                               stale_write(12'345'680, 0x7000)};
  const std::string text = summary(stats_document(report), Style{});
  EXPECT_THAT(text,
              HasSubstr("\n  first    access 12,345,678, write of 0x5008: the caches said 0x25008, "
                        "but memory says ept_violation: the right to this access was taken "
                        "away\n           owed: INVEPT of EPTP 0x101e, for guest-physical "
                        "0x15008\n           access 12,345,680, write of 0x7000"));
  EXPECT_EQ(text.find("12,345,679"), std::string::npos);
}

TEST(Statistics, TheSpeedCountsAWarmUpThatTheRunEndedIn) {
  RunReport report = report_of(Mode::kNested);
  report.settings.warmup = 1'000'000;
  report.result.accesses = 0;
  report.result.translated = 500;
  report.wall_seconds = 2;
  EXPECT_EQ(stats_document(report).at("host").at("accesses_per_second"), 250.0);
}

NamedRun compared(const std::string& scheme, std::uint64_t cycles, Mode mode = Mode::kNative) {
  RunReport report = report_of(mode);
  report.result.cycles = cycles;
  return {scheme, stats_document(report)};
}

TEST(Comparison, HoldsSchemesAgainstNative4KAndTheIdealOfTheirPages) {
  const std::vector<NamedRun> runs = {
      compared("native:2M", 150'000), compared("native:4K", 100'000), compared("ideal:2M", 60'000),
      compared("ideal:4K", 80'000), compared("nested:4K/2M", 200'000, Mode::kNested)};
  const std::vector<SchemeFigures> figures = scheme_figures(runs);
  ASSERT_EQ(figures.size(), 5u);
  EXPECT_DOUBLE_EQ(figures[0].speed.value(), 100.0 / 150);
  EXPECT_DOUBLE_EQ(figures[0].speed_of_ideal.value(), 60.0 / 150);
  EXPECT_DOUBLE_EQ(figures[1].speed.value(), 1.0);
  EXPECT_DOUBLE_EQ(figures[4].speed.value(), 0.5);
  EXPECT_DOUBLE_EQ(figures[4].speed_of_ideal.value(), 0.4) << "the guest's pages are 4K";
}

TEST(Comparison, HoldsSchemesAgainstTheFirstWhereNative4KIsMissing) {
  const std::vector<SchemeFigures> figures = scheme_figures(
      {compared("nested:thp/thp", 100'000, Mode::kNested), compared("ideal:1G", 50'000)});
  EXPECT_DOUBLE_EQ(figures[0].speed.value(), 1.0);
  EXPECT_DOUBLE_EQ(figures[1].speed.value(), 2.0);
  EXPECT_FALSE(figures[0].speed_of_ideal) << "an ideal machine with other pages is no bound";
}

TEST(Comparison, CountsExitsOfEveryReason) {
  RunReport report = report_of(Mode::kShadow);
  report.result.ept_violations = 1;
  report.result.shadow_exits = {
      .page_faults = 10, .guest_table_writes = 200, .cr_accesses = 3'000, .invlpgs = 40'000};
  report.result.cycles = 1'000;
  report.result.cycles_by.exits = 250;
  const SchemeFigures figures = scheme_figures({{"shadow:4K/4K", stats_document(report)}})[0];
  EXPECT_EQ(figures.exits, 43'211u);
  EXPECT_EQ(figures.exit_cycles, 250u);
  EXPECT_DOUBLE_EQ(figures.exit_share, 0.25);
}

TEST(Comparison, HasNoSpeedsOfRunsThatEndedEarly) {
  RunReport early = report_of(Mode::kNested);
  early.result.partial = true;
  const std::vector<NamedRun> runs = {compared("native:4K", 100),
                                      {"nested:4K/4K", stats_document(early)}};
  EXPECT_FALSE(scheme_figures(runs)[0].speed);
  EXPECT_FALSE(to_json(scheme_figures(runs)[0]).contains("speed"));
  EXPECT_THAT(comparison(runs, Style{}), testing::StartsWith("PARTIAL"));
}

TEST(Comparison, IsATableWithALineForEachScheme) {
  const std::string text = comparison({{"native:4K", stats_document(report_of(Mode::kNative))},
                                       {"nested:4K/4K", stats_document(report_of(Mode::kNested))}},
                                      Style{});
  EXPECT_THAT(text, ContainsRegex("\n *references +cycles +walks per +lost to +time in +speed by +"
                                  "speed by\n"));
  EXPECT_THAT(text, ContainsRegex("\nnative:4K +4\\.00 +404\\.0 +[0-9.]+ +80\\.8 % +0 +0\\.0 % +"
                                  "[0-9,]+ +1\\.000 +-\n"));
  EXPECT_THAT(text, ContainsRegex("\nnested:4K/4K +24\\.00 +2,424\\.0 +[0-9.]+ +95\\.7 %"));
  EXPECT_EQ(text.find("stale"), std::string::npos);
}

TEST(Comparison, HasADashWhereThereWereNoWalks) {
  RunReport report = report_of(Mode::kNative);
  report.result.walker = {};
  const NamedRun run{"ideal:4K", stats_document(report)};
  EXPECT_THAT(comparison({run}, Style{}), ContainsRegex("\nideal:4K +- +- +0\\.00 "));
  EXPECT_FALSE(to_json(scheme_figures({run})[0]).contains("cycles_per_walk"));
}

TEST(Comparison, TellsOfStaleTranslations) {
  RunReport nested = report_of(Mode::kNested);
  nested.result.stale.ept = 1'234;
  EXPECT_THAT(comparison({{"native:4K", stats_document(report_of(Mode::kNative))},
                          {"nested:4K/4K", stats_document(nested)}},
                         Style{}),
              HasSubstr("\nstale translations used, nested:4K/4K: 1,234\n"));
}

}  // namespace
}  // namespace eptsim::sim
