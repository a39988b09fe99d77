#include "testbench/scoreboard/cross_check.hpp"

#include <gtest/gtest.h>

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
  EXPECT_EQ(coverage.walks + coverage.refused_contexts, 1000U);
  EXPECT_GT(coverage.refused_contexts, 5U);
  EXPECT_GT(coverage.failed_swaps, kMostSwaps);
  EXPECT_GT(check.judge().tally().oracle_walks, 800U);
}

TEST(CrossCheck, EveryPlaceAndEveryPlantedFaultDecidesWalks) {
  Voices voices = built_voices();
  voices.device.reset();
  CrossCheck check(std::move(voices), 2, {});
  EXPECT_FALSE(check.run(20'000));
  const Coverage& coverage = check.judge().coverage();
  const auto at = [&](mmu::OutcomeKind kind, unsigned guest, unsigned ept) {
    return coverage.places[static_cast<unsigned>(kind)][guest][ept];
  };
  for (unsigned guest = 0; guest <= 5; ++guest) {
    if (guest > 0) {
      EXPECT_GT(at(mmu::OutcomeKind::kPageFault, guest, 0), 0U) << guest;
    }
    for (unsigned ept = 1; ept <= 5; ++ept) {
      EXPECT_GT(at(mmu::OutcomeKind::kEptViolation, guest, ept), 0U) << guest << ept;
      EXPECT_GT(at(mmu::OutcomeKind::kEptMisconfiguration, guest, ept), 0U) << guest << ept;
    }
  }
  for (unsigned kind = 0; kind < kFaultKinds; ++kind) {
    EXPECT_GT(coverage.planted[kind].decided, 5U) << name(static_cast<FaultKind>(kind));
  }
}

TEST(CrossCheck, AWalkThatTheDeviceLacksIsCountedAndTheRestIsCompared) {
  Voices voices = built_voices();
  voices.device.emplace(Device{"small", std::make_unique<mmu::ModelWalker>(),
                               [](const TestCase& test) -> std::optional<std::string> {
                                 if (test.request.access != arch::AccessKind::kFetch) return {};
                                 return "fetches";
                               }});
  CrossCheck check(std::move(voices), 1, {});
  EXPECT_FALSE(check.run(2000));
  const Tally& tally = check.judge().tally();
  ASSERT_TRUE(tally.not_in_device.contains("fetches"));
  EXPECT_GT(tally.not_in_device.at("fetches"), 200U);
  EXPECT_EQ(tally.responses + tally.not_in_device.at("fetches"), check.judge().coverage().walks);
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
