#pragma once

#include <optional>
#include <string>

#include "mmu_model/walk/walk_context.hpp"
#include "sim/walk/walk_engine.hpp"
#include "testbench/oracle/oracle.hpp"

namespace eptsim::sim {

/// The independent oracle. It knows no time: `cycles` is 0.
class OracleEngine final : public WalkEngine {
 public:
  OracleEngine(const mmu::Context& context, arch::PhysicalMemory& memory);

  void answer(const mmu::Request& request, WalkAnswer& answer) override;
  std::optional<std::string> missing(const mmu::Request& request) const override;

 private:
  void tell_guest_levels(const mmu::Request& request, mmu::Recording& recording) const;

  mmu::WalkContext context_;
  oracle::State state_;
  oracle::Memory memory_;
};

}  // namespace eptsim::sim
