#include "sim/run/simulation.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <systemc>
#include <utility>

#include "mmu_model/modules/hardware.hpp"
#include "mmu_model/modules/kernel.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "sim/run/blocking_core.hpp"
#include "sim/run/checkpoint.hpp"
#include "sim/run/core_group.hpp"
#include "sim/run/memory_hash.hpp"
#include "sim/run/virtual_machines.hpp"
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
  mmu::ModelWalker* model = nullptr;
};

Walker make_walker(const RunSettings& settings, const WalkerMaker& rtl) {
  const mmu::WalkerConfiguration& size = settings.machine.hardware.walker;
  if (settings.walker == WalkerKind::kRtl) return {rtl(size)};
  auto model = std::make_unique<mmu::ModelWalker>(size);
  if (settings.walker == WalkerKind::kModel) {
    mmu::ModelWalker* const seen = model.get();
    return {std::move(model), nullptr, seen};
  }
  auto pair = std::make_unique<tb::PairedWalker>(std::move(model), rtl(size));
  const tb::PairedWalker* const seen = pair.get();
  return {std::move(pair), seen};
}

constexpr std::uint64_t kFewestWindows = 2;  ///< that tell how far one may be from the next

/// Those of which all periods are known: as many windows as are asked for are as many periods.
RunSettings with_period(RunSettings settings, const std::vector<CoreTraces>& cores) {
  SamplingSettings& sampling = settings.machine.sampling;
  if (sampling.windows == 0 || sampling.period != 0) return settings;
  std::optional<std::uint64_t> accesses = settings.limit;
  const auto total = cores.front().front().reader->total_accesses();
  if (total) {
    const std::uint64_t left = *total - std::min(*total, settings.warmup);
    accesses = std::min(left, settings.limit.value_or(left));
  }
  if (!accesses) {
    throw InputError("sampling.windows",
                     "the trace doesn't say how long it is, expected --limit or sampling.period");
  }
  sampling.period = std::max<std::uint64_t>(1, *accesses / sampling.windows);
  return settings;
}

void check_sampling(const RunSettings& settings, const std::vector<CoreTraces>& cores) {
  const SamplingSettings& sampling = settings.machine.sampling;
  if (sampling.period == 0) return;
  if (cores.size() != 1 || cores.front().size() != 1) {
    throw InputError("sampling.period",
                     "this version samples one trace on one core, expected 0 with more");
  }
  if (settings.walker != WalkerKind::kModel) {
    throw InputError("sampling.period",
                     "the Verilated walker can't be warmed without time passing, expected 0, or "
                     "--walker model");
  }
  if (settings.machine.dirty_log.tracking == DirtyTracking::kPml) {
    throw InputError("sampling.period",
                     "a page-modification log isn't written while caches are warmed, expected 0, "
                     "or hypervisor.dirty_log = \"write_protect\"");
  }
  if (sampling.window > sampling.period || sampling.warmup > sampling.period - sampling.window) {
    throw InputError("sampling.period",
                     std::to_string(sampling.period) + " accesses hold no window of " +
                         std::to_string(sampling.window) + " and its warm-up of " +
                         std::to_string(sampling.warmup));
  }
}

void check_lead_in(const RunSettings& settings, const std::vector<CoreTraces>& cores) {
  const LeadIn& lead_in = settings.lead_in;
  if (lead_in.warmed == 0) return;
  if (cores.size() != 1 || cores.front().size() != 1) {
    throw std::logic_error("of several traces none is warmed");
  }
  if (settings.walker != WalkerKind::kModel) {
    throw std::logic_error("the Verilated walker can't be warmed");
  }
  if (lead_in.touched > lead_in.warmed || lead_in.warmed > settings.warmup) {
    throw std::logic_error("a lead-in is no part of the warm-up");
  }
}

/// One machine with its software and traces to run.
class Simulation {
 public:
  using Progress = std::function<void(std::uint64_t)>;

  Simulation(const RunSettings& settings, const std::vector<CoreTraces>& traces,
             const std::atomic<bool>& stop, const Progress& progress, const WalkerMaker& rtl)
      : Simulation(settings, make_walkers(settings, traces.size(), rtl), traces, stop, progress) {}

