#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "sim/tests/program.hpp"

// What shells offer to complete. Each script runs in its own shell, where that is installed.
namespace eptsim::sim::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;
using testing::Not;

std::vector<std::string> whole_lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

/// Without what stands behind a tab.
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out = whole_lines(text);
  for (std::string& line : out) line.resize(std::min(line.find('\t'), line.size()));
  return out;
}

std::string shell_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += " '" + word + "'";
  return text;
}

class Completion : public testing::Test {
 protected:
  bool has(const std::string& shell) const {
    return run("command -v " + shell, folder_).status == 0;
  }
  std::vector<std::string> said(const std::string& script) const {
    folder_.write("script", script);
    const Ran ran =
        run("program=\"$program\" " + script.substr(2, script.find('\n') - 2) + " script", folder_);
    EXPECT_EQ(ran.status, 0) << script << ran.err;
    EXPECT_EQ(ran.err, "");
    return lines(ran.out);
  }

  /// What bash offers for the last word.
  std::vector<std::string> bash(const std::vector<std::string>& words) const {
    return said("# bash --norc\nsource <(\"$program\" completion bash)\nCOMP_WORDS=(" +
                shell_words(words) +
                ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_eptsim\n"
                "printf '%s\\n' \"${COMPREPLY[@]}\"\n");
  }
  std::vector<std::string> fish(const std::string& typed) const {
    return said("# fish --no-config\n$program completion fish | source\ncomplete -C '" + typed +
                "'\n");
  }
  /// What the script of zsh hands to the functions that do its completion.
  std::vector<std::string> zsh(const std::vector<std::string>& words) const {
    return said(
        "# zsh -f\ncompdef() { }\n_arguments() { print -l -- \"$@\" }\n"
        "_describe() { print -l -- $commands }\n"
        "source <(\"$program\" completion zsh)\nwords=(" +
        shell_words(words) + ")\nCURRENT=$#words\n_eptsim\n");
  }

  TestFolder folder_;
};

/// The options that a command's help lists.
std::set<std::string> options_in(const std::string& help) {
  std::set<std::string> out;
  for (const std::string& line : lines(help)) {
    const std::size_t at = line.find("--");
    if (at == std::string::npos || at > 6 || !line.starts_with("  -")) continue;
    out.insert(line.substr(at, line.find_first_of(" ,", at) - at));
  }
  return out;
}

TEST_F(Completion, OfBashOffersEveryOptionOfEveryCommandThatItsHelpLists) {
  for (const std::string& line : whole_lines(run("eptsim commands", folder_).out)) {
    const std::string command = line.substr(0, line.find("  "));
    std::vector<std::string> words = {"eptsim"};
    std::istringstream parts(command);
    for (std::string part; parts >> part;) words.push_back(part);
    words.push_back("--");
    const std::vector<std::string> offered = bash(words);
    const std::set<std::string> listed =
        options_in(run("eptsim " + command + " --help", folder_).out);
    EXPECT_GE(listed.size(), 1u);
    EXPECT_EQ(std::set<std::string>(offered.begin(), offered.end()), listed) << command;
  }
}

TEST_F(Completion, OfBashKnowsCommandsWordsAndSettings) {
  EXPECT_THAT(bash({"eptsim", ""}),
              IsSupersetOf({"run", "compare", "walk", "trace", "machine", "--version"}));
  EXPECT_THAT(bash({"eptsim", "tra"}), ElementsAre("trace"));
  EXPECT_THAT(bash({"eptsim", "trace", "c"}), ElementsAre("convert"));
  EXPECT_THAT(bash({"eptsim", "run", "t", "--mode", "n"}), ElementsAre("native", "nested"));
  EXPECT_THAT(bash({"eptsim", "run", "--mode", "=", "s"}), ElementsAre("shadow"));
  EXPECT_THAT(bash({"eptsim", "run", "--mode", "="}), ElementsAre("native", "nested", "shadow"));
  EXPECT_THAT(bash({"eptsim", "run", "--set", "dram.cy"}), ElementsAre("dram.cycles="));
  EXPECT_THAT(bash({"eptsim", "machine", "show", "zen"}),
              ElementsAre("zen2", "zen3", "zen4", "zen5"));
  EXPECT_THAT(bash({"eptsim", "verify", "--configuration", "s"}), ElementsAre("single", "small"));
  EXPECT_THAT(bash({"eptsim", "run", "--warmup", ""}), ElementsAre(""));
}

TEST_F(Completion, OfFishOffersTheSame) {
  // scripts/setup installs it for scripts/test; who builds without may have no use for it.
  if (!has("fish")) GTEST_SKIP() << "fish isn't installed";
  EXPECT_THAT(fish("eptsim tra"), ElementsAre("trace"));
  EXPECT_THAT(fish("eptsim trace c"), ElementsAre("convert"));
  EXPECT_THAT(fish("eptsim run --mode "), ElementsAre("native", "nested", "shadow"));
  EXPECT_THAT(fish("eptsim run --set dram.cy"), ElementsAre("dram.cycles="));
  EXPECT_THAT(fish("eptsim machine show zen"), ElementsAre("zen2", "zen3", "zen4", "zen5"));
  EXPECT_THAT(fish("eptsim run --"), AllOf(Contains("--walker"), Not(Contains("--engine"))));
}

TEST_F(Completion, OfZshHasASpecificationForEachCommand) {
  // As fish.
  if (!has("zsh")) GTEST_SKIP() << "zsh isn't installed";
  EXPECT_THAT(zsh({"eptsim", ""}), Contains("run:Run a trace through a machine"));
  EXPECT_THAT(zsh({"eptsim", "trace", ""}), Contains(testing::StartsWith("convert:")));
  EXPECT_THAT(zsh({"eptsim", "run", "--mode", ""}),
              Contains("*--mode[native, nested (the default) or shadow]:value:"
                       "(native nested shadow)"));
  EXPECT_THAT(zsh({"eptsim", "machine", "show", ""}),
              Contains(testing::StartsWith("*:NAME:(plain default")));
}

TEST_F(Completion, OfAnUnknownShellIsRefusedWithTheOnesThatThereAre) {
  const Ran ran = run("eptsim completion bahs", folder_);
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, testing::HasSubstr("expected bash, zsh or fish; did you mean 'bash'?"));
}

}  // namespace
}  // namespace eptsim::sim::test
