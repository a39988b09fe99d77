#include "testbench/timing_diagrams/wave_recorder.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace eptsim::tb {

WaveRecorder::WaveRecorder(std::string title, std::vector<std::string> signals)
    : title_(std::move(title)), signals_(std::move(signals)) {
  for (const std::string& signal : signals_) {
    if (!signal.empty()) rows_[signal];
  }
}

void WaveRecorder::begin_cycle() {
  ++cycles_;
  for (auto& [signal, cells] : rows_) cells.emplace_back();
}

std::vector<WaveRecorder::Cell>& WaveRecorder::row(std::string_view signal) {
  const auto found = rows_.find(signal);
  if (found == rows_.end()) throw std::invalid_argument("no signal " + std::string(signal));
  return found->second;
}

void WaveRecorder::high(std::string_view signal) { row(signal).back().text = "1"; }

void WaveRecorder::value(std::string_view signal, const std::string& value) {
  row(signal).back() = {.bus = true, .text = value};
}

std::string WaveRecorder::wave_json() const {
  std::string text = "{\n  \"head\": {\"text\": \"" + title_ + "\", \"tick\": 0},\n";
  text += "  \"config\": {\"hscale\": 2},\n  \"signal\": [\n";
  std::size_t width = 0;
  for (const std::string& signal : signals_) width = std::max(width, signal.size());
  std::string lines;
  for (const std::string& signal : signals_) {
    if (!lines.empty()) lines += ",\n";
    if (signal.empty()) {
      lines += "    {}";
      continue;
    }
    const std::vector<Cell>& cells = rows_.find(signal)->second;
    const bool bus =
        std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return cell.bus; });
    std::string wave;
    std::string data;
    for (std::size_t cycle = 0; cycle < cells.size(); ++cycle) {
      const Cell& cell = cells[cycle];
      if (cycle > 0 && cell == cells[cycle - 1]) {
        wave += '.';
      } else if (cell.bus) {
        wave += '=';
        if (!data.empty()) data += ", ";
        data += '"' + cell.text + '"';
      } else if (bus) {
        wave += 'z';
      } else {
        wave += cell.text.empty() ? '0' : '1';
      }
    }
    lines += "    {\"name\": \"" + signal + "\", \"wave\": \"" + wave + '"';
    if (!data.empty()) lines += ", \"data\": [" + data + "]";
    lines += "}";
  }
  return text + lines + "\n  ]\n}\n";
}

}  // namespace eptsim::tb
