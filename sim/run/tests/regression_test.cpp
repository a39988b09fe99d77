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
  // Differences of 2, 0 and 2, each larger by 4/3 without its values' own pull on the mean; a
  // quarter of each is in the mean. Two degrees of freedom.
  EXPECT_NEAR(regression.half_width_of(values), 4.303 * std::sqrt(4.0) * 4 / 3 / 4, 1e-9);
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
    x.push_back(i * 7 % 20);
    y.push_back(x.back() + (i / 2 % 2 == 0 ? 1 : -1));
  }
  Regression near(20);
  near.explain_by(x, 9.5);
  Regression far(20);
  far.explain_by(x, 40);
  EXPECT_GT(near.half_width_of(y), 0.1);
  EXPECT_GT(far.half_width_of(y), 3 * near.half_width_of(y));
  EXPECT_LT(near.half_width_of(y), Regression(20).half_width_of(y) / 4);
}

// One that goes up all along is as far from its mean as can be, at its ends.
TEST(Regression, TakesWhatPartsDifferByForNoError) {
  std::vector<double> steady;
  std::vector<double> mixed;
  for (int i = 0; i < 40; ++i) {
    steady.push_back(i);
    mixed.push_back(i * 23 % 40);
  }
  EXPECT_LT(10 * Regression(40).half_width_of(steady), Regression(40).half_width_of(mixed));
}

TEST(Regression, LeavesOutWhatOneValueAloneTells) {
  std::vector<double> x(20, 0);
  std::vector<double> y(20, 1);
  x[7] = y[7] = 50;
  Regression regression(20);
  regression.explain_by(x, 10);
  EXPECT_DOUBLE_EQ(regression.mean_of(y), 69.0 / 20);
  EXPECT_GT(regression.half_width_of(y), 2.4);
}

TEST(Regression, WidensItsIntervalWhereTheValuesThatCountMostVaryMost) {
  std::vector<double> x;
  std::vector<double> calm;
  std::vector<double> wild;
  for (int i = 0; i < 40; ++i) {
    x.push_back(i);
    const double sign = i / 2 % 2 == 0 ? 1 : -1;
    // As much in all, but at the ends of x or in its middle.
    calm.push_back(i >= 10 && i < 30 ? sign : 0);
    wild.push_back(i >= 10 && i < 30 ? 0 : sign);
  }
  Regression regression(40);
  regression.explain_by(x, 60);
  EXPECT_GT(regression.half_width_of(wild), 2 * regression.half_width_of(calm));
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
