#pragma once

#include <memory>
#include <optional>
#include <string>

#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// The SystemVerilog walker of rtl/, Verilated, configuration `single`. Each object is a walker of
/// its own.
///
/// The unit reads the time from outside (its port time_i), and nothing in it changes in a cycle
/// without a valid input: cycles between two ticks need not be clocked, and `next_cycle` is
/// kNever.
class RtlWalker final : public mmu::WalkerUnit {
 public:
  RtlWalker();
  ~RtlWalker() override;

  /// The name of a feature that `context` (or `request`) asks for and the RTL lacks; empty if it
  /// has all.
  static std::optional<std::string> unsupported(const mmu::Context& context);
  static std::optional<std::string> unsupported(const mmu::Request& request);

  void reset() override;
  const mmu::WalkerOutputs& outputs() const override { return outputs_; }
  /// Throws std::invalid_argument if a request is offered that asks for what the RTL lacks.
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override;

 private:
  struct Pins;

  std::unique_ptr<Pins> pins_;
  mmu::WalkerOutputs outputs_;
};

}  // namespace eptsim::tb
