#include "mmu_model/memory/line_array.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "mmu_model/replacement/lru.hpp"
#include "mmu_model/tests/random.hpp"

namespace eptsim::mmu {
namespace {

/// A cache as a textbook draws it: of each set the lines in the order in which they will leave, and
/// whether they are dirty.
class ListOfLines {
 public:
  struct Line {
    std::uint64_t number = 0;
    bool dirty = false;
  };

  ListOfLines(std::uint64_t sets, std::size_t ways, bool uses_count)
      : sets_(sets), ways_(ways), uses_count_(uses_count) {}

  Line* find(std::uint64_t number) {
    const auto found = std::ranges::find(set(number), number, &Line::number);
    return found == set(number).end() ? nullptr : &*found;
  }
  void use(std::uint64_t number) {
    if (!uses_count_) return;
    const Line line = *find(number);
    remove(number);
    set(number).push_back(line);
  }
  std::optional<Line> insert(Line line) {
    std::optional<Line> leaves;
    if (set(line.number).size() == ways_) {
      leaves = set(line.number).front();
      set(line.number).pop_front();
    }
    set(line.number).push_back(line);
    return leaves;
  }
  void remove(std::uint64_t number) {
    set(number).remove_if([number](const Line& line) { return line.number == number; });
  }

 private:
  std::list<Line>& set(std::uint64_t number) { return lines_[number % sets_]; }

