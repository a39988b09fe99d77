#include "sim/run/regression.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace eptsim::sim {
namespace {

TEST(Regression, WithoutOtherVariablesIsTheMeanWithItsInterval) {
  const Regression regression(4);
  const std::vector<double> values = {2, 4, 4, 6};
  EXPECT_DOUBLE_EQ(regression.mean_of(values), 4);
  // Variance 8/3 of 3 degrees of freedom, of a mean of four.
  EXPECT_NEAR(regression.half_width_of(values), 3.182 * std::sqrt(8.0 / 3 / 4), 1e-9);
}

TEST(Regression, OfOneValueTellsNoInterval) {
  EXPECT_TRUE(std::isinf(Regression(1).half_width_of({3})));
}

TEST(Regression, FindsTheMeanOfWhatTheOthersExplainWhole) {
  Regression regression(12);
  std::vector<double> x;
  std::vector<double> z;
  std::vector<double> y;
  for (int i = 0; i < 12; ++i) {
    x.push_back(i);
    z.push_back(i * i % 7);
    y.push_back(5 + 3 * x.back() - 2 * z.back());
  }
  regression.explain_by(x, 100);
  regression.explain_by(z, -4);
  regression.explain_by(x, 100);                         // told before
  regression.explain_by(std::vector<double>(12, 8), 9);  // the same everywhere
  EXPECT_NEAR(regression.mean_of(y), 5 + 3 * 100 + 2 * 4, 1e-9);
  EXPECT_NEAR(regression.half_width_of(y), 0, 1e-6);
}

TEST(Regression, WidensItsIntervalWithTheDistanceFromTheSample) {
  std::vector<double> x;
  std::vector<double> y;
  for (int i = 0; i < 20; ++i) {
    x.push_back(i);
    y.push_back(i + (i % 2 == 0 ? 1 : -1));
  }
  Regression near(20);
  near.explain_by(x, 9.5);
  Regression far(20);
  far.explain_by(x, 40);
  EXPECT_GT(near.half_width_of(y), 0.1);
  EXPECT_GT(far.half_width_of(y), 3 * near.half_width_of(y));
  EXPECT_LT(near.half_width_of(y), Regression(20).half_width_of(y) / 4);
}

TEST(Regression, OfFewValuesTakesTheirMean) {
  Regression regression(3);
  regression.explain_by({1, 2, 3}, 10);
  EXPECT_DOUBLE_EQ(regression.mean_of({1, 2, 3}), 2);
}

TEST(StudentT, IsThatOfTheTables) {
  EXPECT_NEAR(student_t(1), 12.706, 1e-3);
  EXPECT_NEAR(student_t(30), 2.042, 1e-3);
  EXPECT_NEAR(student_t(31), 2.0395, 1e-3);
  EXPECT_NEAR(student_t(40), 2.021, 1e-3);
  EXPECT_NEAR(student_t(60), 2.000, 1e-3);
  EXPECT_NEAR(student_t(120), 1.980, 1e-3);
  EXPECT_NEAR(student_t(1'000'000), 1.960, 1e-3);
}

}  // namespace
}  // namespace eptsim::sim
