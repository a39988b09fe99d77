#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace eptsim::sim {

enum class ProgressMode : std::uint8_t { kAuto, kAlways, kNever };

/// One line on standard error that is written over as the run goes on: how far, how fast, how long
/// yet. With kAuto only where standard error is a terminal.
class Progress {
 public:
  Progress(ProgressMode mode, std::string what);
  /// Wipes the line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `fraction`: how much of the run is done, where that is known.
  void update(std::uint64_t accesses, std::optional<double> fraction);

 private:
  using Clock = std::chrono::steady_clock;

  bool shown_;
  std::string what_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_;  ///< not before then is the line written again
  bool written_ = false;
};

/// "42 s", "3 min 05 s", "1 h 02 min", rounded up.
std::string duration_text(double seconds);

/// The line's text: "nested  12.3 M accesses, 8.4 M/s, 41 %, 2 s left".
std::string progress_line(const std::string& what, std::uint64_t accesses, double seconds,
                          std::optional<double> fraction);

}  // namespace eptsim::sim
