#include "testbench/scoreboard/stream_check.hpp"

#include "testbench/scoreboard/stream_shrink.hpp"

namespace eptsim::tb {

namespace {

/// "references[3]" and "references[5]" are the same kind of thing.
std::string stem(const std::string& field) { return field.substr(0, field.find_first_of("[,")); }

bool alike(const Finding& a, const Finding& b) {
  return a.expected == b.expected && a.got == b.got &&
         stem(a.differences.front().field) == stem(b.differences.front().field);
}

}  // namespace

std::optional<StreamMismatch> StreamCheck::run(std::uint64_t walks,
                                               const std::function<bool(std::uint64_t)>& go_on) {
  for (std::uint64_t number = 0; judge_.tally().walks < walks; ++number) {
    if (go_on && !go_on(judge_.tally().walks)) break;
    if (auto mismatch = check(number)) return mismatch;
  }
  return std::nullopt;
}

std::optional<StreamMismatch> StreamCheck::replay(std::uint64_t number) { return check(number); }

std::optional<StreamMismatch> StreamCheck::check(std::uint64_t number) {
  generator_.make(number, stream_);
  auto found = judge_.check(stream_);
  if (!found) return std::nullopt;
  if (on_finding_) on_finding_();
  const auto fails = [&](const Stream& candidate) {
    const auto again = judge_.check_alone(candidate);
    return again && alike(again->finding, found->finding);
  };
  const bool alone = fails(stream_);
  StreamMismatch mismatch{.number = number,
                          .found = *found,
                          .stream = stream_,
                          .alone = alone,
                          .smallest = alone ? shrink(stream_, fails) : stream_,
                          .found_in_smallest = *found};
  if (!alone) return mismatch;
  if (auto again = judge_.check_alone(mismatch.smallest)) {
    mismatch.found_in_smallest = std::move(*again);
  }
  return mismatch;
}

}  // namespace eptsim::tb
