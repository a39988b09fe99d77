#include "sim/sweep/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace eptsim::sim::sweep {
namespace {

using namespace std::chrono_literals;

constexpr auto kBetweenLines = 30s;
constexpr auto kBetweenUpdates = 200ms;

void write_error(const std::string& text) {
  // Nothing depends on it: a closed standard error doesn't stop a sweep.
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string progress_line(const State& state) {
  std::string line = fmt::format("{} of {} points", state.done, state.points);
  if (state.under_way > 0) line += fmt::format(", {} under way", state.under_way);
  if (state.failed > 0) line += fmt::format(", {} failed", state.failed);
  if (state.seconds_left) line += ", " + duration_text(*state.seconds_left) + " left";
  return line;
}

SweepProgress::SweepProgress(ProgressMode mode)
    : way_(mode == ProgressMode::kNever    ? Way::kNone
           : mode == ProgressMode::kAlways ? Way::kWrittenOver
           : ::isatty(STDERR_FILENO) == 1  ? Way::kWrittenOver
                                           : Way::kLines),
      next_(Clock::now() +
            (way_ == Way::kLines ? Clock::duration(kBetweenLines) : Clock::duration::zero())) {}

SweepProgress::~SweepProgress() { wipe(); }

void SweepProgress::update(const State& state) {
  const Clock::time_point now = Clock::now();
  if (way_ == Way::kNone || now < next_) return;
  if (way_ == Way::kLines) {
    next_ = now + kBetweenLines;
    write_error(progress_line(state) + "\n");
  } else {
    next_ = now + kBetweenUpdates;
    written_ = true;
    write_error("\r\x1b[K" + progress_line(state));
  }
}

void SweepProgress::wipe() {
  if (written_) write_error("\r\x1b[K");
  written_ = false;
}

}  // namespace eptsim::sim::sweep
