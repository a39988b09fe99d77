#include "sim/run/core.hpp"

#include <cstddef>
#include <utility>

namespace eptsim::sim {
namespace {

constexpr std::size_t kStackBytes = 1u << 20;  // trace decoders run on it

}  // namespace

Core::Core(const sc_core::sc_module_name& name, const mmu::Timeline& timeline, mmu::MmuModule& unit,
           CoreWork work)
    : sc_module(name),
      timeline_(timeline),
      number_(work.number),
      port_("port", timeline, unit, number_),
      program_(timeline, port_, std::move(work)) {
  SC_HAS_PROCESS(Core);
  SC_THREAD(run);
  set_stack_size(kStackBytes);
}

// The kernel would turn an exception into a report of its own, so it is carried out by hand.
void Core::run() {
  if (finished_) return;  // before the checkpoint that the run goes on from
  try {
    while (timeline_.now() < now()) port_.sleep_until(now());
    run_program();
  } catch (const sc_core::sc_unwind_exception&) {
    throw;
  } catch (...) {
    exception_ = std::current_exception();
  }
  port_.settle();
  finished_ = true;  // first: others may have waited for this, to take a checkpoint
  program_.leave(now(), exception_ != nullptr);
}

void Core::report(RunResult& result) const {
  program_.report(result, now());
  if (!finished_ || exception_ != nullptr) result.partial = true;
}

}  // namespace eptsim::sim
