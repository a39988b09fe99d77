#pragma once

#include <cstddef>
#include <vector>

namespace eptsim::sim {

/// Estimates the mean of a population from a sample, with the help of other variables of which the
/// population's means are known: least squares. Without any it is the sample's mean. The sample is
/// one value of each of as many equal parts of the population, in their order.
///
/// The variables are made orthogonal as they come, so that each is a term of its own; one that the
/// others already explain, or that is the same everywhere, is left out. So is every one if the
/// sample is too small to tell what it explains.
class Regression {
 public:
  explicit Regression(std::size_t count) : count_(count) {}

  /// Adds a variable: its values in the sample, and its mean in the population.
  void explain_by(std::vector<double> values, double population_mean);

  /// The estimated mean of a variable with `values` in the sample, which isn't empty.
  double mean_of(const std::vector<double>& values) const;
  /// Half the width of its 95 % confidence interval. Infinite for a sample of one.
  double half_width_of(const std::vector<double>& values) const;

 private:
  struct Term {
    std::vector<double> values;  ///< of mean 0, orthogonal to those before
    double square = 0;           ///< their sum of squares
    double offset = 0;           ///< the population's mean of it
  };

  std::size_t count_;
  std::vector<Term> terms_;
};

/// The value that a variable with Student's t distribution of so many degrees of freedom exceeds
/// in absolute value once in 20 times. Infinite for 0.
double student_t(std::size_t degrees_of_freedom);

}  // namespace eptsim::sim
