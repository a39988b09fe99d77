#include "testbench/scoreboard/cross_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/tests/mutant_walker.hpp"

namespace eptsim::tb {
namespace {

Voices with_late_flags() {
  Voices voices = built_voices();
  auto mutant = MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.response) outputs.response->outcome.dirty = false;
  });
  voices.device.emplace(
      Device{"mutant", std::move(mutant), [](const TestCase&) { return std::nullopt; }});
  return voices;
}

TEST(CrossCheck, AllVoicesOfThisBuildAgree) {
  CrossCheck check(built_voices(), 1, {});
  const auto mismatch = check.run(1000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  const Coverage& coverage = check.judge().coverage();
  EXPECT_EQ(coverage.walks + coverage.refused, 1000U);
  EXPECT_GT(coverage.refused, 5U);
  EXPECT_GT(check.judge().tally().failed_swaps, kMostSwaps);
  EXPECT_GT(check.judge().tally().oracle_walks, 800U);
}

TEST(CrossCheck, EveryPlaceAndEveryPlantedFaultDecidesWalks) {
  Voices voices = built_voices();
  voices.device.reset();
  CrossCheck check(std::move(voices), 2, {});
  const auto mismatch = check.run(40'000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  const Coverage& coverage = check.judge().coverage();
  std::array<std::uint64_t, kPlaces> places{};
  for (unsigned index = 0; index < Bin::kCount; ++index) {
    const Bin bin = Bin::of_index(index);
    ASSERT_EQ(bin.index(), index);
    if (coverage.bins[index] == 0) continue;
    EXPECT_TRUE(bin.possible()) << name(bin.reason) << " at " << name(bin.place);
    places[index / (Bin::kCount / kPlaces)] += coverage.bins[index];
  }
  // The access itself is in no HLAT table.
  const std::uint64_t reached = kPlaces - std::ranges::count(places, 0U);
  EXPECT_EQ(reached, kPlaces - 6);
  for (unsigned kind = 0; kind < kFaultKinds; ++kind) {
    EXPECT_GT(coverage.planted[kind].decided, 5U) << name(static_cast<FaultKind>(kind));
  }
}

TEST(CrossCheck, EveryOutcomeAndEveryFeatureHasItsShareOfTheWalks) {
  Voices voices = built_voices();
  voices.device.reset();
  CrossCheck check(std::move(voices), 3, {});
  EXPECT_FALSE(check.run(20'000));
  const Coverage& coverage = check.judge().coverage();
  EXPECT_GT(coverage.walks, 19'000U);
  for (const std::uint64_t walks : coverage.outcomes) EXPECT_GT(walks * 200, coverage.walks);
  for (const FeatureFact& fact : kFeatures) {
    std::uint64_t walks = 0;
    for (const auto count : coverage.features[static_cast<unsigned>(fact.feature)]) walks += count;
    const bool told = fact.feature != Feature::kLargePages && fact.feature != Feature::kRefusals &&
                      fact.feature != Feature::kExecuteOnly &&
                      fact.feature != Feature::kMemoryTypes;
    if (!told) continue;
    EXPECT_GT(walks * 20, coverage.walks) << fact.name;
  }
  EXPECT_GT(coverage.deeds.hlat_restarts, 100U);
  EXPECT_GT(coverage.deeds.sub_page_allowed, 100U);
  EXPECT_GT(coverage.deeds.pages_logged, 100U);
  EXPECT_GT(coverage.deeds.second_pages, 100U);
}

TEST(CrossCheck, AWalkThatTheDeviceLacksIsCountedAndTheRestIsCompared) {
  Voices voices = built_voices();
  voices.device.emplace(Device{"small", std::make_unique<mmu::ModelWalker>(),
                               [](const TestCase& test) -> std::optional<std::string> {
                                 if (test.request.access != arch::AccessKind::kFetch) return {};
                                 return "fetches";
                               }});
  CrossCheck check(std::move(voices), 1, {});
  // Not a multiple of the block: the case after the last is made, and not counted.
  EXPECT_FALSE(check.run(2001));
  const Tally& tally = check.judge().tally();
  ASSERT_TRUE(tally.not_in_device.contains("fetches"));
  EXPECT_GT(tally.not_in_device.at("fetches"), 200U);
  EXPECT_EQ(tally.device_walks + tally.not_in_device.at("fetches"), check.judge().coverage().walks);
  EXPECT_GT(tally.responses, tally.device_walks) << "two for an access to two pages";
}

TEST(CrossCheck, AReplayShowsTheMismatchOfTheRun) {
  CrossCheck run(with_late_flags(), 9, {});
  const auto first = run.run(10'000);
  ASSERT_TRUE(first);
  CrossCheck replay(with_late_flags(), 9, {});
  const auto second = replay.replay(first->number);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->number, first->number);
  EXPECT_EQ(mismatch_text(*second, ""), mismatch_text(*first, ""));
}

TEST(CrossCheck, AReplayOfAWalkInTheMiddleMeetsTheSameWalk) {
  CrossCheck run(built_voices(), 4, {});
  EXPECT_FALSE(run.run(1235));
  CrossCheck replay(built_voices(), 4, {});
  EXPECT_FALSE(replay.replay(1234));
  EXPECT_EQ(case_text(replay.test()), case_text(run.test()));
  EXPECT_EQ(walk_text(replay.judge().recording()), walk_text(run.judge().recording()));
  EXPECT_LE(replay.judge().coverage().walks, 16U);
}

TEST(CrossCheck, TheShrunkCaseStillShowsTheMismatchAndNothingInItIsSpare) {
  CrossCheck check(with_late_flags(), 9, {});
  const auto mismatch = check.run(10'000);
  ASSERT_TRUE(mismatch && mismatch->smallest);
  Judge judge(with_late_flags());
  EXPECT_TRUE(judge.check_alone(*mismatch->smallest));
  for (std::size_t i = 0; i < mismatch->smallest->image.size(); ++i) {
    TestCase less = *mismatch->smallest;
    less.image.erase(less.image.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(judge.check_alone(less)) << i;
  }
}

}  // namespace
}  // namespace eptsim::tb
