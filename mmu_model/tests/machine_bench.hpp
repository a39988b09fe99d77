#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <systemc>
#include <utility>
#include <vector>

#include "mmu_model/modules/hardware.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/walker/model_walker.hpp"

namespace eptsim::mmu::test {

/// What one access of a test's core met. Cycles count from where its program started.
struct Event {
  TlbHitLevel level = TlbHitLevel::kMiss;
  Cycle begun = 0;
  Cycle requested = 0;  ///< of the walk, if there was one
  Cycle answered = 0;
  Cycle done = 0;  ///< the cycle in which the core goes on
  OutcomeKind kind = OutcomeKind::kTranslated;
  std::uint64_t hpa = 0;

  friend bool operator==(const Event&, const Event&) = default;
};

/// A core that runs a program of accesses from cycle `start` on, one after the other, as
/// translation_port.hpp tells cores to.
class TestCore final : public sc_core::sc_module {
 public:
  using Program = std::function<void(TestCore&)>;

  TestCore(const sc_core::sc_module_name& name, Hardware& hardware, Cycle start, Program program)
      : sc_module(name),
        port("port", hardware.timeline(), hardware.mmu()),
        timeline_(hardware.timeline()),
        start_(start),
        program_(std::move(program)) {
    port.mmu.bind(hardware.mmu().core);
    SC_HAS_PROCESS(TestCore);
    SC_THREAD(run);
  }

  TranslationPort port;
  Cycle cycle = 0;
  std::vector<Event> events;

  /// One access; it takes a cycle beside its translation.
  const Event& access(const WalkContext& context, const Request& request) {
    ++cycle;
    timeline_.keep_pace(cycle);
    Event event{.begun = cycle - start_};
    const TlbHit hit = port.lookup(request);
    event.level = hit.level;
    cycle += hit.cycles;
    if (hit) {
      event.hpa = hit.entry->hpa_of(request.address);
    } else {
      const WalkTransaction& walk = port.walk(context, request, cycle);
      event.requested = walk.requested - start_;
      event.answered = walk.answered - start_;
      event.kind = walk.response.outcome.kind;
      event.hpa = walk.response.outcome.hpa;
      last_outcome = walk.response.outcome;
      cycle = walk.answered + 1;
    }
    event.done = cycle - start_;
    events.push_back(event);
    return events.back();
  }
  Outcome last_outcome;

 private:
  void run() {
    if (start_ > 0) sc_core::wait(timeline_.until(start_));
    cycle = start_;
    program_(*this);
  }

  const Timeline& timeline_;
  Cycle start_;
  Program program_;
};

inline MachineSettings test_machine(bool lockstep = false) {
  MachineSettings settings;
  settings.l1i = {.unified = {.entries = 4, .ways = 2}};
  settings.l1d = {.unified = {.entries = 8, .ways = 2}};
  settings.l2 = {.unified = {.entries = 32, .ways = 4}, .hit_cycles = 7};
  settings.memory.dram.cycles = 4;
  settings.dram_bytes = 1ull << 46;
  settings.lockstep = lockstep;
  return settings;
}

/// Memory of a fixed latency.
inline MemorySettings plain_memory(unsigned cycles) { return {.dram = {.cycles = cycles}}; }

/// Copies tables into a machine's memory.
inline void load(Dram& dram, const WalkTables& tables) {
  for (const auto& [address, word] : tables.memory.words) dram.write64(arch::Hpa(address), word);
}

}  // namespace eptsim::mmu::test
