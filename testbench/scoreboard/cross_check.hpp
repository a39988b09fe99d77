#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "testbench/scoreboard/judge.hpp"
#include "testbench/stimulus/generator.hpp"

namespace eptsim::tb {

/// The first disagreement of a run.
struct Mismatch {
  std::uint64_t number = 0;  ///< of the walk
  Finding finding;
  TestCase test;
  /// The least that still shows it; none if it takes the walks before it, too.
  std::optional<TestCase> smallest;
};

/// Runs numbered cases through all voices. The clocked walkers are reset before each block of cases
/// and not between, so a walk may show what an earlier one left behind.
class CrossCheck {
 public:
  CrossCheck(Voices voices, std::uint64_t seed, Features features);

  /// Cases 0 to `walks`-1, up to the first mismatch. `go_on` is called now and then with the number
  /// of walks done; the run ends if it says no.
  std::optional<Mismatch> run(std::uint64_t walks,
                              const std::function<bool(std::uint64_t)>& go_on = {});
  /// Case `number` as it was met in a run: after the cases of its block that come before it.
  std::optional<Mismatch> replay(std::uint64_t number);

  /// `call` is called at a mismatch, before its smallest form is sought.
  void on_finding(std::function<void()> call) { on_finding_ = std::move(call); }

  const Judge& judge() const { return judge_; }
  /// The case that was checked last.
  const TestCase& test() const { return cases_[current_].test; }
  /// Whether VM entry accepts it.
  bool accepted() const { return cases_[current_].context.has_value(); }

 private:
  std::optional<Mismatch> run_cases(std::uint64_t first, std::uint64_t last,
                                    const std::function<bool(std::uint64_t)>& go_on);
  std::optional<Finding> make(std::uint64_t number, PreparedCase& prepared);
  Mismatch explain(std::uint64_t number, const TestCase& test, Finding finding);

  Generator generator_;
  Judge judge_;
  std::array<PreparedCase, 2> cases_;
  unsigned current_ = 0;
  std::function<void()> on_finding_;
};

}  // namespace eptsim::tb
