#include "sim/run/simulation.hpp"

#include <memory>
#include <stdexcept>
#include <systemc>
#include <utility>

#include "mmu_model/modules/hardware.hpp"
#include "mmu_model/modules/kernel.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "sim/run/blocking_core.hpp"
#include "sim/run/memory_hash.hpp"
#include "sim/run/system_software.hpp"
#include "sim/run/window_core.hpp"
#include "testbench/paired_walker/paired_walker.hpp"
#ifdef EPTSIM_HAS_RTL
#include "testbench/rtl_walker/rtl_walker.hpp"
#endif

namespace eptsim::sim {
namespace {

/// The machine's walker, and the pair that it is if it is two.
struct Walker {
  std::unique_ptr<mmu::WalkerUnit> unit;
  const tb::PairedWalker* pair = nullptr;
};

Walker make_walker(const RunSettings& settings, const WalkerMaker& rtl) {
  const mmu::WalkerConfiguration& size = settings.machine.hardware.walker;
  if (settings.walker == WalkerKind::kRtl) return {rtl(size)};
  auto model = std::make_unique<mmu::ModelWalker>(size);
  if (settings.walker == WalkerKind::kModel) return {std::move(model)};
  auto pair = std::make_unique<tb::PairedWalker>(std::move(model), rtl(size));
  const tb::PairedWalker* const seen = pair.get();
  return {std::move(pair), seen};
}

/// One machine with its software and a trace to run.
class Simulation {
 public:
  Simulation(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
             const std::function<void(std::uint64_t)>& progress, const WalkerMaker& rtl)
      : Simulation(settings, make_walker(settings, rtl), trace, stop, progress) {}

  RunResult run() {
    // Ends by itself: when the core is through, nothing has anything left to do.
    mmu::run_kernel();
    RunResult result;
    take_exception(result);
    if (!core_->finished() && result.mismatch.empty()) {
      throw std::logic_error("the machine stands still: a walk was never answered");
    }
    core_->report(result);
    if (core_->is_warm()) {
      result.l1i = hardware_.mmu().tlbs().l1i();
      result.l1d = hardware_.mmu().tlbs().l1d();
      result.l2 = hardware_.mmu().tlbs().l2();
      result.walker = hardware_.walker_counters();
      result.caches = hardware_.memory_hierarchy().counters();
    }
    result.page_bytes = software_.page_bytes();
    result.guest_mapped = software_.guest_mapped();
    if (shadow_) {
      result.shadow_mapped = software_.shadow_mapped();
      result.shadow_table_bytes = software_.shadow_table_bytes();
      result.host_map_bytes = software_.host_table_bytes();
    } else {
      result.ept_mapped = software_.host_mapped();
      result.ept_table_bytes = software_.host_table_bytes();
    }
    result.guest_no_large_frame = software_.guest_no_large_frame();
    result.host_no_large_frame = software_.host_no_large_frame();
    result.guest_table_bytes = software_.guest_table_bytes();
    result.memory_hash = hash_of_memory(hardware_.dram());
    return result;
  }

 private:
  Simulation(const RunSettings& settings, Walker walker, TraceReader& trace,
             const std::atomic<bool>& stop, const std::function<void(std::uint64_t)>& progress)
      : shadow_(settings.mode == Mode::kShadow),
        pair_(walker.pair),
        hardware_("machine", settings.machine.hardware, std::move(walker.unit)),
        software_(hardware_.dram(), settings.machine, settings.mode, LinearAreas(trace.areas())),
        core_(make_core(settings, {.settings = settings,
                                   .memory = hardware_.dram(),
                                   .trace = trace,
                                   .stop = stop,
                                   .progress = progress,
                                   .reset_counters = [this] { hardware_.reset_counters(); },
                                   .after_walk =
                                       [this] {
                                         if (pair_ != nullptr) pair_->require_equal();
                                       },
                                   .count_units = [this](Interval& sum) { count_units(sum); }})) {
    core_->port().mmu.bind(hardware_.mmu().core);
  }

  std::unique_ptr<Core> make_core(const RunSettings& settings, CoreWork work) {
    if (settings.detail == Detail::kTranslation) {
      return std::make_unique<BlockingCore>("core", hardware_.timeline(), hardware_.mmu(),
                                            software_, std::move(work));
    }
    return std::make_unique<WindowCore>("core", hardware_.timeline(), hardware_.mmu(),
                                        hardware_.memory_hierarchy(), software_, std::move(work));
  }

  void count_units(Interval& sum) {
    const mmu::TlbHierarchy& tlbs = hardware_.mmu().tlbs();
    sum.lookups = tlbs.l1i().accesses + tlbs.l1d().accesses;
    sum.first_level_misses = tlbs.l1i().misses + tlbs.l1d().misses;
    sum.tlb_misses = sum.first_level_misses - tlbs.l2().hits;
    sum.walks = hardware_.walker_counters().walks;
    sum.walk_cycles = hardware_.walker_counters().cycles;
  }

  /// What the core's thread met, in `result` if it is no error of the program's own.
  void take_exception(RunResult& result) const {
    try {
      // Of two walkers that differ the second is none to wait for.
      if (pair_ != nullptr) pair_->require_equal();
      if (core_->exception()) std::rethrow_exception(core_->exception());
    } catch (const InputError& error) {
      result.error = error;
    } catch (const tb::WalkersDiffer& difference) {
      result.mismatch = difference.what();
    } catch (const Interrupted&) {
      // As with `stop`: what was measured so far is partial.
    }
  }

  bool shadow_;
  const tb::PairedWalker* pair_;
  mmu::Hardware hardware_;
  SystemSoftware software_;
  std::unique_ptr<Core> core_;
};

}  // namespace

std::unique_ptr<mmu::WalkerUnit> make_rtl_walker(
    [[maybe_unused]] const mmu::WalkerConfiguration& size) {
#ifdef EPTSIM_HAS_RTL
  const mmu::WalkerConfiguration* const built = mmu::find_configuration(size);
  if (built == nullptr) throw InputError("--walker", "no RTL walker of this size is built");
  return std::make_unique<tb::RtlWalker>(built->name);
#else
  throw InputError("--walker", "this program was built without the RTL walker, expected model",
                   "configure with EPTSIM_BUILD_RTL=ON");
#endif
}

RunResult simulate(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t)>& progress, const WalkerMaker& rtl) {
  return Simulation(settings, trace, stop, progress, rtl).run();
}

}  // namespace eptsim::sim
