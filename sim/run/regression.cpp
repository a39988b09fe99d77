#include "sim/run/regression.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace eptsim::sim {
namespace {

constexpr std::size_t kEnough = 10;  // values of a variable that is to explain anything
constexpr double kNothing = 1e-9;    // of a sum of squares: rounding
constexpr double kOneAlone = 0.5;    // of a sum of squares: what one value may have of it

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

void Regression::explain_by(std::vector<double> values, double population_mean) {
  if (count_ < kEnough) return;
  const double before = dot(values, values);
  const double sample_mean = mean(values);
  for (double& value : values) value -= sample_mean;
  double offset = population_mean - sample_mean;
  for (const Term& term : terms_) {
    const double slope = dot(values, term.values) / term.square;
    for (std::size_t i = 0; i < count_; ++i) values[i] -= slope * term.values[i];
    offset -= slope * term.offset;
  }
  const double square = dot(values, values);
  double most = 0;
  for (const double value : values) most = std::max(most, value * value);
  if (square <= kNothing * before || most > kOneAlone * square) return;
  terms_.push_back({std::move(values), square, offset});
}

double Regression::mean_of(const std::vector<double>& values) const {
  double estimate = mean(values);
  for (const Term& term : terms_) {
    estimate += dot(values, term.values) / term.square * term.offset;
  }
  return estimate;
}

/// Each value's own residual, in proportion to what it has in the estimate, stands for how far such
/// a one may be off: they differ, so one variance for all would say too little where those that
/// vary have most. A residual is too small by the value's own pull on the fit, and is made up for
/// that (the estimator HC3). There is one value of each part of the population, and what the parts
/// differ by is no error of the estimate: so what counts is how far a value is from its neighbour,
/// half its square (von Neumann, Distribution of the ratio of the mean square successive difference
/// to the variance, 1941), which is too much by what neighbouring parts differ, and varies itself
/// as if a third of the values weren't there. Where few values are large the mean itself lies askew
/// around its estimate, and Student's interval is too narrow on one side: both get what that side
/// lacks, the skewness of the mean times (1 + 2 t^2) / 6 (Johnson, Modified t tests and confidence
/// intervals for asymmetrical populations, 1978).
double Regression::half_width_of(const std::vector<double>& values) const {
  if (count_ < 2) return std::numeric_limits<double>::infinity();
  const std::size_t freedom = std::max<std::size_t>(2 * (count_ - 1 - terms_.size()) / 3, 1);
  const auto count = static_cast<double>(count_);
  const double sample_mean = mean(values);
  std::vector<double> slopes;
  for (const Term& term : terms_) slopes.push_back(dot(values, term.values) / term.square);
  double variance = 0;  // from neighbours
  double square = 0;    // and as if there weren't any
  double third = 0;
  double before = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    double left = values[i] - sample_mean;
    double pull = 1 / count;
    double weight = 1 / count;
    for (std::size_t k = 0; k < terms_.size(); ++k) {
      const Term& term = terms_[k];
      left -= slopes[k] * term.values[i];
      pull += term.values[i] * term.values[i] / term.square;
      weight += term.values[i] * term.offset / term.square;
    }
    const double part = weight * left / std::max(1 - pull, kNothing);
    if (i != 0) variance += (part - before) * (part - before) / 2;
    square += part * part;
    third += part * part * part;
    before = part;
  }
  if (variance == 0) return 0;
  const double t = student_t(freedom);
  const double skewness = std::abs(third) / (square * std::sqrt(square));
  return (t + skewness * (1 + 2 * t * t) / 6) * std::sqrt(variance);
}

double student_t(std::size_t degrees_of_freedom) {
  constexpr std::array<double, 30> kTable = {
      12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
      2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (degrees_of_freedom == 0) return std::numeric_limits<double>::infinity();
  if (degrees_of_freedom <= kTable.size()) return kTable.at(degrees_of_freedom - 1);
  // The first terms of the expansion by 1 / degrees of freedom.
  const double inverse = 1 / static_cast<double>(degrees_of_freedom);
  return 1.95996 + inverse * (2.37227 + inverse * 2.8225);
}

}  // namespace eptsim::sim
