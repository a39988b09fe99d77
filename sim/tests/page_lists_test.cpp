#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"
#include "sim/tests/program.hpp"

// `eptsim run --guest-tables --host-tables`: runs on tables that a file tells.
namespace eptsim::sim::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PageLists : public testing::Test {
 protected:
  Ran run_program(const std::string& options) const {
    return test::run("eptsim run " + options, folder_);
  }
  Json run(const std::string& options) const {
    const Ran ran = run_program(options + " --json -");
    EXPECT_EQ(ran.status, 0) << options << "\n" << ran.err;
    return Json::parse(ran.out);
  }
  std::string text(const std::string& name) const { return bytes_of(folder_.path() / name); }
  std::vector<std::string> lines(const std::string& name) const {
    std::vector<std::string> all;
    std::istringstream in(text(name));
    for (std::string line; std::getline(in, line);) {
      if (line.front() != '#' && !line.starts_with("space")) all.push_back(line);
    }
    return all;
  }
  /// What is wrong with a file of one or more lines.
  std::string problem_of(const std::string& option, const std::string& content) const {
    folder_.write("bad", content);
    folder_.write("t.din", "0 1000\n");
    const Ran ran = run_program("t.din --set dram.bytes=16MiB --" + option + " bad");
    EXPECT_EQ(ran.status, 2) << content;
    EXPECT_THAT(ran.out, IsEmpty());
    return ran.err;
  }

  TestFolder folder_;
};

const std::string kColdTrace = "generate:chase,pages=700 --limit 3500";
const std::string kTrace = "generate:chase,pages=700 --warmup 500 --limit 3000";

TEST_F(PageLists, ARunOnTheTablesOfAnotherHasThemInTheSamePlaces) {
  for (const std::string options :
       {"--mode nested", "--mode nested --ept-page 2M", "--mode nested --guest-page 2M",
        "--mode nested --guest-page 2M --ept-page 1G", "--mode native",
        "--mode native --guest-page 2M",
        "--mode nested --machine zen4 --guest-page thp --set guest.fragmentation=50"}) {
    const bool nested = options.find("native") == std::string::npos;
    const std::string read = "--guest-tables g" + std::string(nested ? " --host-tables h" : "");
    const auto write = [&](const std::string& number) {
      return " --write-guest-tables g" + number +
             (nested ? " --write-host-tables h" + number : std::string());
    };
    const Json first = run(kTrace + " " + options + write(""));
    const Json second = run(kTrace + " " + options + " " + read + write("2"));
    EXPECT_EQ(text("g"), text("g2")) << options;
    // Every table's every entry, in its place.
    EXPECT_EQ(first["memory"]["hash"], second["memory"]["hash"]) << options;
    EXPECT_EQ(second["stats"]["guest"]["page_faults"], 0) << options;
    for (const std::string part : {"page_bytes", "guest_table_bytes"}) {
      EXPECT_EQ(first["stats"]["memory"][part], second["stats"]["memory"][part]) << options;
    }
    if (nested) {
      EXPECT_EQ(text("h"), text("h2")) << options;
      EXPECT_EQ(second["stats"]["vmx"]["exits"]["ept_violation"], 0) << options;
    }
    const Json third =
        run(kTrace + " " + options + " --guest-tables g2" + (nested ? " --host-tables h2" : ""));
    EXPECT_EQ(second["stats"], third["stats"]) << options;
  }
}

TEST_F(PageLists, TheOrderOfLinesDoesNotMatter) {
  run(kTrace + " --write-guest-tables g --write-host-tables h");
  for (const std::string name : {"g", "h"}) {
    std::vector<std::string> reversed = lines(name);
    std::ranges::reverse(reversed);
    std::string content;
    for (const std::string& line : reversed) content += line + "\n";
    folder_.write(name + "r", content);
  }
  const Json forward = run(kTrace + " --guest-tables g --host-tables h");
  const Json backward = run(kTrace + " --guest-tables gr --host-tables hr");
  EXPECT_EQ(forward["stats"], backward["stats"]);
  EXPECT_EQ(forward["memory"], backward["memory"]);
}

