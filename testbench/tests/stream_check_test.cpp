#include "testbench/scoreboard/stream_check.hpp"

#include <gtest/gtest.h>

#include "testbench/scoreboard/stream_text.hpp"
#include "testbench/tests/mutant_walker.hpp"

namespace eptsim::tb {
namespace {

constexpr mmu::WalkerConfiguration kSingle{.name = "single"};

TEST(StreamCheck, AllVoicesOfThisBuildAgree) {
  StreamCheck check(built_voices(), kSingle, 1, {});
  const auto mismatch = check.run(20'000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  const StreamTally& tally = check.judge().tally();
  EXPECT_GT(tally.judged * 10, tally.walks * 8);
         tally.stores, tally.invalidations);
}

}  // namespace
}  // namespace eptsim::tb
