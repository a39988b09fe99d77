#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/rtl_walker/waveform.hpp"

namespace eptsim::tb {

class WalkerPins;

/// The SystemVerilog walker of rtl/, Verilated, in one of the configurations of
/// rtl/configurations.json. Each object is a walker of its own.
///
/// The unit reads the time from outside (its port time_i). While it says that it is not active,
/// nothing in it changes in a cycle without a valid input: such cycles need not be clocked.
class RtlWalker final : public mmu::WalkerUnit {
 public:
  /// Throws std::invalid_argument if there is no configuration of that name.
  explicit RtlWalker(std::string_view configuration = "single");
  /// One that records `waveform`, and is slower for it. Throws std::runtime_error, too, if the
  /// file can't be written.
  RtlWalker(std::string_view configuration, const Waveform& waveform);
  ~RtlWalker() override;

  /// The name of a feature that `context` asks for and the RTL lacks; empty if it has all.
  static std::optional<std::string> unsupported(const mmu::Context& context);

  void reset() override;
  const mmu::WalkerOutputs& outputs() const override;
  /// Throws std::invalid_argument if a request is offered that asks for what the RTL lacks.
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override;
  /// Throws as `tick` does.
  void watch(const mmu::WalkerInputs& inputs, mmu::WalkerOutputs& driven) override;

  /// Records no more, and closes the waveform's file. Whether there is anything in it.
  bool end_waveform();
  /// Writes how often each line of the RTL was reached, if it is one that records. Whether it is.
  bool write_lines(const std::string& file);

 private:
  void sample(mmu::WalkerOutputs& outputs) const;

  std::unique_ptr<WalkerPins> pins_;
  mmu::Cycle cycle_ = 0;  ///< of the last inputs
  // Worked out when they are asked for.
  mutable mmu::WalkerOutputs outputs_;
  mutable bool begun_ = false;  ///< the cycle of the last inputs awaits its edge
};

}  // namespace eptsim::tb