TEST_F(PageLists, ShadowPagingTakesThem) {
  run(kTrace + " --mode shadow --write-guest-tables g --write-host-tables h");
  const Json stats = run(kTrace +
                         " --mode shadow --guest-tables g --host-tables h --write-guest-tables g2 "
                         "--write-host-tables h2")["stats"];
  EXPECT_EQ(text("g"), text("g2"));
  EXPECT_EQ(text("h"), text("h2"));
  EXPECT_EQ(stats["guest"]["page_faults"], 0);
}

/// Addresses of the entries that were read, in order.
std::vector<std::string> loads(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("LD ")) all.push_back(line.substr(3));
  }
  return all;
}

TEST_F(PageLists, AWalkReadsTheTablesThatTheFileNames) {
  folder_.write("t.din", "0 7f1234567890\n");
  // Indices: PML4 254, PDPT 72, PD 418, PT 359.
  folder_.write("g", "0x7f1234567000 0x10000 0x11000 0x12000 0x13000 0x50000 # a comment\n");
  run("t.din --mode native --machine plain --guest-tables g --references r");
  EXPECT_THAT(loads(text("r")), ElementsAre("0x107f0", "0x11240", "0x12d10", "0x13b38"));

  folder_.write("g", "0x7f1234400000 0x10000 0x11000 0x12000 0x400000 ad\n");
  run("t.din --mode native --machine plain --guest-tables g --references r");
  EXPECT_THAT(loads(text("r")), ElementsAre("0x107f0", "0x11240", "0x12d10"));
}

TEST_F(PageLists, ANestedWalkReadsTheTablesOfBothFiles) {
  folder_.write("t.din", "0 7f1234567890\n");
  folder_.write("g", "0x7f1234567000 0x10000 0x11000 0x12000 0x13000 0x50000\n");
  std::string host;
  const std::map<unsigned, std::string> kFrames = {{0x10, "0x210000"},
                                                   {0x11, "0x311000"},
                                                   {0x12, "0x412000"},
                                                   {0x13, "0x513000"},
                                                   {0x50, "0x650000"}};
  for (const auto& [page, frame] : kFrames) {
    std::ostringstream line;
    line << std::hex << "0x" << page << "000 0x800000 0x801000 0x802000 0x803000 " << frame << "\n";
    host += line.str();
  }
  folder_.write("h", host);
  run("t.din --machine plain --guest-tables g --host-tables h --references r");
  std::vector<std::string> expected;
  const std::vector<std::string> kEntries = {"0x2107f0", "0x311240", "0x412d10", "0x513b38", ""};
  const std::vector<std::string> kLeaves = {"0x803080", "0x803088", "0x803090", "0x803098",
                                            "0x803280"};
  for (std::size_t level = 0; level < kEntries.size(); ++level) {
    for (const std::string table : {"0x800000", "0x801000", "0x802000"}) expected.push_back(table);
    expected.push_back(kLeaves[level]);
    if (!kEntries[level].empty()) expected.push_back(kEntries[level]);
  }
  EXPECT_EQ(loads(text("r")), expected);
  EXPECT_EQ(expected.size(), 24u);
}

TEST_F(PageLists, WhatNoLineTellsIsGivenOnFirstTouchFromOtherFrames) {
  run(kTrace + " --write-guest-tables g --write-host-tables h");
  // All but every third page.
  std::map<std::string, std::vector<std::string>> kept;
  for (const std::string name : {"g", "h"}) {
    std::string content;
    const std::vector<std::string> all = lines(name);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 3 == 0) continue;
      kept[name].push_back(all[i]);
      content += all[i] + "\n";
    }
    folder_.write(name + "k", content);
  }
  const Json stats = run(kColdTrace +
                         " --guest-tables gk --host-tables hk --write-guest-tables g2 "
                         "--write-host-tables h2"
                         " --set simulation.stale_check=on")["stats"];
  EXPECT_GT(stats["guest"]["page_faults"], 200);
  for (const std::string name : {"g", "h"}) {
    const std::vector<std::string> after = lines(name + "2");
    for (const std::string& line : kept[name]) {
      EXPECT_NE(std::ranges::find(after, line), after.end()) << line;
    }
    std::map<std::string, unsigned> frames;
    for (const std::string& line : after) {
      std::istringstream words(line);
      std::vector<std::string> all;
      for (std::string word; words >> word;) all.push_back(word);
      ++frames[all.at(5)];
    }
    for (const auto& [frame, pages] : frames) EXPECT_EQ(pages, 1u) << frame;
  }
}