  RunResult run() {
    // Ends by itself: when the cores are through, nothing has anything left to do.
    mmu::run_kernel();
    RunResult result;
    take_exceptions(result);
    for (const auto& core : cores_) {
      if (!core->finished() && result.mismatch.empty()) {
        throw std::logic_error("the machine stands still: a walk was never answered");
      }
    }
    std::vector<Course> courses;
    HotSpots pages;
    HotSpots instructions;
    for (unsigned core = 0; core < cores_.size(); ++core) {
      report(core, result);
      courses.push_back(cores_[core]->program().course());
      pages.add(cores_[core]->program().counted().pages);
      instructions.add(cores_[core]->program().counted().instruction_addresses);
    }
    result.timeline = side_by_side(courses);
    result.hot_pages = pages.top(hot_spots_);
    result.hot_instructions = instructions.top(hot_spots_);
    result.forgotten_page_cycles = pages.forgotten_cycles();
    result.forgotten_instruction_cycles = instructions.forgotten_cycles();
    if (std::ranges::any_of(cores_, &Core::is_warm)) {
      result.caches = hardware_.memory_hierarchy().counters();
      if (cores_.front()->samples().is_on()) estimate_from_samples(result);
    }
    if (take_lists_) take_lists_(machines_.all().front().software.lists());
    for (const VirtualMachine& machine : machines_.all()) add_memory(machine.software, result);
    result.memory_hash = hash_of_memory(hardware_.dram());
    return result;
  }

 private:
  Simulation(const RunSettings& settings, std::vector<Walker> walkers,
             const std::vector<CoreTraces>& traces, const std::atomic<bool>& stop,
             const Progress& progress)
      : pairs_(pairs_of(walkers)),
        model_(walkers.front().model),
        hardware_("machine", settings.machine.hardware, units_of(std::move(walkers))),
        is_shadow_(settings.mode == Mode::kShadow),
        take_lists_(settings.take_lists),
        hot_spots_(settings.hot_spots),
        machines_(hardware_.dram(), settings, hardware_.cores(), areas_of(traces)),
        group_(hardware_.cores()),
        traces_(traces),
        read_(traces.size()),
        cores_(traces.size()) {
    for (std::size_t made = 0; made < cores_.size(); ++made) {
      const std::size_t number =
          settings.machine.hardware.reversed ? cores_.size() - 1 - made : made;
      CoreWork work{
          .settings = settings,
          .memory = hardware_.dram(),
          .machines = machines_,
          .group = group_,
          .number = static_cast<unsigned>(number),
          .traces = traces[number],
          .stop = stop,
          .progress = {},
          .after_walk =
              [pair = pairs_[number]] {
                if (pair != nullptr) pair->require_equal();
              },
          .count_units =
              [this, number](Interval& sum) { count_units(static_cast<unsigned>(number), sum); },
          .end_warmup = [this] { reset_counters(); },
          .take_checkpoint = [this, &settings, &stop] { take_checkpoint(settings, stop); }};
      if (progress) {
        work.progress = [this, number, progress](std::uint64_t accesses) {
          read_[number] = accesses;
          progress(std::accumulate(read_.begin(), read_.end(), std::uint64_t{0}));
        };
      }
      cores_[number] = make_core(settings, std::move(work));
      cores_[number]->port().mmu.bind(hardware_.mmu(static_cast<unsigned>(number)).core);
    }
    if (settings.machine.sampling.period != 0 || settings.lead_in.warmed != 0) {
      cores_.front()->warm_with({.tlbs = hardware_.mmu().tlbs(),
                                 .walker = hardware_.walker(),
                                 .structures = model_->caches(),
                                 .lookups = model_->lookups(),
                                 .memory = hardware_.memory_hierarchy(),
                                 .bytes = hardware_.dram(),
                                 .data_in_caches = settings.detail == Detail::kFull});
    }
    hardware_.memory_hierarchy().observe(settings.observer);
    const bool alone = cores_.size() == 1 && !settings.machine.hardware.lockstep;
    if (alone) hardware_.leave_to(cores_.front()->port());
    if (!settings.checkpoint.resume.empty()) resume(settings, state());
  }

