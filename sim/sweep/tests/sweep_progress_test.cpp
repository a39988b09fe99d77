#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/sweep/progress.hpp"

namespace eptsim::sim::sweep {
namespace {

TEST(SweepProgress, TheLineSaysHowFarAndHowLongYet) {
  EXPECT_EQ(
      progress_line({.points = 24, .done = 0, .under_way = 4, .failed = 0, .seconds_left = {}}),
      "0 of 24 points, 4 under way");
  EXPECT_EQ(
      progress_line({.points = 24, .done = 20, .under_way = 2, .failed = 1, .seconds_left = 184.2}),
      "20 of 24 points, 2 under way, 1 failed, 3 min 05 s left");
}

TEST(SweepProgress, IsWrittenOverAndWipedWhenAskedForAndNeverInAPipeAtOnce) {
  const State state{.points = 2, .done = 1, .under_way = 1, .failed = 0, .seconds_left = {}};
  testing::internal::CaptureStderr();
  SweepProgress(ProgressMode::kAlways).update(state);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "\r\x1b[K1 of 2 points, 1 under way\r\x1b[K");
  testing::internal::CaptureStderr();
  SweepProgress(ProgressMode::kAuto).update(state);
  SweepProgress(ProgressMode::kNever).update(state);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace eptsim::sim::sweep
