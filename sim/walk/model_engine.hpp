#pragma once

#include "mmu_model/walk/walk.hpp"
#include "sim/walk/walk_engine.hpp"

namespace eptsim::sim {

/// The step machine run at once. Its `cycles` are those of the walker `single`
/// (docs/microarchitecture.md): every memory request takes its latency and one cycle more.
class ModelEngine final : public WalkEngine {
 public:
  ModelEngine(const mmu::WalkContext& context, arch::PhysicalMemory& memory, unsigned memory_cycles)
      : context_(context), memory_(memory), memory_cycles_(memory_cycles) {}

  void answer(const mmu::Request& request, WalkAnswer& answer) override;

 private:
  mmu::WalkContext context_;
  arch::PhysicalMemory& memory_;
  unsigned memory_cycles_;
};

}  // namespace eptsim::sim