  SimulationState state() {
    return {.hardware = hardware_,
            .machines = machines_,
            .group = group_,
            .cores = cores_,
            .traces = traces_};
  }

  /// Of cores that have nothing under way.
  void take_checkpoint(const RunSettings& settings, const std::atomic<bool>& stop) {
    for (unsigned core = 0; core < hardware_.cores(); ++core) hardware_.walker(core).settle();
    if (stop || group_.is_halted() || !settings.checkpoint.write) return;
    settings.checkpoint.write(checkpoint_of(settings, state()));
  }

  /// Of all programs, each in an address space of its own; none if one doesn't tell.
  static LinearAreas areas_of(const std::vector<CoreTraces>& traces) {
    std::vector<LinearArea> all;
    for (const CoreTraces& core : traces) {
      for (const NamedTrace& trace : core) {
        const std::vector<LinearArea> areas = trace.reader->areas();
        if (areas.empty()) return {};
        all.insert(all.end(), areas.begin(), areas.end());
      }
    }
    return LinearAreas(std::move(all));
  }
  static std::vector<Walker> make_walkers(const RunSettings& settings, std::size_t count,
                                          const WalkerMaker& rtl) {
    std::vector<Walker> walkers;
    while (walkers.size() < count) walkers.push_back(make_walker(settings, rtl));
    return walkers;
  }
  static std::vector<const tb::PairedWalker*> pairs_of(const std::vector<Walker>& walkers) {
    std::vector<const tb::PairedWalker*> pairs;
    for (const Walker& walker : walkers) pairs.push_back(walker.pair);
    return pairs;
  }
  static mmu::Hardware::Walkers units_of(std::vector<Walker> walkers) {
    mmu::Hardware::Walkers units;
    for (Walker& walker : walkers) units.push_back(std::move(walker.unit));
    return units;
  }

  std::unique_ptr<Core> make_core(const RunSettings& settings, CoreWork work) {
    const std::string name = "core" + std::to_string(work.number);
    mmu::MmuModule& unit = hardware_.mmu(work.number);
    if (settings.detail == Detail::kTranslation) {
      return std::make_unique<BlockingCore>(name.c_str(), hardware_.timeline(), unit,
                                            std::move(work));
    }
    return std::make_unique<WindowCore>(name.c_str(), hardware_.timeline(), unit,
                                        hardware_.memory_hierarchy(), std::move(work));
  }

  void add_memory(const SystemSoftware& software, RunResult& result) const {
    result.page_bytes += software.page_bytes();
    result.guest_table_bytes += software.guest_table_bytes();
    result.guest_mapped += software.guest_mapped();
    if (is_shadow_) {
      result.shadow_mapped += software.shadow_mapped();
      result.shadow_table_bytes += software.shadow_table_bytes();
      result.host_map_bytes += software.host_table_bytes();
    } else {
      result.ept_mapped += software.host_mapped();
      result.ept_table_bytes += software.host_table_bytes();
    }
    result.guest_no_large_frame += software.guest_no_large_frame();
    result.host_no_large_frame += software.host_no_large_frame();
  }

  void count_units(unsigned core, Interval& sum) {
    const mmu::TlbHierarchy& tlbs = hardware_.mmu(core).tlbs();
    const mmu::WalkerCounters& walker = hardware_.walker_counters(core);
    sum.lookups = tlbs.l1i().accesses + tlbs.l1d().accesses;
    sum.first_level_misses = tlbs.l1i().misses + tlbs.l1d().misses;
    sum.tlb_misses = sum.first_level_misses - tlbs.l2().hits;
    sum.walks = walker.walks;
    sum.walk_cycles = walker.cycles;
  }

