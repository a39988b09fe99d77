#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/rtl_walker/waveform.hpp"

namespace eptsim::tb {

/// The pins of a Verilated walker, whatever its configuration.
class WalkerPins {
 public:
  virtual ~WalkerPins() = default;

  virtual void reset() = 0;
  /// The inputs of a cycle come.
  virtual void begin(const mmu::WalkerInputs& inputs) = 0;
  /// The edge comes that ends the cycle begun.
  virtual void end() = 0;
  /// Both, the inputs being those of a later cycle: all logic is evaluated but once.
  virtual void end_and_begin(const mmu::WalkerInputs& inputs) = 0;
  /// Reads the outputs that hold now into `outputs`, but for `next_cycle`.
  virtual void sample(mmu::WalkerOutputs& outputs) const = 0;
  /// Whether the unit has something to do in this cycle, whatever its inputs are.
  virtual bool active() const = 0;
  /// Ends the waveform, if one is recorded. Whether there is anything in it.
  virtual bool end_waveform() { return false; }
  /// Writes how often each line of the RTL was reached since it was made, for verilator_coverage.
  /// Whether that was counted. Throws std::runtime_error if the file can't be written.
  virtual bool write_lines([[maybe_unused]] const std::string& file) { return false; }
};

/// Throws std::invalid_argument if no configuration has that name.
std::unique_ptr<WalkerPins> make_walker_pins(std::string_view configuration);
/// Those of a walker that records a waveform and counts lines, which makes it slower. Throws
/// std::runtime_error if the file can't be written.
std::unique_ptr<WalkerPins> make_walker_pins(std::string_view configuration,
                                             const Waveform& waveform);

}  // namespace eptsim::tb