TEST_F(PageLists, EachDimensionMayComeAlone) {
  run(kTrace + " --write-guest-tables g --write-host-tables h");
  const Json guest = run(kTrace + " --guest-tables g")["stats"];
  EXPECT_EQ(guest["guest"]["page_faults"], 0);
  const Json host = run(kColdTrace + " --host-tables h")["stats"];
  EXPECT_EQ(host["vmx"]["exits"]["ept_violation"], 0);
  EXPECT_GT(host["guest"]["page_faults"], 0);
}

TEST_F(PageLists, StatisticsSayWhichFilesThereWere) {
  run(kTrace + " --write-guest-tables g --write-host-tables h");
  const Json run_of = run(kTrace + " --guest-tables g --host-tables h")["run"];
  EXPECT_EQ(run_of["guest_tables"]["path"], "g");
  EXPECT_EQ(run_of["host_tables"]["path"], "h");
  EXPECT_EQ(run_of["host_tables"]["hash"].get<std::string>().size(), 32u);
  EXPECT_FALSE(run(kTrace)["run"].contains("guest_tables"));
}

TEST_F(PageLists, ACheckpointIsOfTheSameTables) {
  run(kTrace + " --write-guest-tables g --write-host-tables h");
  const std::string tables = " --guest-tables g --host-tables h";
  const Json whole = run(kTrace + tables + " --checkpoint c");
  EXPECT_EQ(run(kTrace + tables + " --resume c")["stats"], whole["stats"]);
  const Ran other = run_program(kTrace + " --host-tables h --resume c");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("was written with --guest-tables"));
}

