#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "sim/statistics/statistic.hpp"
#include "sim/tests/program.hpp"

// `eptsim run --references`: files for simulators of DRAM, held against what the run counts.
namespace eptsim::sim::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

struct Reference {
  std::uint64_t address = 0;
  bool write = false;
  std::uint64_t cycle = 0;
};

class References : public testing::Test {
 protected:
  /// The statistics of a run that writes `file`.
  Json run(const std::string& options, const std::string& file = "r") {
    const Ran ran =
        test::run("eptsim run " + options + " --references " + file + " --json -", folder_);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out)["stats"];
  }
  std::string text(const std::string& file = "r") const { return bytes_of(folder_.path() / file); }

  /// What a simulator reads: nothing else may stand in a line.
  std::vector<Reference> ramulator2(const std::string& file = "r") const {
    std::vector<Reference> all;
    std::istringstream lines(text(file));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string kind;
      std::string address;
      std::string more;
      words >> kind >> address;
      EXPECT_FALSE(words >> more) << line;
      EXPECT_TRUE(kind == "LD" || kind == "ST") << line;
      EXPECT_EQ(address.substr(0, 2), "0x") << line;
      all.push_back({std::stoull(address, nullptr, 16), kind == "ST"});
    }
    return all;
  }
  std::vector<Reference> dramsim3(const std::string& file = "r") const {
    std::vector<Reference> all;
    std::istringstream lines(text(file));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      Reference reference;
      std::string kind;
      std::string more;
      words >> std::hex >> reference.address >> kind >> std::dec >> reference.cycle;
      EXPECT_TRUE(words) << line;
      EXPECT_FALSE(words >> more) << line;
      EXPECT_TRUE(kind == "READ" || kind == "WRITE") << line;
      reference.write = kind == "WRITE";
      all.push_back(reference);
    }
    return all;
  }
  static std::uint64_t writes(const std::vector<Reference>& all) {
    std::uint64_t count = 0;
    for (const Reference& reference : all) count += reference.write;
    return count;
  }
  void refuses(const std::string& options, const std::string& what) {
    const Ran ran =
        test::run("eptsim run generate:gups,footprint=1MiB --limit 100 " + options, folder_);
    EXPECT_EQ(ran.status, 2) << options;
    EXPECT_THAT(ran.err, HasSubstr(what));
    EXPECT_THAT(folder_.names(), IsEmpty());
  }

  TestFolder folder_;
};

const std::string kUpdates = "generate:gups,footprint=16MiB --warmup 3000 --limit 8000";
const std::string kSmallCaches =
    " --set cache.l1d.bytes=4KiB --set cache.l1d.ways=4 --set cache.l2.bytes=16KiB --set "
    "cache.l2.ways=4"
    " --set cache.l3.bytes=64KiB --set cache.l3.ways=4";

TEST_F(References, WalkersReadAndWriteWhatIsCountedOfThem) {
  for (const std::string options :
       {"", " --mode native", " --mode shadow", " --machine zen4", " --detail translation",
        " --machine plain --detail translation", " --guest-page 2M --ept-page 2M"}) {
    const Json stats = run(kUpdates + options);
    const auto all = ramulator2();
    EXPECT_EQ(all.size() - writes(all), stats["walker"]["references"]) << options;
    EXPECT_EQ(writes(all), stats["walker"]["flag_updates"]) << options;
  }
}

TEST_F(References, LinesAreThoseThatDramCounts) {
  for (const std::string options :
       {"", kSmallCaches.c_str(), " --machine zen4 --set dram.model=banked", " --machine plain",
        " --mode native --set walker.enters_at=l2"}) {
    const Json stats = run(kUpdates + options + " --references-at dram --references-of all");
    const auto all = ramulator2();
    EXPECT_EQ(all.size() - writes(all), stats["dram"]["reads"]) << options;
    EXPECT_EQ(writes(all), stats["dram"]["writes"]) << options;
    for (const Reference& line : all) EXPECT_EQ(line.address % 64, 0u);
  }
}

TEST_F(References, LinesOfWalksAreWhatTheLastCacheMissesForThem) {
  const Json stats = run(kUpdates + kSmallCaches + " --references-at dram");
  const auto walks = ramulator2();
  const Json& last = stats["cache"]["l3"]["walk"];
  EXPECT_EQ(walks.size() - writes(walks),
            last["misses"].get<std::uint64_t>() - last["merged"].get<std::uint64_t>());
  EXPECT_EQ(writes(walks), last["writebacks"]);
  EXPECT_GT(writes(walks), 0u);
}

