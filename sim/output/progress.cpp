#include "sim/output/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <string_view>

namespace eptsim::sim {
namespace {

using namespace std::chrono_literals;

std::string millions(double value) {
  return value < 999.5e6 ? fmt::format("{:.1f} M", value / 1e6)
                         : fmt::format("{:.2f} G", value / 1e9);
}

void write_error(std::string_view text) {
  // Nothing depends on it: a closed standard error doesn't stop a run.
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string progress_line(const std::string& what, std::uint64_t accesses, double seconds,
                          std::optional<double> fraction) {
  const auto done = static_cast<double>(accesses);
  std::string line = fmt::format("{}  {} accesses", what, millions(done));
  if (seconds > 0) line += fmt::format(", {}/s", millions(done / seconds));
  if (fraction && *fraction > 0 && *fraction <= 1) {
    line += fmt::format(", {:.0f} %, {} left", std::floor(*fraction * 100),
                        duration_text(seconds * (1 - *fraction) / *fraction));
  }
  return line;
}

Progress::Progress(ProgressMode mode, std::string what)
    : shown_(mode == ProgressMode::kAlways ||
             (mode == ProgressMode::kAuto && ::isatty(STDERR_FILENO) == 1)),
      what_(std::move(what)),
      next_(begin_ + 300ms) {
  if (mode == ProgressMode::kAlways) next_ = begin_;
}

Progress::~Progress() {
  if (written_) write_error("\r\x1b[K");
}

void Progress::update(std::uint64_t accesses, std::optional<double> fraction) {
  if (!shown_) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + 200ms;
  written_ = true;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  write_error("\r\x1b[K" + progress_line(what_, accesses, seconds, fraction));
}

}  // namespace eptsim::sim
