#include "sim/run/simulation.hpp"

#include <memory>
#include <stdexcept>
#include <systemc>

#include "mmu_model/modules/hardware.hpp"
#include "mmu_model/modules/kernel.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "sim/run/core.hpp"
#include "sim/run/system_software.hpp"
#ifdef EPTSIM_HAS_RTL
#include "testbench/rtl_walker/rtl_walker.hpp"
#endif

namespace eptsim::sim {
namespace {

std::unique_ptr<mmu::WalkerUnit> make_walker(const RunSettings& settings) {
  if (settings.machine.walker_slots != 1) {
    throw InputError("walker.slots", std::to_string(settings.machine.walker_slots) +
                                         " walks at a time are not built yet, expected 1");
  }
  if (settings.walker == WalkerKind::kModel) return std::make_unique<mmu::ModelWalker>();
#ifdef EPTSIM_HAS_RTL
  return std::make_unique<tb::RtlWalker>();
#else
  throw InputError("--walker", "this program was built without the RTL walker, expected model",
                   "configure with EPTSIM_BUILD_RTL=ON");
#endif
}

/// One machine with its software and a trace to run.
class Simulation {
 public:
  Simulation(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
             const std::function<void(std::uint64_t)>& progress)
      : hardware_("machine", settings.machine.hardware, make_walker(settings)),
        software_(hardware_.dram(), settings.machine, settings.mode),
        core_("core", hardware_.timeline(), hardware_.mmu().tlbs(), software_,
              {.settings = settings,
               .memory = hardware_.dram(),
               .trace = trace,
               .stop = stop,
               .progress = progress,
               .reset_counters = [this] { hardware_.reset_counters(); }}) {
    core_.port().mmu.bind(hardware_.mmu().core);
  }

  RunResult run() {
    // Ends by itself: when the core is through, nothing has anything left to do.
    mmu::run_kernel();
    if (!core_.finished()) {
      throw std::logic_error("the machine stands still: a walk was never answered");
    }
    RunResult result;
    if (const std::exception_ptr exception = core_.exception()) {
      try {
        std::rethrow_exception(exception);
      } catch (const InputError& error) {
        result.error = error;
      } catch (const Interrupted&) {
        // As with `stop`: what was measured so far is partial.
      }
    }
    core_.report(result);
    if (core_.is_warm()) {
      result.l1i = hardware_.mmu().tlbs().l1i();
      result.l1d = hardware_.mmu().tlbs().l1d();
      result.l2 = hardware_.mmu().tlbs().l2();
      result.walker = hardware_.walker_counters();
    }
    result.page_bytes = software_.page_bytes();
    result.guest_table_bytes = software_.guest_table_bytes();
    result.ept_table_bytes = software_.ept_table_bytes();
    return result;
  }

 private:
  mmu::Hardware hardware_;
  SystemSoftware software_;
  Core core_;
};

}  // namespace

RunResult simulate(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t)>& progress) {
  return Simulation(settings, trace, stop, progress).run();
}

}  // namespace eptsim::sim
