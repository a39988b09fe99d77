#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "sim/output/progress.hpp"

namespace eptsim::sim::sweep {

/// How far a sweep is.
struct State {
  std::size_t points = 0;
  std::size_t done = 0;
  std::size_t under_way = 0;
  std::size_t failed = 0;              ///< attempts
  std::optional<double> seconds_left;  ///< about
};

/// The line's text: "37 of 100 points, 4 under way, 1 failed, 3 min 05 s left".
std::string progress_line(const State& state);

/// One line on standard error that is written over as points end. With kAuto only on a terminal;
/// elsewhere, as in the log of a job, a line of its own now and then.
class SweepProgress {
 public:
  explicit SweepProgress(ProgressMode mode);
  /// Wipes the line.
  ~SweepProgress();
  SweepProgress(const SweepProgress&) = delete;
  SweepProgress& operator=(const SweepProgress&) = delete;

  void update(const State& state);
  /// Before something else is said.
  void wipe();

 private:
  using Clock = std::chrono::steady_clock;
  enum class Way : std::uint8_t { kNone, kWrittenOver, kLines };

  Way way_;
  Clock::time_point next_;
  bool written_ = false;
};

}  // namespace eptsim::sim::sweep
