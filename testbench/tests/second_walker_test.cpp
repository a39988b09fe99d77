#include "testbench/scoreboard/cross_check.hpp"

#include <gtest/gtest.h>

#include "testbench/scoreboard/mismatch_text.hpp"

/// The second walker: SystemVerilog with other ports, checked as anybody's would be.
namespace eptsim::tb {
namespace {

/// What it has, so that most walks are ones in which it takes part.
Features its_features() {
  Features features;
  for (const Feature absent :
       {Feature::kFiveLevel, Feature::kLass, Feature::kProtectionKeys, Feature::kGuestPhysical,
        Feature::kLegacyPaging, Feature::kPml, Feature::kShadowStacks, Feature::kPagingWrite,
        Feature::kGuestPagingVerification, Feature::kHlat, Feature::kSubPages,
        Feature::kVirtualizationExceptions}) {
    features.drop(absent);
  }
  return features;
}

TEST(SecondWalker, AgreesInEveryReferenceFlagUpdateAndResponse) {
  CrossCheck check(with_second_walker(built_voices()), 1, its_features());
  const auto mismatch = check.run(20'000);
  if (mismatch) FAIL() << mismatch_text(*mismatch, "");
  const Tally& tally = check.judge().tally();
  std::uint64_t left_out = 0;
  for (const auto& [feature, walks] : tally.not_in_device) left_out += walks;
  EXPECT_EQ(tally.device_walks + left_out, check.judge().coverage().walks);
  EXPECT_GT(tally.device_walks, 12'000U);
  EXPECT_EQ(tally.cycles, 0U) << "it has a time of its own";
}

}  // namespace
}  // namespace eptsim::tb
