#pragma once

#include <cstdint>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "sim/run/simulation.hpp"

namespace eptsim::sim {

struct WarmWalks;

/// How far a run is: an access counts once and a fault as often as this. Faults are few, and
/// accesses behind them begin anew, so what one costs can be many times what an access does; runs
/// have them where they begin, and windows have to be there.
inline constexpr std::uint64_t kFaultWork = 64;
constexpr std::uint64_t work_of(std::uint64_t accesses, std::uint64_t faults) {
  return accesses + kFaultWork * faults;
}

/// What was counted over a stretch of a run, or up to a point of it: what is known everywhere, and
/// the cycles, which only what runs in detail knows.
struct SamplePoint {
  std::uint64_t accesses = 0;
  CycleClasses cycles_by;
  std::uint64_t faults = 0;  ///< served by guest and hypervisor
  /// Accesses that a walk of their own translated in the end. Unlike walks and misses they are the
  /// same in warming and in detail, where walks answer several misses, and are made again after
  /// faults.
  std::uint64_t walked = 0;
  /// What latencies alone let expect, as if nothing overlapped: cycles of second-level look-ups and
  /// of walks, all alike, and of data beyond the first cache. Counted in warming too, so the whole
  /// run's are known; the windows' cycles go with them.
  double expected_translation = 0;
  double expected_data = 0;

  std::uint64_t work() const { return work_of(accesses, faults); }
};

/// Adds to `sum` what its accesses that walked and the units' counters let expect.
void expect(SamplePoint& sum, const mmu::TlbHierarchy& tlbs, const mmu::MemoryHierarchy& memory);

/// When a sampled run goes by warming and when in detail, and what its windows measured. The run is
/// cut into periods of equal work. In each, from a place on that is drawn anew for every period,
/// `warmup` of it runs in detail and then `window` that is measured; warming does the rest. Drawn
/// anew, because a program's own rhythm may be that of the periods.
class Samples {
 public:
  Samples(const SamplingSettings& settings, std::uint64_t seed);

  bool is_on() const { return settings_.period != 0; }
  bool is_warming() const { return phase_ == Phase::kWarming; }

  /// The run begins to count; before that all is warmed.
  void begin(const SamplePoint& now);
  /// The work counted with which what goes on now ends.
  std::uint64_t next_end() const { return next_end_; }
  /// Ends it. To be called as soon as there is that much.
  void end(const SamplePoint& now);

  /// Whole ones only.
  const std::vector<SamplePoint>& windows() const { return windows_; }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(phase_, next_end_, periods_, window_began_, windows_);
  }

 private:
  enum class Phase : std::uint8_t { kWarming, kWarmingUp, kMeasuring };

  void next_phase(const SamplePoint& now);
  void draw_begin();

  SamplingSettings settings_;
  std::uint64_t seed_;
  Phase phase_;
  std::uint64_t next_end_ = ~0ull;
  std::uint64_t periods_ = 0;  ///< begun
  SamplePoint window_began_;
  std::vector<SamplePoint> windows_;
};

/// Makes of `result`, in which the counts are the whole run's and times those of what ran in
/// detail, an estimate for the whole run. `total`: what is known of the whole run.
void estimate(RunResult& result, const std::vector<SamplePoint>& windows, const SamplePoint& total,
              const WarmWalks& warmed, const mmu::MemorySettings& memory);

}  // namespace eptsim::sim
