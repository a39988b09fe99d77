#include "testbench/scoreboard/cross_check.hpp"

#include "testbench/scoreboard/shrink.hpp"

namespace eptsim::tb {

namespace {

constexpr std::uint64_t kBlock = 16;

/// "references[3]" and "references[5]" are the same kind of thing.
std::string stem(const std::string& field) { return field.substr(0, field.find_first_of("[,")); }

bool alike(const Finding& a, const Finding& b) {
  return a.expected == b.expected && a.got == b.got &&
         stem(a.differences.front().field) == stem(b.differences.front().field);
}

}  // namespace

CrossCheck::CrossCheck(Voices voices, std::uint64_t seed, Features features)
    : generator_(seed, features), judge_(std::move(voices)) {}

std::optional<Mismatch> CrossCheck::run(std::uint64_t walks,
                                        const std::function<bool(std::uint64_t)>& go_on) {
  if (walks == 0) return std::nullopt;
  return run_cases(0, walks - 1, go_on);
}

std::optional<Mismatch> CrossCheck::replay(std::uint64_t number) {
  return run_cases(number - number % kBlock, number, {});
}

/// `last` included: it may be the greatest number there is.
std::optional<Mismatch> CrossCheck::run_cases(std::uint64_t first, std::uint64_t last,
                                              const std::function<bool(std::uint64_t)>& go_on) {
  std::optional<Finding> refusal;
  for (std::uint64_t number = first;; ++number) {
    current_ = number % 2;
    const PreparedCase& prepared = cases_[current_];
    if (number % kBlock == 0) {
      if (go_on && !go_on(number)) break;
      judge_.reset();
      refusal = make(number, cases_[current_]);
    }
    if (refusal) return explain(number, prepared.test, std::move(*refusal));
    // The case after this is made whether or not it will be run, for its request may be offered
    // early.
    const PreparedCase* next = nullptr;
    if ((number + 1) % kBlock != 0) {
      PreparedCase& after = cases_[1 - current_];
      refusal = make(number + 1, after);
      if (!refusal && after.context) next = &after;
    }
    if (auto found = judge_.check(prepared, prepared.context ? next : nullptr)) {
      return explain(number, prepared.test, std::move(*found));
    }
    if (number == last) break;
  }
  return std::nullopt;
}

std::optional<Finding> CrossCheck::make(std::uint64_t number, PreparedCase& prepared) {
  generator_.make(number, prepared.test);
  prepared.tag = static_cast<std::uint32_t>(number * 0x9e3779b1);
  return judge_.prepare(prepared);
}

Mismatch CrossCheck::explain(std::uint64_t number, const TestCase& test, Finding finding) {
  if (on_finding_) on_finding_();
  Mismatch mismatch{
      .number = number, .finding = std::move(finding), .test = test, .smallest = std::nullopt};
  const auto fails = [&](const TestCase& candidate) {
    const auto found = judge_.check_alone(candidate);
    return found && alike(*found, mismatch.finding);
  };
  if (fails(test)) mismatch.smallest = shrink(test, fails);
  return mismatch;
}

}  // namespace eptsim::tb
