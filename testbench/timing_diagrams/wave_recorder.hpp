#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace eptsim::tb {

/// Collects what signals do from cycle to cycle and writes it as WaveJSON, the text that WaveDrom
/// draws. A signal that is not mentioned in a cycle is low, or without a value.
class WaveRecorder {
 public:
  /// `signals` from top to bottom; an empty name leaves a gap.
  WaveRecorder(std::string title, std::vector<std::string> signals);

  void begin_cycle();
  /// A single wire is high in this cycle.
  void high(std::string_view signal);
  /// A bus carries `value` in this cycle; the same value as before is drawn as one box.
  void value(std::string_view signal, const std::string& value);

  std::string wave_json() const;

 private:
  /// What a signal is in a cycle: nothing, "1", or a bus value.
  struct Cell {
    bool bus = false;
    std::string text;
    friend bool operator==(const Cell&, const Cell&) = default;
  };
  std::vector<Cell>& row(std::string_view signal);

  std::string title_;
  std::vector<std::string> signals_;
  std::map<std::string, std::vector<Cell>, std::less<>> rows_;
  std::size_t cycles_ = 0;
};

}  // namespace eptsim::tb
