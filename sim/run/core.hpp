#pragma once

#include <exception>
#include <optional>
#include <systemc>

#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "sim/run/running_program.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/warming.hpp"

namespace eptsim::sim {

/// What runs the trace in time. How its cycles pass is for the kinds of core to say
/// (blocking_core.hpp); what passes is RunningProgram's. A core is an SC_THREAD with a way to the
/// MMU, and ends by itself.
class Core : public sc_core::sc_module {
 public:
  /// All outlive it.
  Core(const sc_core::sc_module_name& name, const mmu::Timeline& timeline, mmu::MmuModule& unit,
       CoreWork work);

  mmu::TranslationPort& port() { return port_; }

  /// Whether the thread has come to its end, whichever, or had before the run went on.
  bool finished() const { return finished_; }
  /// What ended it, if that was neither the trace's end, nor the limit, nor `stop`.
  std::exception_ptr exception() const { return exception_; }
  /// The warm-up, if there was one, is over.
  bool is_warm() const { return program_.is_warm(); }

  /// Has what is done without time passing, between the windows of a sampled run or at the
  /// beginning, keep `units` warm.
  void warm_with(const WarmUnits& units) { warming_.emplace(program_, units); }
  /// Nothing if nothing is done so.
  std::optional<Warming>& warming() { return warming_; }
  const Samples& samples() const { return program_.samples(); }
  SamplePoint sample_point() const { return program_.sample_point(); }

  /// Adds what the core measured to its fields of `result`: nothing if the warm-up never ended.
  void report(RunResult& result) const;
  const RunningProgram& program() const { return program_; }
  /// From the end of the warm-up on.
  mmu::Cycle cycles() const { return now() - program_.warm_since(); }

  /// What changes, for checkpoints, but for what a kind of core has beside it.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(port_, program_, finished_);
    if (warming_) archive(*warming_);
  }

 protected:
  /// The thread: runs the program up to its end.
  virtual void run_program() = 0;
  /// The core's own time: all cycles before it have passed.
  virtual mmu::Cycle now() const = 0;

  const mmu::Timeline& timeline_;
  const unsigned number_;  ///< in its machine, which orders those of one cycle
  mmu::TranslationPort port_;
  RunningProgram program_;
  std::optional<Warming> warming_;

 private:
  void run();

  bool finished_ = false;
  std::exception_ptr exception_;
};

}  // namespace eptsim::sim
