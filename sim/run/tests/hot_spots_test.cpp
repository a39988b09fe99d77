#include "sim/run/hot_spots.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kPage = 4096;

std::vector<std::uint64_t> addresses(const std::vector<HotSpot>& spots) {
  std::vector<std::uint64_t> all;
  for (const HotSpot& spot : spots) all.push_back(spot.address);
  return all;
}

TEST(HotSpots, AreExactAsLongAsThereIsRoom) {
  HotSpots spots(1 << 14);
  std::map<std::uint64_t, HotSpot> expected;
  std::mt19937_64 random(5);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t address = random() % (1 << 14) * kPage;
    const std::uint64_t cycles = random() % 100;
    spots.add(address, cycles);
    HotSpot& spot = expected[address];
    spot.address = address;
    ++spot.walks;
    spot.walk_cycles += cycles;
  }
  std::vector<HotSpot> ranked;
  for (const auto& [address, spot] : expected) ranked.push_back(spot);
  std::ranges::stable_sort(ranked, std::ranges::greater(), &HotSpot::walk_cycles);
  const std::vector<HotSpot> top = spots.top(ranked.size());
  ASSERT_EQ(top.size(), ranked.size());
  for (std::size_t i = 0; i < top.size(); ++i) {
    EXPECT_EQ(top[i].address, ranked[i].address);
    EXPECT_EQ(top[i].walks, ranked[i].walks);
    EXPECT_EQ(top[i].walk_cycles, ranked[i].walk_cycles);
  }
  EXPECT_EQ(spots.forgotten_cycles(), 0u);
}

TEST(HotSpots, ForgetTheHalfThatCostLeastWhenThereIsNoMoreRoom) {
  HotSpots spots(8);
  for (std::uint64_t page = 1; page <= 8; ++page) spots.add(page * kPage, 10 * page);
  EXPECT_EQ(spots.forgotten_cycles(), 0u);
  spots.add(9 * kPage, 1);
  EXPECT_EQ(addresses(spots.top(8)),
            (std::vector<std::uint64_t>{8 * kPage, 7 * kPage, 6 * kPage, 5 * kPage, 9 * kPage}));
  EXPECT_EQ(spots.forgotten_cycles(), 10u + 20u + 30u + 40u);
}

TEST(HotSpots, FindThoseThatCostMuchAmongAnyNumberOfOthers) {
  HotSpots spots(256);
  std::uint64_t all = 0;
  std::uint64_t cold = 1000;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t page = i % 4 == 0 ? static_cast<std::uint64_t>(i / 4 % 20) : ++cold;
    const std::uint64_t cycles = 100 + page % 20;
    spots.add(page * kPage, cycles);
    all += cycles;
  }
  const std::vector<HotSpot> top = spots.top(20);
  ASSERT_EQ(top.size(), 20u);
  for (std::size_t i = 0; i < top.size(); ++i) {
    EXPECT_EQ(top[i].address, (19 - i) * kPage);
    EXPECT_EQ(top[i].walks, 1250u);
  }
  // What isn't remembered was forgotten.
  std::uint64_t remembered = 0;
  for (const HotSpot& spot : spots.top(256)) remembered += spot.walk_cycles;
  EXPECT_EQ(remembered + spots.forgotten_cycles(), all);
}

TEST(HotSpots, OfSeveralCoresAddUp) {
  HotSpots first(64);
  HotSpots second(64);
  HotSpots both(64);
  for (std::uint64_t page = 0; page < 40; ++page) first.add(page * kPage, 100 + page);
  for (std::uint64_t page = 20; page < 60; ++page) second.add(page * kPage, 200);
  both.add(first);
  both.add(second);
  const std::vector<HotSpot> top = both.top(64);
  ASSERT_EQ(top.size(), 60u);
  EXPECT_EQ(top[0].address, 39 * kPage);
  EXPECT_EQ(top[0].walk_cycles, 339u);
  EXPECT_EQ(top[0].walks, 2u);
  EXPECT_EQ(both.forgotten_cycles(), 0u);
  for (std::uint64_t page = 60; page < 120; ++page) second.add(page * kPage, 1);
  ASSERT_NE(second.forgotten_cycles(), 0u);
  both.add(second);
  EXPECT_GE(both.forgotten_cycles(), second.forgotten_cycles());
}

}  // namespace
}  // namespace eptsim::sim
