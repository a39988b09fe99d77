#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/output/output_file.hpp"
#include "sim/temporary_folder.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/rtl_recording.hpp"
#include "testbench/scoreboard/stream_check.hpp"

namespace eptsim::sim {

/// The waveform that `eptsim verify --wave` leaves: recorded in a temporary file, and put in its
/// place when it is whole.
class VerifyWave {
 public:
  /// Finds out now whether `file` can be written. Throws InputError.
  VerifyWave(const std::string& file, std::optional<std::uint64_t> first,
             std::optional<std::uint64_t> last);
  VerifyWave(const VerifyWave&) = delete;
  VerifyWave& operator=(const VerifyWave&) = delete;

  /// Whether a range was asked for.
  bool ranged() const { return first_ || last_; }
  /// Begins to record; from here on voices that it joins have a recorded RTL.
  void begin(std::string_view configuration);
  bool begun() const { return recording_.has_value(); }
  void join(tb::Voices& voices);
  /// The recording ends where `check` finds a mismatch: what is tried after that to make it smaller
  /// is left out.
  template <typename Check>
  void end_at_mismatch(Check& check) {
    if (recording_) check.on_finding([this] { end(); });
  }
  /// Ends the recording and writes the file. If there is nothing in it, says so, and throws
  /// InputError if it is `needed`.
  void write(bool needed);

 private:
  void end();

  std::string shown_;
  OutputFile file_;
  std::optional<std::uint64_t> first_;
  std::optional<std::uint64_t> last_;
  std::optional<TemporaryFolder> folder_;
  std::optional<tb::RtlRecording> recording_;
  bool ended_ = false;
  bool recorded_ = false;  ///< something
};

}  // namespace eptsim::sim
