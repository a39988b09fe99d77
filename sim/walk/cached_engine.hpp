#pragma once

#include "mmu_model/caches/translation_caches.hpp"
#include "mmu_model/settings.hpp"
#include "sim/walk/processor_operation.hpp"
#include "sim/walk/walk_engine.hpp"

namespace eptsim::sim {

/// One logical processor whose TLBs, structure caches and nested TLB live from request to request,
/// with the memory, the registers and the PML index: shows what a missing invalidation leaves. Its
/// `cycles` are those of the walks' memory requests, as the engine `model` counts them; 0 for a TLB
/// hit.
class CachedEngine final : public WalkEngine {
 public:
  CachedEngine(const mmu::Context& context, arch::PhysicalMemory& memory,
               const mmu::MachineSettings& machine);

  void answer(const mmu::Request& request, WalkAnswer& answer) override;

  /// Does what software asks. Throws InputError at `place` for operands with which the instruction
  /// fails (VMfail, #GP), and for registers that VM entry would refuse.
  void apply(const ProcessorOperation& operation, const std::string& place);

  /// As the operations so far have left it; requests are checked against it.
  const mmu::Context& context() const { return context_.raw; }

 private:
  void invalidate(const ProcessorOperation& operation, const std::string& place);
  void move_to_control_register(const ProcessorOperation& operation, const std::string& place);
  mmu::WalkContext checked(const mmu::Context& context, const std::string& place);

  mmu::WalkContext context_;
  arch::PhysicalMemory& memory_;
  unsigned memory_cycles_;
  mmu::TranslationCaches caches_;
};

}  // namespace eptsim::sim
