#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "testbench/rtl_walker/waveform.hpp"
#include "testbench/scoreboard/voices.hpp"

namespace eptsim::tb {

class RtlWalker;

/// The waveform of the RTL in a cross-check, and the lines of it that were reached.
class RtlRecording {
 public:
  /// Whether this build has the RTL.
  static bool built();

  /// Throws std::invalid_argument if this build has no RTL of that configuration, and
  /// std::runtime_error if the file can't be written.
  RtlRecording(std::string_view configuration, const Waveform& waveform);
  ~RtlRecording();

  /// Puts the walker that is recorded in the place of the voices' RTL. All voices to which this is
  /// done share it; it must outlive them.
  void take_part(Voices& voices);
  /// Records no more, and closes the file. Whether there is anything in it.
  bool end();
  /// Writes how often each line was reached, as verilator_coverage reads it.
  void write_lines(const std::string& file);

 private:
  std::unique_ptr<RtlWalker> walker_;
};

}  // namespace eptsim::tb