  /// Adds what one core and its units counted.
  void report(unsigned number, RunResult& result) {
    const Core& core = *cores_[number];
    core.report(result);
    CoreResult& own = result.cores.emplace_back();
    if (!core.is_warm()) return;
    const mmu::TlbHierarchy& tlbs = hardware_.mmu(number).tlbs();
    const mmu::WalkerCounters& walker = hardware_.walker_counters(number);
    result.l1i += tlbs.l1i();
    result.l1d += tlbs.l1d();
    result.l2 += tlbs.l2();
    result.walker += walker;
    const RunningProgram::Counted& counted = core.program().counted();
    const CoreExits& exits = counted.exits;
    own = {.accesses = counted.accesses,
           .instructions = counted.instructions,
           .cycles = core.cycles(),
           .cycles_by = counted.cycles_by,
           .l1_misses = tlbs.l1i().misses + tlbs.l1d().misses,
           .l2_misses = tlbs.l2().misses,
           .walks = walker.walks,
           .walk_cycles = walker.cycles,
           .exits = counted.ept_violations + counted.shadow_exits.sum() + counted.dirty_log.turns +
                    counted.dirty_log.full_logs + exits.external_interrupt + exits.apic_write +
                    exits.preemption_timer + exits.vcpu_switch + exits.merge};
  }

  void reset_counters() {
    hardware_.reset_counters();
    if (auto& warming = cores_.front()->warming()) warming->reset_counters();
  }

  /// The counts of one walker's caches are in the caches themselves, whoever asked them.
  void estimate_from_samples(RunResult& result) {
    const mmu::StructureCaches& caches = model_->caches();
    for (unsigned level = 2; level < result.walker.combined.size(); ++level) {
      result.walker.combined[level] = caches.combined(level);
      result.walker.ept[level] = caches.ept(level);
    }
    result.walker.nested_tlb = caches.nested_tlb();
    const SamplePoint total = cores_.front()->sample_point();
    const Samples& samples = cores_.front()->samples();
    estimate(result, samples.windows(), total, samples.touched(total),
             cores_.front()->warming()->walks(), hardware_.memory_hierarchy().settings());
    CoreResult& own = result.cores.front();
    own.cycles = result.cycles;
    own.cycles_by = result.cycles_by;
    own.l1_misses = result.l1i.misses + result.l1d.misses;
    own.l2_misses = result.l2.misses;
    own.walks = result.walker.walks;
    own.walk_cycles = result.walker.cycles;
    if (result.sampling.windows < kFewestWindows && !result.partial) {
      throw InputError("sampling.period",
                       "a run of " + std::to_string(result.accesses) + " accesses has " +
                           std::to_string(result.sampling.windows) +
                           " windows, expected at least " + std::to_string(kFewestWindows) +
                           ": a shorter period");
    }
  }

  /// What the cores' threads met, in `result` if it is no error of the program's own.
  void take_exceptions(RunResult& result) const {
    for (std::size_t core = 0; core < cores_.size(); ++core) take_exception(core, result);
  }
  void take_exception(std::size_t core, RunResult& result) const {
    try {
      // Of two walkers that differ the second is none to wait for.
      if (pairs_[core] != nullptr) pairs_[core]->require_equal();
      if (cores_[core]->exception()) std::rethrow_exception(cores_[core]->exception());
    } catch (const InputError& error) {
      if (!result.error) result.error = error;
    } catch (const tb::WalkersDiffer& difference) {
      if (result.mismatch.empty()) result.mismatch = difference.what();
    } catch (const Interrupted&) {
      // As with `stop`: what was measured so far is partial.
    }
  }

  std::vector<const tb::PairedWalker*> pairs_;  ///< by core, nullptr where there is just one
  mmu::ModelWalker* model_;                     ///< of the first core, if it is the model alone
  mmu::Hardware hardware_;
  bool is_shadow_;
  const std::function<void(const PageLists&)>& take_lists_;
  std::size_t hot_spots_;
  VirtualMachines machines_;
  CoreGroup group_;
  const std::vector<CoreTraces>& traces_;
  std::vector<std::uint64_t> read_;  ///< accesses, by core
  std::vector<std::unique_ptr<Core>> cores_;
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

RunResult simulate(const RunSettings& settings, const std::vector<CoreTraces>& cores,
                   const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t)>& progress, const WalkerMaker& rtl) {
  const RunSettings sampled = with_period(settings, cores);
  check_sampling(sampled, cores);
  check_checkpoint(sampled);
  check_lead_in(sampled, cores);
  return Simulation(sampled, cores, stop, progress, rtl).run();
}

RunResult simulate(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t)>& progress, const WalkerMaker& rtl) {
  return simulate(settings, std::vector<CoreTraces>{{{&trace}}}, stop, progress, rtl);
}

}  // namespace eptsim::sim