  std::uint64_t sets_;
  std::size_t ways_;
  bool uses_count_;
  std::map<std::uint64_t, std::list<Line>> lines_;
};

/// Does at random what caches do, to both.
void expect_same_as_lists(const MemoryCacheSettings& settings, std::uint64_t seed) {
  LineArray array(settings, 1);
  const std::uint64_t sets = settings.bytes / 64 / settings.ways;
  ListOfLines lists(sets, settings.ways, settings.replacement == Replacement::kLru);
  test::Random random(seed);
  std::uint64_t hits = 0;
  std::uint64_t victims = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    // Some lines are wanted often, and some lie at the end of the address space.
    const std::uint64_t span = random.below(2) == 0 ? sets * settings.ways : sets * 40;
    const std::uint64_t line =
        random.below(span) + (random.below(8) == 0 ? (std::uint64_t{1} << 46) - 40 * sets : 0);
    const std::size_t place = random.below(2) == 0 ? array.find(line) : array.find_again(line);
    ListOfLines::Line* const listed = lists.find(line);
    ASSERT_EQ(place != LineArray::kNone, listed != nullptr) << i;
    const bool dirty = random.below(3) == 0;
    if (listed == nullptr && random.below(4) == 0) {
      array.put(line, dirty);
      lists.insert({line, dirty});
    } else if (listed == nullptr) {
      const auto victim = array.insert(line, {i, MemoryLevel::kL3, dirty});
      const auto leaves = lists.insert({line, dirty});
      ASSERT_EQ(victim.has_value(), leaves.has_value()) << i;
      if (!victim) continue;
      ++victims;
      ASSERT_EQ(victim->number, leaves->number) << i;
      ASSERT_EQ(victim->state.dirty, leaves->dirty) << i;
    } else if (random.below(50) == 0) {
      array.remove(place);
      lists.remove(line);
    } else {
      ++hits;
      ASSERT_EQ(array.is_dirty(place), listed->dirty) << i;
      array.set_dirty(place, dirty);
      listed->dirty = dirty;
      array.use(line, place);
      lists.use(line);
    }
  }
  EXPECT_GT(hits, 20'000u);
  EXPECT_GT(victims, 20'000u);
}

TEST(LineArray, OfLeastRecentlyUsedLinesIsTheListsOfATextbook) {
  expect_same_as_lists({.bytes = 16 * 12 * 64, .ways = 12}, 1);
  expect_same_as_lists({.bytes = 16 * 16 * 64, .ways = 16}, 5);
  expect_same_as_lists({.bytes = 16 * 17 * 64, .ways = 17}, 6);
}

TEST(LineArray, OfFirstInFirstOutIsTheListsOfATextbook) {
  expect_same_as_lists({.bytes = 64 * 4 * 64, .ways = 4, .replacement = Replacement::kFifo}, 2);
}

TEST(LineArray, OfOneWayOrOneSetIsTheListsOfATextbook) {
  expect_same_as_lists({.bytes = 256 * 64, .ways = 1}, 3);
  expect_same_as_lists({.bytes = 64 * 64, .ways = 64}, 4);
}

/// The ways of a set in the order of their last uses, as a list.
TEST(Lru, IsTheOrderOfUsesHoweverManyWays) {
  constexpr unsigned kSets = 3;
  for (unsigned ways = 1; ways <= 18; ++ways) {
    Lru lru(kSets, ways);
    std::vector<std::list<unsigned>> orders(kSets);
    test::Random random(ways);
    for (unsigned i = 0; i < 5000; ++i) {
      const std::size_t set = random.below(kSets);
      std::list<unsigned>& order = orders[set];  // the last used last
      if (order.size() < ways) {
        const auto way = static_cast<unsigned>(order.size());
        lru.filled(set, way);
        order.push_back(way);
        continue;
      }
      ASSERT_EQ(lru.victim(set), order.front()) << ways << " ways, step " << i;
      unsigned way = order.front();
      if (random.below(2) == 0) {
        ASSERT_EQ(lru.replace(set), way) << ways << " ways, step " << i;
      } else {
        way = static_cast<unsigned>(random.below(ways));
        lru.used(set, way);
      }
      order.remove(way);
      order.push_back(way);
    }
  }
}

TEST(LineArray, ByTreeOrByChanceGivesUpALineOfTheFullSetOnly) {
  for (const Replacement replacement : {Replacement::kTreePlru, Replacement::kRandom}) {
    LineArray array({.bytes = 4 * 8 * 64, .ways = 8, .replacement = replacement}, 5);
    for (std::uint64_t i = 0; i < 8; ++i) EXPECT_FALSE(array.insert(4 * i, {}));
    for (std::uint64_t i = 8; i < 100; ++i) {
      const auto victim = array.insert(4 * i, {});
      ASSERT_TRUE(victim);
      EXPECT_EQ(victim->number % 4, 0u);
      EXPECT_EQ(array.find(victim->number), LineArray::kNone);
      EXPECT_NE(array.find(4 * i), LineArray::kNone);
    }
  }
}

TEST(LineArray, KeepsWhatIsKnownOfALineUntilItHasArrived) {
  LineArray array({.bytes = 4096, .ways = 4}, 1);
  constexpr Cycle kLate = (std::uint64_t{1} << 61) - 1;
  array.insert(9, {kLate, MemoryLevel::kDram, false});
  const std::size_t place = array.find(9);
  const auto expect_under_way = [&](bool dirty) {
    EXPECT_EQ(array.state(place).arrives, kLate);
    EXPECT_EQ(array.state(place).source, MemoryLevel::kDram);
    EXPECT_EQ(array.state(place).dirty, dirty);
  };
  expect_under_way(false);
  array.set_dirty(place, true);
  EXPECT_FALSE(array.has_arrived(place, kLate - 1));
  expect_under_way(true);
  EXPECT_TRUE(array.has_arrived(place, kLate));
  EXPECT_TRUE(array.is_dirty(place));
  EXPECT_EQ(array.find(9), place);
  array.insert(9 + 16, {});
  EXPECT_TRUE(array.has_arrived(array.find(9 + 16), 0));
}

TEST(LineArray, OfNoBytesIsEmpty) {
  LineArray array({.bytes = 0, .ways = 12}, 1);
  EXPECT_TRUE(array.is_off());
  for (const std::uint64_t line : {0u, 1u, 77u}) EXPECT_EQ(array.find(line), LineArray::kNone);
}

}  // namespace
}  // namespace eptsim::mmu
