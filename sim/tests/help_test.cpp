#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "sim/tests/program.hpp"

// What the program says of its commands, and that each of them has the habits of all.
namespace eptsim::sim::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Help : public testing::Test {
 protected:
  Ran run(const std::string& command) const { return test::run(command, folder_); }

  /// As `eptsim commands` lists them.
  std::vector<std::string> commands() const {
    std::vector<std::string> names;
    for (const std::string& line : lines_of(run("eptsim commands").out)) {
      names.push_back(line.substr(0, line.find("  ")));
    }
    EXPECT_THAT(names, testing::IsSupersetOf({"run", "sweep", "trace info", "completion"}));
    return names;
  }

  TestFolder folder_;
};

TEST_F(Help, OfEachCommandHasExamplesAndLinesThatFitATerminal) {
  std::vector<std::string> all = commands();
  all.insert(all.end(), {"", "trace", "machine"});
  for (const std::string& command : all) {
    const std::string help = run("eptsim " + command + " --help").out;
    EXPECT_THAT(help, testing::ContainsRegex("\nExamples?:\n  .*eptsim ")) << command;
    for (const std::string& line : lines_of(help.substr(0, help.find("\nExample")))) {
      const auto letters =
          std::ranges::count_if(line, [](char letter) { return (letter & 0xc0) != 0x80; });
      EXPECT_LE(letters, 100) << line;
      if (line.starts_with("  -")) {
        EXPECT_LE(letters, 80) << line;
      }
    }
  }
}

TEST_F(Help, AsAPageHasEveryOptionOfEachCommandsHelpAndNoOther) {
  const std::string page = run("eptsim commands --markdown").out;
  for (const std::string& command : commands()) {
    const std::string heading = "\n## eptsim " + command + "\n";
    const std::size_t begin = page.find(heading);
    ASSERT_NE(begin, std::string::npos) << command;
    const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
    std::vector<std::string> told;
    for (const std::string& line : lines_of(section)) {
      if (line.starts_with("| `--")) told.push_back(line.substr(3, line.find('`', 3) - 3));
    }
    std::vector<std::string> listed;
    for (const std::string& line : lines_of(run("eptsim " + command + " --help").out)) {
      const std::size_t at = line.find("--");
      if (!line.starts_with("  -") || at > 6) continue;
      listed.push_back(line.substr(at, line.find(' ', at) - at));
    }
    EXPECT_THAT(told, testing::UnorderedElementsAreArray(listed)) << command;
  }
  // A bar would end the cell.
  EXPECT_THAT(page, HasSubstr("| `--json` | `FILE` or `-` |"));
}

TEST_F(Help, NothingIsBoldButOnATerminal) {
  folder_.write("t", small_trace(50, 4));
  // script has it write to a terminal of its own.
  const std::string on_terminal = "script -qec \"$program run t --limit 100\" /dev/null";
  EXPECT_THAT(run(on_terminal).out, HasSubstr("\x1b[1m"));
  EXPECT_THAT(run("NO_COLOR=1 " + on_terminal).out, testing::Not(HasSubstr("\x1b[1m")));
  EXPECT_THAT(run("TERM=dumb " + on_terminal).out, testing::Not(HasSubstr("\x1b[1m")));
  EXPECT_THAT(run("eptsim run t --limit 100").out, testing::Not(HasSubstr("\x1b")));
}

TEST_F(Help, AMinusIsStandardInputWhereverAFileIsRead) {
  folder_.write("t", small_trace(50, 4));
  const std::string machine = "echo 'dram.cycles = 4321' | eptsim ";
  EXPECT_THAT(run(machine + "machine show -").out, HasSubstr("\ndram.cycles = 4321\n"));
  EXPECT_EQ(run(machine + "run t --machine - --json - | grep -c 4321").out, "1\n");
  EXPECT_EQ(run(machine + "compare t t --schemes native:4K --machine - --json - | "
                          "grep -c 4321")
                .out,
            "3\n");
  EXPECT_THAT(run("echo 'dram.cycle = 5' | eptsim machine show -").err,
              StartsWith("standard input:1:6: unknown setting"));
  EXPECT_THAT(run("echo '{\"cr8\": 1}' | eptsim check --memory t --context -").err,
              StartsWith("standard input:1:"));
  EXPECT_THAT(run("printf 'traces = [\"t\"]\\nschemes = [\"native:4k\"]\\n' | "
                  "eptsim sweep - --list")
                  .out,
              HasSubstr("open"));
  EXPECT_THAT(run("eptsim run t --resume - </dev/null").err,
              StartsWith("standard input: is empty, expected a checkpoint"));
}

TEST_F(Help, AConversionToStandardOutputIsATraceAndNothingElse) {
  folder_.write("t", small_trace(50, 4));
  ASSERT_EQ(run("eptsim trace convert t file").status, 0);
  const Ran ran = run("eptsim trace convert t - >piped");
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.err, StartsWith("standard output: 400 accesses"));
  EXPECT_EQ(run("cmp file piped").status, 0);
  EXPECT_THAT(run("eptsim trace convert t - 2>&- | eptsim run - --limit 100").err, IsEmpty());
}

}  // namespace
}  // namespace eptsim::sim::test
