#include "sim/run/window_events.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace eptsim::sim::window {
namespace {

TEST(WindowEvents, ThereAreNone) {
  std::vector<Access> accesses(8);
  Events events(accesses);
  EXPECT_EQ(events.next(), mmu::kNever);
  events.push(3, 1, 2);
  events.push(900, 2, 2);
  events.clear();
  EXPECT_EQ(events.next(), mmu::kNever);
}

TEST(WindowEvents, ComeByCycleAndOfOneCycleInTheOrderOfTheProgramHoweverFarTheyLie) {
  std::mt19937_64 random(5);
  for (unsigned round = 0; round < 50; ++round) {
    std::vector<Access> accesses(64);
    Events events(accesses);
    std::set<std::pair<mmu::Cycle, Position>> expected;
    const mmu::Cycle span = 1 + random() % 200;
    mmu::Cycle now = random() % 1000;
    Position position = 0;
    for (unsigned i = 0; i < 2000; ++i) {
      const bool full = expected.size() == accesses.size();
      if (!full && (expected.empty() || random() % 2 == 0)) {
        // Now and then before what is under way, or far behind it.
        mmu::Cycle cycle = now + random() % span;
        if (random() % 50 == 0) cycle = now - std::min(now, random() % 20);
        if (random() % 50 == 0) cycle += 5000;
        while (std::ranges::any_of(expected, [&](const auto& event) {
          return event.second % accesses.size() == position % accesses.size();
        })) {
          ++position;
        }
        events.push(cycle, position, std::min(now, cycle));
        expected.emplace(cycle, position++);
        if (random() % 3 == 0) position += random() % 8;
      } else {
        ASSERT_EQ(events.next(), expected.begin()->first) << "round " << round << ", step " << i;
        now = std::max(now, expected.begin()->first);
        ASSERT_EQ(events.pop(expected.begin()->first), expected.begin()->second)
            << "round " << round << ", step " << i;
        expected.erase(expected.begin());
      }
    }
  }
}

}  // namespace
}  // namespace eptsim::sim::window