TEST_F(PageLists, ABadLineIsNamedWithItsPlace) {
  const std::string good = "0x1000 0x10000 0x11000 0x12000 0x13000 0x50000\n";
  const std::map<std::string, std::string> kProblems = {
      {"0x1000 0x2000 0x3000\n", "bad:1:15: a line of 3 addresses"},
      {"# nothing\n\n", "bad: has no pages"},
      {good + "\n0x2000 0x10000 0x11000 0x12000 0x13000 somewhere\n",
       "bad:3:40: 'somewhere' is no address"},
      {"0x1000 0x10000 0x11000 0x12000 0x13000 0x5000z\n", "bad:1:40: '0x5000z' is no address"},
      {"0x1800 0x10000 0x11000 0x12000 0x13000 0x50000\n",
       "bad:1:1: the page's address isn't a multiple of 0x1000"},
      {"0x1000 0x10000 0x11000 0x12000 0x50000\n",
       "bad:1:1: the page's address isn't a multiple of"},
      {"0x200000 0x10000 0x11000 0x12000 0x50000\n",
       "bad:1:34: the page isn't a multiple of 0x200000, as the number of tables says"},
      {"0x1000 0x10008 0x11000 0x12000 0x13000 0x50000\n", "bad:1:8: a table isn't a multiple"},
      {"0x1000 0x10000 0x11000 0x12000 0x1000000 0x50000\n",
       "bad:1:32: a table lies beyond the memory of 0x1000000 bytes, expected a larger dram.bytes"},
      {"0x1000 0x10000 0x11000 0x12000 0x13000 0xfffffffffffff000\n",
       "bad:1:40: the page lies beyond"},
      {good + good, "bad:2:1: a page is there already, of an earlier line"},
      {good + "0x0 0x10000 0x11000 0x12000 0x200000\n",
       "bad:2:1: smaller pages are there already, of earlier lines"},
      {"0x0 0x10000 0x11000 0x12000 0x200000\n" + good,
       "bad:2:1: a larger page is there already, of an earlier line"},
      {good + "0x2000 0x10000 0x11000 0x12000 0x14000 0x51000\n",
       "bad:2:32: an earlier line has this table of level 1 at 0x13000"},
      {good + "0x2000 0x20000 0x11000 0x12000 0x13000 0x51000\n",
       "bad:2:8: an earlier line has this table of level 4 at 0x10000"},
      {good + "0x200000 0x10000 0x11000 0x12000 0x11000 0x51000\n",
       "bad:2:34: an earlier line has another table there"},
      {"0x1000 0x10000 0x10000 0x12000 0x13000 0x50000\n",
       "bad:1:16: an earlier line has another table there"},
  };
  for (const auto& [content, problem] : kProblems) {
    EXPECT_THAT(problem_of("guest-tables", content), HasSubstr(problem)) << content;
    EXPECT_THAT(problem_of("host-tables", content), HasSubstr(problem)) << content;
  }
  EXPECT_THAT(
      problem_of("guest-tables", "0x800000000000 0x10000 0x11000 0x12000 0x13000 0x50000\n"),
      HasSubstr("bad:1:1: isn't a canonical address"));
  EXPECT_THAT(
      problem_of("host-tables", "0x1000000000000 0x10000 0x11000 0x12000 0x13000 0x50000\n"),
      HasSubstr("bad:1:1: a guest-physical address of more than 48 bits"));
  EXPECT_THAT(problem_of("guest-tables", "0x1000 0x10000 0x11000 0x12000 0x13000 0x50000 x\n"),
              HasSubstr("bad:1:48: 'x' is no address and no flags, expected a, d, ad or -"));
  EXPECT_THAT(problem_of("host-tables", "0x1000 0x10000 0x11000 0x12000 0x13000 0x50000 ad\n"),
              HasSubstr("bad:1:48: pages of host tables have no flags"));
  EXPECT_THAT(problem_of("guest-tables", "space\n"),
              HasSubstr("bad:1:1: expected 'space' and a number"));
  EXPECT_THAT(problem_of("guest-tables", "space 65536\n"), HasSubstr("bad:1:7: expected 'space'"));
  EXPECT_THAT(problem_of("host-tables", "space 0\n"),
              HasSubstr("bad:1:1: address spaces are a guest's"));
}

TEST_F(PageLists, WhatCannotBeIsRefused) {
  folder_.write("t.din", "0 1000\n");
  folder_.write("l", "0x1000 0x10000 0x11000 0x12000 0x13000 0x50000\n");
  const auto refuses = [&](const std::string& options, const std::string& problem) {
    const Ran ran = run_program("t.din " + options);
    EXPECT_EQ(ran.status, 2) << options;
    EXPECT_THAT(ran.err, HasSubstr(problem));
  };
  refuses("--mode native --host-tables l", "--host-tables: a native run has no hypervisor");
  refuses("--mode native --write-host-tables l", "--write-host-tables: a native run");
  refuses("--guest-tables l --set guest.merge_interval=100", "pages of a file aren't merged");
  refuses("--host-tables l --set hypervisor.dirty_log=pml", "pages of a file aren't divided");
  refuses("--host-tables missing", "missing: cannot be opened");
  refuses("--write-guest-tables no/folder/g", "no/folder/g: can't be written");
}

TEST_F(PageLists, UpperHalfAndOtherAddressSpacesComeBack) {
  folder_.write("t.din", "0 ffff800000001000\n0 ffff800000001008\n");
  folder_.write("g",
                "space 7\n0xffff800000001000 0x20000 0x21000 0x22000 0x23000 0x60000 a\n"
                "space 0\n0xffff800000001000 0x10000 0x11000 0x12000 0x13000 0x50000 -\n");
  run("t.din --mode native --guest-tables g --write-guest-tables g2");
  // The walk has set the flag of the page that was accessed.
  EXPECT_THAT(lines("g2"),
              ElementsAre("0xffff800000001000 0x10000 0x11000 0x12000 0x13000 0x50000 a",
                          "0xffff800000001000 0x20000 0x21000 0x22000 0x23000 0x60000 a"));
  EXPECT_THAT(text("g2"), HasSubstr("space 7\n"));
}

}  // namespace
}  // namespace eptsim::sim::test
