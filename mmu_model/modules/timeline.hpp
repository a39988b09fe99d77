#pragma once

#include <algorithm>
#include <systemc>

#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The cycles of a machine on the kernel's clock: one cycle is one nanosecond of simulated time,
/// and cycle 0 begins at time 0. Also who may compute ahead of the kernel: in lockstep, nobody.
/// Every result is the same with and without.
///
/// What acts in the same cycle on the same state has turns, parts of a cycle: the cores come first,
/// each at its own, and then all that they share, whose messages name their cycles.
class Timeline {
 public:
  /// Of a core: its number, so there are fewer than kUnits.
  using Turn = unsigned;
  static constexpr Turn kUnits = 999;

  explicit Timeline(bool lockstep)
      : lockstep_(lockstep), cycle_(sc_core::sc_time(1, sc_core::SC_NS).value()) {}

  bool lockstep() const { return lockstep_; }

  /// The kernel's cycle.
  Cycle now() const { return sc_core::sc_time_stamp().value() / cycle_; }

  /// From now to a turn in `cycle`, none if that has passed: for notify and wait.
  sc_core::sc_time until(Cycle cycle, Turn turn = kUnits) const {
    const Value start = sc_core::sc_time_stamp().value();
    const Value end = at(cycle, turn);
    return end > start ? sc_core::sc_time::from_value(end - start) : sc_core::SC_ZERO_TIME;
  }

  /// The first cycle in which who has this turn may not act yet: its turn hasn't come, and before
  /// it something else in the simulation is due, which may send messages that hold by then.
  Cycle horizon(Turn turn) const {
    const Value start = sc_core::sc_time_stamp().value();
    const Cycle reached = turns_before(start + 1, turn);
    if (lockstep_) return reached;
    const Value quiet = sc_core::sc_time_to_pending_activity().value();
    return std::max(reached, turns_before(start + quiet, turn));
  }

  /// Whether a process may act for `cycle` already: nothing else in the simulation is due up to
  /// and with it, so no message can still come that holds by then.
  bool may_run_ahead_to(Cycle cycle) const {
    return !lockstep_ && sc_core::sc_time_to_pending_activity().value() > until(cycle).value();
  }

  /// For a thread that runs ahead by itself, between two accesses: in lockstep waits until
  /// `cycle`, otherwise does nothing.
  void keep_pace(Cycle cycle, Turn turn = 0) const {
    if (lockstep_ && cycle > now()) sc_core::wait(until(cycle, turn));
  }

 private:
  using Value = sc_core::sc_time::value_type;

  Value at(Cycle cycle, Turn turn) const { return cycle * cycle_ + turn * (cycle_ / 1000); }
  /// Cycles whose turn comes before `time`.
  Cycle turns_before(Value time, Turn turn) const {
    const Value first = at(0, turn);
    return time <= first ? 0 : (time - first - 1) / cycle_ + 1;
  }

  bool lockstep_;
  Value cycle_;
};

}  // namespace eptsim::mmu
