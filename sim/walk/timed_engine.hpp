#pragma once

#include <memory>

#include "mmu_model/walker/walker_unit.hpp"
#include "sim/walk/walk_engine.hpp"

namespace eptsim::sim {

/// A walker, SystemC or RTL, in time: the unit stands in its SystemC module before a memory of
/// fixed latency, and requests go through one by one. There is one SystemC kernel a process, so
/// there may be one such engine.
class TimedEngine final : public WalkEngine {
 public:
  TimedEngine(const mmu::WalkContext& context, arch::PhysicalMemory& memory, unsigned memory_cycles,
              std::unique_ptr<mmu::WalkerUnit> unit);
  ~TimedEngine() override;

  void answer(const mmu::Request& request, WalkAnswer& answer) override;

 private:
  struct Bench;

  mmu::WalkContext context_;
  std::unique_ptr<Bench> bench_;
};

}  // namespace eptsim::sim
