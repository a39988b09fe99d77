#include "sim/trace/generate/permutation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace eptsim::sim::generate {
namespace {

TEST(Permutation, GivesEachNumberOnceAndItsInverseUndoesIt) {
  for (unsigned bits = 0; bits <= 12; ++bits) {
    for (const std::uint64_t seed : {1u, 2u, 77u}) {
      const Permutation permutation(bits, seed);
      std::vector<bool> seen(std::size_t{1} << bits);
      for (std::uint64_t i = 0; i < seen.size(); ++i) {
        const auto image = permutation(i);
        ASSERT_LT(image, seen.size());
        EXPECT_FALSE(seen[image]) << bits << " bits";
        seen[image] = true;
        EXPECT_EQ(permutation.inverse(image), i) << bits << " bits";
      }
    }
  }
}

TEST(Permutation, IsUndoneInLargeRangesToo) {
  for (const unsigned bits : {31u, 32u, 33u, 40u, 63u}) {
    const Permutation permutation(bits, 5);
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const auto number = random_at(9, i) >> (64 - bits);
      EXPECT_EQ(permutation.inverse(permutation(number)), number) << bits << " bits";
      EXPECT_EQ(permutation(number) >> bits, 0u);
    }
  }
}

TEST(SizedPermutation, GivesEachNumberBelowAnySizeOnce) {
  for (std::uint64_t size = 1; size < 300; ++size) {
    const SizedPermutation permutation(size, size);
    std::vector<bool> seen(size);
    for (std::uint64_t i = 0; i < size; ++i) {
      ASSERT_LT(permutation(i), size);
      EXPECT_FALSE(seen[permutation(i)]);
      seen[permutation(i)] = true;
    }
  }
}

TEST(RandomCycle, GoesRoundEachNumberInTheSameOrderForEver) {
  for (const std::uint64_t size : {1u, 2u, 3u, 16u, 129u, 1000u, 4096u, 4097u}) {
    RandomCycle cycle(size, 3);
    std::vector<std::uint64_t> first;
    for (std::uint64_t i = 0; i < size; ++i) first.push_back(cycle.next());
    auto sorted = first;
    std::ranges::sort(sorted);
    for (std::uint64_t i = 0; i < size; ++i) EXPECT_EQ(sorted[i], i);
    for (int turn = 0; turn < 3; ++turn)
      for (std::uint64_t i = 0; i < size; ++i) EXPECT_EQ(cycle.next(), first[i]);
  }
}

TEST(RandomCycle, HasNoStrideThatAPrefetcherWouldFind) {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    for (const std::uint64_t size : {4096u, 5000u, 65536u}) {
      RandomCycle cycle(size, seed);
      std::map<std::uint64_t, unsigned> strides;
      auto before = cycle.next();
      for (std::uint64_t i = 1; i < size; ++i) {
        const auto number = cycle.next();
        ++strides[number - before];
        before = number;
      }
      // Of a random order: about one of each, and 10 of the most frequent.
      const auto most =
          std::ranges::max_element(strides, {}, [](const auto& stride) { return stride.second; });
      EXPECT_LT(most->second, 20u) << size << " numbers, seed " << seed;
    }
  }
}

}  // namespace
}  // namespace eptsim::sim::generate
