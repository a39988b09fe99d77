#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "sim/tests/program.hpp"

// A sweep of a hundred points whose processes are killed at any moment. When is told by how many
// points are done, not by time; the test goes on until the sweep is through.
namespace eptsim::sim::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHundredPoints = R"(
machines = ["plain"]
schemes = ["native:4K", "nested:4K/4K", "nested:4K/2M", "shadow:4K/4K", "nested:thp/thp"]
traces = ["generate:gups,footprint=1MiB,accesses=200", "generate:chase,pages=300,accesses=300"]
[vary]
dram.cycles = [50, 100, 150, 200, 250]
walker.slots = [1, 2]
)";

/// How often each point was begun, as its log says.
using Begun = std::map<std::string, unsigned>;

class Survival : public testing::TestWithParam<unsigned> {
 protected:
  Survival() { folder_.write("sweep.toml", kHundredPoints); }

  fs::path points() const { return folder_.path() / "out" / "points"; }

  /// Of the points that are done.
  Begun done() const {
    Begun begun;
    std::error_code none_yet;
    for (const auto& point : fs::directory_iterator(points(), none_yet)) {
      if (fs::exists(point.path() / "stats.json")) {
        begun[point.path().filename()] = times_begun(point.path());
      }
    }
    return begun;
  }

  static unsigned times_begun(const fs::path& point) {
    std::ifstream log(point / "log");
    unsigned count = 0;
    for (std::string line; std::getline(log, line);) count += line.starts_with("begun") ? 1 : 0;
    return count;
  }

  pid_t start() const {
    const std::string file = (folder_.path() / "sweep.toml").string();
    const std::string out = (folder_.path() / "out").string();
    std::string words[] = {EPTSIM_PROGRAM, "sweep", file, "--output", out, "--jobs", "3"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t silent;
    posix_spawn_file_actions_init(&silent);
    posix_spawn_file_actions_addopen(&silent, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&silent, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t process = 0;
    EXPECT_EQ(::posix_spawn(&process, EPTSIM_PROGRAM, &silent, nullptr, arguments.data(), environ),
              0);
    posix_spawn_file_actions_destroy(&silent);
    return process;
  }

  static std::vector<pid_t> children_of(pid_t process) {
    const std::string id = std::to_string(process);
    std::ifstream file("/proc/" + id + "/task/" + id + "/children");
    return {std::istream_iterator<pid_t>(file), {}};
  }

  TestFolder folder_;
};

TEST_P(Survival, AHundredPointsOutliveTheKillOfAnyProcessWithNothingLostAndNothingTwice) {
  const Ran undisturbed =
      run("eptsim sweep sweep.toml --output undisturbed --jobs 2 --progress never", folder_);
  ASSERT_EQ(undisturbed.status, 0) << undisturbed.err;

  std::mt19937 random(GetParam());
  Begun before;  // what was done at a kill, and how often it had been begun
  unsigned sweeps_killed = 0;
  unsigned children_killed = 0;
  int status = -1;
  while (status != 0) {
    ASSERT_LT(sweeps_killed, 200u) << "it gets nowhere";
    const pid_t sweep = start();
    bool over = false;
    while (!over) {
      const std::size_t enough = done().size() + random() % 8;
      int ending = 0;
      while (done().size() < enough && !over) {
        over = ::waitpid(sweep, &ending, WNOHANG) == sweep;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      over = over || ::waitpid(sweep, &ending, WNOHANG) == sweep;
      if (over) {
        ASSERT_TRUE(WIFEXITED(ending));
        status = WEXITSTATUS(ending);
        ASSERT_THAT(status, testing::AnyOf(0, 1)) << "1: a point was killed twice";
        break;
      }
      for (const auto& [point, times] : done()) before.try_emplace(point, times);
      const std::vector<pid_t> children = children_of(sweep);
      if (random() % 4 == 0) {
        ::kill(sweep, SIGKILL);
        ASSERT_EQ(::waitpid(sweep, &ending, 0), sweep);
        ++sweeps_killed;
        over = true;
      } else if (!children.empty()) {
        // Still ours to kill: its parent, which may have waited for it, starts others meanwhile,
        // but numbers of processes aren't given anew so soon.
        ::kill(children[random() % children.size()], SIGKILL);
        ++children_killed;
      }
    }
  }

  const Begun after = done();
  EXPECT_EQ(after.size(), 100u);
  for (const auto& [point, times] : before) {
    EXPECT_EQ(after.at(point), times) << point << " was done, and begun again";
  }
  unsigned begun = 0;
  for (const auto& [point, times] : after) begun += times;
  EXPECT_LE(begun, 100 + children_killed + 3 * sweeps_killed);
  EXPECT_GT(sweeps_killed, 0u);
  EXPECT_GT(children_killed, 0u);
  for (const char* name : {"results.csv", "results.json", "sweep.html"}) {
    EXPECT_EQ(bytes_of(folder_.path() / "out" / name),
              bytes_of(folder_.path() / "undisturbed" / name))
        << name;
  }
  for (const std::string& name : folder_.names()) {
    EXPECT_EQ(name.find("/."), std::string::npos) << "a temporary file is left: " << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Survival, testing::Values(1u, 2u));

}  // namespace
}  // namespace eptsim::sim::test
