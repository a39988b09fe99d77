#pragma once

#include <systemc>

#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The cycles of a machine on the kernel's clock: one cycle is one nanosecond of simulated time,
/// and cycle 0 begins at time 0. Also who may compute ahead of the kernel: in lockstep, nobody.
/// Every result is the same with and without.
class Timeline {
 public:
  explicit Timeline(bool lockstep)
      : lockstep_(lockstep), cycle_(sc_core::sc_time(1, sc_core::SC_NS).value()) {}

  bool lockstep() const { return lockstep_; }

  /// The kernel's cycle.
  Cycle now() const { return sc_core::sc_time_stamp().value() / cycle_; }

  /// From now to the beginning of `cycle`, none if that has passed: for notify and wait.
  sc_core::sc_time until(Cycle cycle) const {
    const Cycle start = now();
    return cycle > start ? sc_core::sc_time::from_value((cycle - start) * cycle_)
                         : sc_core::SC_ZERO_TIME;
  }

  /// Whether a process may act for `cycle` already: nothing else in the simulation is due up to
  /// and with it, so no message can still come that holds by then.
  bool may_run_ahead_to(Cycle cycle) const {
    return !lockstep_ && sc_core::sc_time_to_pending_activity().value() > until(cycle).value();
  }

  /// For a thread that runs ahead by itself, between two accesses: in lockstep waits until
  /// `cycle`, otherwise does nothing.
  void keep_pace(Cycle cycle) const {
    if (lockstep_ && cycle > now()) sc_core::wait(until(cycle));
  }

 private:
  bool lockstep_;
  sc_core::sc_time::value_type cycle_;
};

}  // namespace eptsim::mmu
