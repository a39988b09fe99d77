#pragma once

#include <cstdint>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/settings.hpp"
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

  std::uint64_t work() const { return work_of(accesses, faults); }
};

/// A part of the run in which nothing but accesses, instructions, events and faults was counted.
struct Touched {
  std::uint64_t accesses = 0;
  std::uint64_t work = 0;
};

/// When a sampled run goes by warming and when in detail, and what its windows measured. The run is
/// cut into periods of equal work. In each, from a place on that is drawn anew for every period,
/// `warmup` of it runs in detail and then `window` that is measured; warming does the rest, or
/// `warming` of it before them, and what is left is touched. Drawn anew, because a program's own
/// rhythm may be that of the periods.
class Samples {
 public:
  Samples(const SamplingSettings& settings, std::uint64_t seed);

  bool is_on() const { return settings_.period != 0; }
  bool is_warming() const { return phase_ <= Phase::kWarming; }
  /// Of what is warmed, whether it lies too far before a window to be more than touched.
  bool is_touching() const { return phase_ == Phase::kTouching; }

  /// The run begins to count; before that all is warmed.
  void begin(const SamplePoint& now);
  /// The work counted with which what goes on now ends.
  std::uint64_t next_end() const { return next_end_; }
  /// Ends it. To be called as soon as there is that much.
  void end(const SamplePoint& now);

  /// Whole ones only.
  const std::vector<SamplePoint>& windows() const { return windows_; }
  /// What of the run up to `now` was touched alone.
  Touched touched(const SamplePoint& now) const;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(phase_, next_end_, detail_begin_, periods_, touching_began_, touched_, window_began_,
            windows_);
  }

 private:
  enum class Phase : std::uint8_t { kTouching, kWarming, kWarmingUp, kMeasuring };

  void next_phase(const SamplePoint& now);
  void draw_begin(const SamplePoint& now);

  SamplingSettings settings_;
  std::uint64_t seed_;
  Phase phase_;
  std::uint64_t next_end_ = ~0ull;
  std::uint64_t detail_begin_ = 0;  ///< the work with which the next detailed part begins
  std::uint64_t periods_ = 0;       ///< begun
  SamplePoint touching_began_;
  Touched touched_;  ///< before that
  SamplePoint window_began_;
  std::vector<SamplePoint> windows_;
};

/// Makes of `result`, in which the counts are the whole run's and times those of what ran in
/// detail, an estimate for the whole run. Counts of units are those of all but what was touched
/// alone. `total`: what is known of the whole run.
void estimate(RunResult& result, const std::vector<SamplePoint>& windows, const SamplePoint& total,
              const Touched& touched, const WarmWalks& warmed, const mmu::MemorySettings& memory);

}  // namespace eptsim::sim
