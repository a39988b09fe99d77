#include "sim/run/sampling.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "mmu_model/memory/memory_level.hpp"
#include "sim/run/regression.hpp"
#include "sim/run/warming.hpp"

namespace eptsim::sim {
namespace {

/// A number in [0, below) for each `index`: SplitMix64's finalizer.
std::uint64_t random_at(std::uint64_t seed, std::uint64_t index, std::uint64_t below) {
  std::uint64_t z = seed * 0xD1B5'4A32'D192'ED03 + (index + 1) * 0x9E37'79B9'7F4A'7C15;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
  return (z ^ (z >> 31)) % below;
}

CycleClasses operator-(CycleClasses all, const CycleClasses& before) {
  all.retiring -= before.retiring;
  all.data -= before.data;
  all.translation -= before.translation;
  all.exits -= before.exits;
  all.other -= before.other;
  return all;
}

SamplePoint operator-(SamplePoint all, const SamplePoint& before) {
  all.accesses -= before.accesses;
  all.cycles_by = all.cycles_by - before.cycles_by;
  all.faults -= before.faults;
  return all;
}

using Latencies = std::array<double, mmu::kMemoryLevels>;

/// Cycles from an access to its answer, by the level that serves it.
Latencies latencies(const mmu::MemorySettings& memory) {
  const std::array<const mmu::MemoryCacheSettings*, 3> caches = {&memory.l1d, &memory.l2,
                                                                 &memory.l3};
  const mmu::DramSettings& dram = memory.dram;
  Latencies cycles{};
  double last = 0;
  for (std::size_t level = 0; level < caches.size(); ++level) {
    if (caches[level]->bytes == 0) continue;
    last = cycles[level] = caches[level]->hit_cycles;
  }
  cycles.back() = last + (dram.model == mmu::DramModel::kPlain
                              ? dram.cycles
                              : dram.controller_cycles + dram.trcd + dram.tcas + dram.burst_cycles);
  return cycles;
}

/// What references served so take if nothing is in their way.
double expected(const mmu::LevelCounts& served, const Latencies& cycles) {
  double sum = 0;
  for (std::size_t level = 0; level < served.size(); ++level) {
    sum += static_cast<double>(served[level]) * cycles[level];
  }
  return sum;
}

}  // namespace

Samples::Samples(const SamplingSettings& settings, std::uint64_t seed)
    : settings_(settings),
      seed_(seed),
      phase_(settings.period == 0 ? Phase::kMeasuring : Phase::kWarming) {}

/// Where in its period the next detailed part begins, so that it is over with it.
void Samples::draw_begin(const SamplePoint& now) {
  const std::uint64_t room = settings_.period - settings_.warmup - settings_.window + 1;
  const std::uint64_t period = periods_++;
  detail_begin_ = period * settings_.period + random_at(seed_, period, room);
  const bool touches = settings_.warming != 0;
  phase_ = touches ? Phase::kTouching : Phase::kWarming;
  next_end_ = detail_begin_ - (touches ? std::min(settings_.warming, detail_begin_) : 0);
  touching_began_ = now;
}

void Samples::begin(const SamplePoint& now) {
  draw_begin(now);
  end(now);
}

Touched Samples::touched(const SamplePoint& now) const {
  if (!is_touching()) return touched_;
  return {touched_.accesses + now.accesses - touching_began_.accesses,
          touched_.work + now.work() - touching_began_.work()};
}

void Samples::end(const SamplePoint& now) {
  while (next_end_ <= now.work()) next_phase(now);
}

void Samples::next_phase(const SamplePoint& now) {
  switch (phase_) {
    case Phase::kTouching:
      touched_ = touched(now);
      phase_ = Phase::kWarming;
      next_end_ = detail_begin_;
      return;
    case Phase::kWarming:
      phase_ = Phase::kWarmingUp;
      next_end_ = now.work() + settings_.warmup;
      return;
    case Phase::kWarmingUp:
      phase_ = Phase::kMeasuring;
      window_began_ = now;
      next_end_ = now.work() + settings_.window;
      return;
    case Phase::kMeasuring:
      windows_.push_back(now - window_began_);
      draw_begin(now);
      return;
  }
}

namespace {

using Column = std::vector<double>;

/// By the mean work of a window, not its own: so that the mean is that of all their work.
template <typename Of>
Column per_work(const std::vector<SamplePoint>& windows, Of of) {
  double work = 0;
  for (const SamplePoint& window : windows) work += static_cast<double>(window.work());
  Column column;
  column.reserve(windows.size());
  for (const SamplePoint& window : windows) {
    column.push_back(of(window) * static_cast<double>(windows.size()) / work);
  }
  return column;
}

template <typename Of>
Column cycles_per_work(const std::vector<SamplePoint>& windows, Of of) {
  return per_work(windows,
                  [of](const SamplePoint& w) { return static_cast<double>(of(w.cycles_by)); });
}

std::uint64_t rounded(double value) {
  return value > 0 ? static_cast<std::uint64_t>(std::llround(value)) : 0;
}

double over(double part, double whole) { return whole == 0 ? 0 : part / whole; }

/// Cycles, from what the windows took; those of exits are known.
void estimate_cycles(RunResult& result, const std::vector<SamplePoint>& windows,
                     const SamplePoint& total) {
  const auto work = static_cast<double>(total.work());
  Regression regression(windows.size());
  regression.explain_by(
      per_work(windows, [](const SamplePoint& w) { return static_cast<double>(w.faults); }),
      static_cast<double>(total.faults) / work);

  const auto estimated = [&](auto member) {
    const auto of = [member](const CycleClasses& by) { return by.*member; };
    return rounded(regression.mean_of(cycles_per_work(windows, of)) * work);
  };
  CycleClasses& by = result.cycles_by;
  by.retiring = estimated(&CycleClasses::retiring);
  by.data = estimated(&CycleClasses::data);
  by.translation = estimated(&CycleClasses::translation);
  by.other = estimated(&CycleClasses::other);
  result.cycles = by.sum();

  const auto cycles = static_cast<double>(result.cycles);
  const double share = over(static_cast<double>(by.translation), cycles);
  const auto all = [](const CycleClasses& c) { return c.sum() - c.exits; };
  const auto translation = [](const CycleClasses& c) { return c.translation; };
  // What is left of the share in a window, where translation and all cycles go together.
  Column left = cycles_per_work(windows, translation);
  const Column whole = cycles_per_work(windows, all);
  for (std::size_t i = 0; i < left.size(); ++i) left[i] -= share * whole[i];

  SamplingResult& sampling = result.sampling;
  sampling.cycles_error = over(work * regression.half_width_of(whole), cycles);
  sampling.translation_cycles_error =
      over(work * regression.half_width_of(cycles_per_work(windows, translation)),
           static_cast<double>(by.translation));
  sampling.translation_share_error = over(work * regression.half_width_of(left), cycles);
}

void add(mmu::LevelCounts& sum, const mmu::LevelCounts& more) {
  for (std::size_t level = 0; level < sum.size(); ++level) sum[level] += more[level];
}

/// Cycles of walks, which grow with what is expected of them from where their references were
/// served: as in what ran in detail, at each place and in all.
void estimate_walks(RunResult& result, const WarmWalks& warmed, const Latencies& cycles) {
  mmu::WalkerCounters& walker = result.walker;
  const double detailed = expected(walker.served_by, cycles);
  walker.guest_cycles = walker.ept_cycles = 0;
  for (std::size_t guest = 0; guest < walker.matrix.size(); ++guest) {
    for (std::size_t ept = 0; ept < walker.matrix[guest].size(); ++ept) {
      mmu::PlaceCounters& place = walker.matrix[guest][ept];
      const mmu::PlaceCounters& more = warmed.matrix[guest][ept];
      const double before = expected(place.served_by, cycles);
      add(place.served_by, more.served_by);
      add(walker.served_by, more.served_by);
      const double after = expected(place.served_by, cycles);
      place.cycles =
          rounded(before == 0 ? after : static_cast<double>(place.cycles) * after / before);
      place.references += more.references;
      walker.references += more.references;
      (ept == 0 ? walker.guest_references : walker.ept_references) += more.references;
      (ept == 0 ? walker.guest_cycles : walker.ept_cycles) += place.cycles;
    }
  }
  const double ratio = over(expected(walker.served_by, cycles), detailed);
  walker.cycles = rounded(static_cast<double>(walker.cycles) * ratio);
  mmu::WalkQueueCounters& queue = result.walk_queue;
  queue.cycles = rounded(static_cast<double>(queue.cycles) * ratio);
  queue.merged = rounded(
      static_cast<double>(queue.merged) *
      over(static_cast<double>(walker.walks + warmed.walks), static_cast<double>(walker.walks)));
  queue.answered += warmed.walks;
  walker.walks += warmed.walks;
  walker.flag_updates += warmed.flag_updates;
  for (unsigned references = 0; references < warmed.by_references.size(); ++references) {
    if (const std::uint64_t walks = warmed.by_references[references]; walks != 0) {
      walker.references_histogram[references] += walks;
    }
  }
}

void scale(std::uint64_t& count, double factor) {
  count = rounded(static_cast<double>(count) * factor);
}

void scale(mmu::TlbCounters& cache, double factor) {
  scale(cache.hits, factor);
  scale(cache.misses, factor);
  cache.accesses = cache.hits + cache.misses;
}

void scale(mmu::WalkerCounters& walker, double factor) {
  for (std::uint64_t* count :
       {&walker.walks, &walker.guest_references, &walker.ept_references, &walker.flag_updates,
        &walker.log_restarts, &walker.cycles, &walker.guest_cycles, &walker.ept_cycles}) {
    scale(*count, factor);
  }
  walker.references = walker.guest_references + walker.ept_references;
  for (std::uint64_t& served : walker.served_by) scale(served, factor);
  for (auto& [references, walks] : walker.references_histogram) scale(walks, factor);
  for (auto& places : walker.matrix) {
    for (mmu::PlaceCounters& place : places) {
      scale(place.references, factor);
      scale(place.cycles, factor);
      for (std::uint64_t& served : place.served_by) scale(served, factor);
    }
  }
  for (mmu::TlbCounters& cache : walker.combined) scale(cache, factor);
  for (mmu::TlbCounters& cache : walker.ept) scale(cache, factor);
  scale(walker.nested_tlb, factor);
}

void scale(mmu::MemoryCounters& memory, double factor) {
  for (mmu::MemoryCounters::Level& level : memory.cache) {
    for (mmu::MemoryCacheCounters& cache : level.by_origin) {
      for (std::uint64_t* count : {&cache.hits, &cache.misses, &cache.merged, &cache.writebacks}) {
        scale(*count, factor);
      }
      cache.accesses = cache.hits + cache.misses;
    }
    scale(level.invalidations, factor);
  }
  mmu::DramCounters& dram = memory.dram;
  for (std::uint64_t* count :
       {&dram.reads, &dram.writes, &dram.row_hits, &dram.row_misses, &dram.row_conflicts}) {
    scale(*count, factor);
  }
}

/// Counts of what was more than touched become the whole run's, in proportion to its work.
void estimate_counts(RunResult& result, const SamplePoint& total, const Touched& touched) {
  const double factor =
      over(static_cast<double>(total.work()), static_cast<double>(total.work() - touched.work));
  for (mmu::TlbCounters* tlb : {&result.l1i, &result.l1d, &result.l2}) scale(*tlb, factor);
  scale(result.walker, factor);
  scale(result.walk_queue.merged, factor);
  scale(result.walk_queue.answered, factor);
  scale(result.walk_queue.cycles, factor);
  scale(result.caches, factor);
}

}  // namespace

void estimate(RunResult& result, const std::vector<SamplePoint>& windows, const SamplePoint& total,
              const Touched& touched, const WarmWalks& warmed, const mmu::MemorySettings& memory) {
  result.sampling.windows = windows.size();
  result.sampling.detailed_walks = result.walker.walks;
  for (const SamplePoint& window : windows) {
    result.sampling.measured_accesses += window.accesses;
  }
  result.sampling.touched_accesses = touched.accesses;
  estimate_walks(result, warmed, latencies(memory));
  if (touched.accesses != 0) estimate_counts(result, total, touched);
  if (!windows.empty()) estimate_cycles(result, windows, total);
}

}  // namespace eptsim::sim
