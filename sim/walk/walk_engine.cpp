#include "sim/walk/walk_engine.hpp"

#include <fmt/format.h>

#include "ept/arch/registers.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/walk/model_engine.hpp"
#include "sim/walk/oracle_engine.hpp"
#include "sim/walk/timed_engine.hpp"
#ifdef EPTSIM_HAS_RTL
#include "testbench/rtl_walker/rtl_walker.hpp"
#endif

namespace eptsim::sim {
namespace {

#ifdef EPTSIM_HAS_RTL
class RtlEngine final : public WalkEngine {
 public:
  RtlEngine(const mmu::WalkContext& context, arch::PhysicalMemory& memory, unsigned memory_cycles)
      : engine_(context, memory, memory_cycles, std::make_unique<tb::RtlWalker>()) {}

  void answer(const mmu::Request& request, WalkAnswer& answer) override {
    engine_.answer(request, answer);
  }

 private:
  TimedEngine engine_;
};
#endif

std::unique_ptr<WalkEngine> make_rtl_engine(const mmu::WalkContext& context,
                                            arch::PhysicalMemory& memory, unsigned memory_cycles) {
#ifdef EPTSIM_HAS_RTL
  if (const auto feature = tb::RtlWalker::unsupported(context.raw)) {
    throw InputError("--engine rtl", *feature + " is not in this build's RTL");
  }
  return std::make_unique<RtlEngine>(context, memory, memory_cycles);
#else
  static_cast<void>(context);
  static_cast<void>(memory);
  static_cast<void>(memory_cycles);
  throw InputError("--engine rtl", "this program was built without the RTL walker");
#endif
}

}  // namespace

std::unique_ptr<WalkEngine> make_walk_engine(std::string_view name, const mmu::Context& context,
                                             arch::PhysicalMemory& memory, unsigned memory_cycles) {
  mmu::WalkContext walk_context(context);
  if (const auto error = load_pdptes(walk_context, memory)) {
    throw InputError(
        fmt::format("physical memory {:#x}", context.cr3 & arch::cr3::kPaeAddress.mask()),
        error->text);
  }
  if (name == "model") return std::make_unique<ModelEngine>(walk_context, memory, memory_cycles);
  if (name == "oracle") return std::make_unique<OracleEngine>(context, memory);
  if (name == "rtl") return make_rtl_engine(walk_context, memory, memory_cycles);
  if (name == "systemc") {
    return std::make_unique<TimedEngine>(walk_context, memory, memory_cycles,
                                         std::make_unique<mmu::ModelWalker>());
  }
  throw InputError(
      "--engine",
      fmt::format("unknown engine '{}', expected one of {}", name, fmt::join(kWalkEngines, ", ")),
      did_you_mean(name, kWalkEngines));
}

}  // namespace eptsim::sim