TEST_F(References, CyclesBeginAtNoneAndNeverGoBack) {
  for (const std::string options :
       {"", " --references-at dram", " --references-at dram --references-of all"}) {
    run(kUpdates + kSmallCaches + options, "plain");
    run(kUpdates + kSmallCaches + " --references-format dramsim3" + options, "timed");
    const auto plain = ramulator2("plain");
    const auto timed = dramsim3("timed");
    ASSERT_EQ(plain.size(), timed.size());
    ASSERT_FALSE(timed.empty());
    EXPECT_EQ(timed.front().cycle, 0u);
    for (std::size_t i = 0; i < timed.size(); ++i) {
      EXPECT_EQ(plain[i].address, timed[i].address);
      EXPECT_EQ(plain[i].write, timed[i].write);
      if (i == 0) continue;
      EXPECT_GE(timed[i].cycle, timed[i - 1].cycle);
    }
  }
}

TEST_F(References, OneWalkReadsTheEntriesThatItsAddressNames) {
  folder_.write("one.din", "0 7f1234567890\n");
  run("one.din --mode native --machine plain --detail translation --references-format dramsim3");
  auto all = dramsim3();
  EXPECT_EQ(writes(all), 3u);  // accessed flags of the tables
  std::erase_if(all, [](const Reference& reference) { return reference.write; });
  // The first finds nothing in the root; after the fault each level is read.
  ASSERT_EQ(all.size(), 5u);
  constexpr std::uint64_t kAddress = 0x7f1234567890;
  EXPECT_EQ(all[0].address, all[1].address);
  for (unsigned level = 4; level >= 1; --level) {
    const std::uint64_t index = kAddress >> (12 + 9 * (level - 1)) & 511;
    EXPECT_EQ(all[5 - level].address % 4096, 8 * index) << level;
  }
  // On `plain` each is answered after 200 cycles, and the next one follows.
  for (std::size_t i = 2; i < all.size(); ++i) EXPECT_GE(all[i].cycle - all[i - 1].cycle, 200u);
}

TEST_F(References, AreTheSameInLockstepAndWithTheVerilatedWalker) {
  run(kUpdates + " --references-format dramsim3", "model");
  run(kUpdates + " --references-format dramsim3 --set simulation.lockstep=on", "lockstep");
  EXPECT_EQ(text("model"), text("lockstep"));
#ifdef EPTSIM_HAS_RTL
  run(kUpdates + " --references-format dramsim3 --walker rtl", "rtl");
  EXPECT_EQ(text("model"), text("rtl"));
#endif
  run(kUpdates + " --references-at dram --references-of all", "model");
  run(kUpdates + " --references-at dram --references-of all --set simulation.lockstep=on",
      "lockstep");
  EXPECT_EQ(text("model"), text("lockstep"));
}

TEST_F(References, ChangeNothingOfTheRun) {
  const Json seen = run(kUpdates);
  const Ran ran = test::run("eptsim run " + kUpdates + " --json -", folder_);
  EXPECT_EQ(Json::parse(ran.out)["stats"], seen);
}

TEST_F(References, SeveralCoresShareOneFile) {
  const Json stats =
      run("generate:gups,footprint=1MiB generate:chase,pages=300 --warmup 1000 --limit 3000 "
          "--references-format dramsim3");
  const auto all = dramsim3();
  EXPECT_EQ(all.size() - writes(all), stats["walker"]["references"]);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i].cycle, all[i - 1].cycle);
}

TEST_F(References, GoThroughPipes) {
  const Ran ran = test::run("mkfifo p && { cat p >copy & eptsim run " + kUpdates +
                                " --references p >/dev/null; wait; } && eptsim run " + kUpdates +
                                " --references r >/dev/null && cmp copy r",
                            folder_);
  EXPECT_EQ(ran.status, 0) << ran.err;
}

TEST_F(References, WhatCannotBeIsRefusedBeforeTheRun) {
  refuses("--references-at dram", "--references-at: says no file, expected --references FILE");
  refuses("--references r --references-format ramulator", "did you mean 'ramulator2'?");
  refuses("--references r --references-of all", "expected --references-at dram");
  refuses("--references r --references-at dram --references-of all --detail translation",
          "expected --detail full");
  refuses("--references r --set sampling.period=50 --set sampling.window=5", "sampling.period");
  refuses("--references -", "expected a file or a pipe");
  refuses("--references no/such/folder/r", "no/such/folder/r");
  const Ran full = test::run("eptsim run " + kUpdates + " --references /dev/full", folder_);
  EXPECT_EQ(full.status, 2);
  EXPECT_THAT(full.err, HasSubstr("No space left on device"));
}

}  // namespace
}  // namespace eptsim::sim::test
