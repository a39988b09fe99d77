#include "testbench/scoreboard/lockstep.hpp"

namespace eptsim::tb {

namespace {

using mmu::Cycle;
using mmu::kNever;

/// No walk takes as long.
constexpr Cycle kPatience = 20'000;

/// When the ports are served, in cycles.
class Schedule {
 public:
  explicit Schedule(const Timing& timing) : timing_(timing), random_(timing.seed, 0) {}

  Cycle delay() { return random_.below(timing_.stall + 1); }
  Cycle latency() {
    return timing_.random_latency ? 1 + random_.below(timing_.latency) : timing_.latency;
  }
  Cycle early() { return timing_.early_request ? random_.below(64) : kNever; }
  /// A ready that nobody waits for.
  bool idle_ready() { return random_.coin(); }

  /// Whether a port whose output is `valid` is ready now; `at` is its memory from cycle to cycle.
  bool ready(bool valid, Cycle now, Cycle& at) {
    if (!valid) {
      at = kNever;
      return idle_ready();
    }
    if (at == kNever) at = now + delay();
    return now >= at;
  }

 private:
  const Timing& timing_;
  Random random_;
};

}  // namespace

Lockstep::Lockstep(mmu::WalkerUnit& first, mmu::WalkerUnit* second)
    : first_(first), second_(second) {
  reset();
}

void Lockstep::reset() {
  first_.reset();
  if (second_ != nullptr) second_->reset();
  now_ = 0;
  offered_ = false;
}

void Lockstep::load(const TestCase& test) {
  memory_.load(test);
  recording_.references.clear();
  recording_.writes.clear();
  flag_updates_.clear();
  failed_swaps_ = 0;
}

std::uint64_t Lockstep::carry_out(const mmu::MemoryRequest& request) {
  const std::uint64_t found = memory_.carry_out(request.kind, arch::Hpa(request.address),
                                                request.size, request.expected, request.desired);
  switch (request.kind) {
    case mmu::StepKind::kRead:
      recording_.references.push_back({request.place, request.address, found});
      break;
    case mmu::StepKind::kCompareExchange:
      flag_updates_.push_back(flag_update_of(request, found));
      if (found != request.expected) {
        ++failed_swaps_;
        break;
      }
      [[fallthrough]];
    case mmu::StepKind::kWrite:
      recording_.writes.push_back({request.address, request.size, request.desired});
      break;
    default: break;
  }
  return found;
}

Lockstep::Result Lockstep::run(const ClockedWalk& walk, const ClockedWalk* next, bool with_second) {
  mmu::WalkerUnit* const second = with_second ? second_ : nullptr;
  const Timing& timing = walk.timing;
  Schedule schedule(timing);

  Result result;
  const Cycle begin = now_;
  const Cycle request_at = offered_ ? now_ : now_ + schedule.delay();
  Cycle next_at = kNever;
  Cycle memory_at = kNever;
  Cycle answer_at = kNever;
  Cycle response_at = kNever;
  mmu::MemoryAnswer answer;
  bool accepted = false;
  offered_ = false;

  for (bool finished = false; !finished; ++now_) {
    result.cycle = now_ - begin;
    if (result.cycle > kPatience) return result;
    const mmu::WalkerOutputs& outputs = first_.outputs();
    if (second != nullptr) {
      Differences differences;
      compare(outputs, second->outputs(), differences);
      if (!differences.empty()) {
        result.differences = differences.take();
        return result;
      }
      ++result.compared;
    }

    mmu::WalkerInputs inputs;
    inputs.cycle = now_;
    inputs.disabled = {.combined = true, .ept = true, .nested_tlb = true};
    if (!accepted && now_ >= request_at) {
      inputs.request = walk.request;
    } else if (accepted && next != nullptr && now_ >= next_at) {
      inputs.request = next->request;
      offered_ = true;
    }
    if (now_ == answer_at) inputs.answer = answer;
    inputs.memory_ready = schedule.ready(outputs.memory.has_value(), now_, memory_at);
    inputs.response_ready = schedule.ready(outputs.response.has_value(), now_, response_at);

    const bool takes_memory = outputs.memory && inputs.memory_ready;
    const bool takes_response = outputs.response && inputs.response_ready;
    if (inputs.request && outputs.request_ready && !accepted) {
      accepted = true;
      const Cycle early = schedule.early();
      if (early != kNever) next_at = now_ + 1 + early;
    }
    if (takes_memory) {
      answer = {.id = outputs.memory->id, .value = carry_out(*outputs.memory)};
      answer_at = now_ + schedule.latency();
    }
    if (takes_response) {
      result.response = outputs.response;
      finished = true;
    }
    if (timing.clock_always || inputs.request || inputs.answer || takes_memory || takes_response ||
        now_ >= outputs.next_cycle) {
      first_.tick(inputs);
      if (second != nullptr) second->tick(inputs);
    }
  }
  return result;
}

}  // namespace eptsim::tb
