#include "sim/run/regression.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace eptsim::sim {
namespace {

constexpr std::size_t kEnough = 10;  // values of a variable that is to explain anything
constexpr double kNothing = 1e-9;    // of a sum of squares: rounding

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
  if (square > kNothing * before) terms_.push_back({std::move(values), square, offset});
}

double Regression::mean_of(const std::vector<double>& values) const {
  double estimate = mean(values);
  for (const Term& term : terms_) {
    estimate += dot(values, term.values) / term.square * term.offset;
  }
  return estimate;
}

double Regression::half_width_of(const std::vector<double>& values) const {
  const std::size_t freedom = count_ - 1 - terms_.size();
  if (freedom == 0) return std::numeric_limits<double>::infinity();
  const double sample_mean = mean(values);
  std::vector<double> left = values;
  for (double& value : left) value -= sample_mean;
  double spread = 1 / static_cast<double>(count_);
  for (const Term& term : terms_) {
    const double slope = dot(values, term.values) / term.square;
    for (std::size_t i = 0; i < count_; ++i) left[i] -= slope * term.values[i];
    spread += term.offset * term.offset / term.square;
  }
  const double variance = dot(left, left) / static_cast<double>(freedom);
  return student_t(freedom) * std::sqrt(variance * spread);
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
