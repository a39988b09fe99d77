#include "testbench/scoreboard/stream_driver.hpp"

#include <algorithm>

#include "mmu_model/walk/step_service.hpp"

namespace eptsim::tb {

namespace {

using mmu::Cycle;
using mmu::kNever;

/// No walk takes as long, nor waits as long to be taken.
constexpr Cycle kPatience = 20'000;

}  // namespace

StreamDriver::StreamDriver(mmu::WalkerUnit& first, mmu::WalkerUnit* second, unsigned slots)
    : first_(first), second_(second), memory_(kStreamSlotBits), slots_(slots) {}

void StreamDriver::begin(const Stream& stream) {
  first_.reset();
  memory_.load(stream.image);
  std::ranges::fill(slots_, Slot{});
  timing_ = stream.timing;
  random_ = Random(timing_.seed, 0);
  now_ = taken_at_ = 0;
  taken_ = answered_ = 0;
  event_ = 0;
  disabled_ = {};
  pending_.clear();
  held_memory_.reset();
  held_response_.reset();
  memory_at_ = response_at_ = kNever;
}

unsigned StreamDriver::busy() const {
  return static_cast<unsigned>(
      std::ranges::count_if(slots_, [](const Slot& slot) { return slot.walk >= 0; }));
}

std::vector<unsigned> StreamDriver::in_flight() const {
  std::vector<unsigned> walks;
  for (const Slot& slot : slots_) {
    if (slot.walk >= 0) walks.push_back(static_cast<unsigned>(slot.walk));
  }
  return walks;
}

/// Whether a port whose output is `valid` is ready now; `at` is its memory from cycle to cycle.
bool StreamDriver::ready(bool valid, Cycle& at) {
  if (!valid) {
    at = kNever;
    return random_.coin();
  }
  if (at == kNever) at = now_ + random_.below(timing_.stall + 1);
  return now_ >= at;
}

bool StreamDriver::may_offer(const Stream& stream) const {
  if (taken_ == stream.requests.size()) return false;
  const StreamRequest& next = stream.requests[taken_];
  if (now_ < taken_at_ + next.gap) return false;
  const unsigned in_flight = busy();
  if (in_flight == 0) return true;
  if (in_flight >= timing_.in_flight || goes_alone(stream.contexts[next.context])) return false;
  return std::ranges::none_of(slots_, [&](const Slot& slot) {
    if (slot.walk < 0) return false;
    const StreamRequest& other = stream.requests[static_cast<std::size_t>(slot.walk)];
    return goes_alone(stream.contexts[other.context]);
  });
}

/// What is due of the stream's events, up to an invalidation.
void StreamDriver::happen(const Stream& stream, mmu::WalkerInputs& inputs,
                          StreamObserver& observer) {
  for (; event_ < stream.events.size() && !inputs.invalidation; ++event_) {
    const StreamEvent& event = stream.events[event_];
    if (event.after > taken_ || (event.after == taken_ && now_ < taken_at_ + event.delay)) return;
    if (event.store) {
      observer.storing(*event.store);
      memory_.write64(arch::Hpa(event.store->address), event.store->value);
    }
    if (event.disabled) disabled_ = *event.disabled;
    inputs.invalidation = event.invalidation;
    if (event.invalidation) observer.invalidated(event, now_);
  }
}

/// One of the answers that are due.
std::optional<mmu::MemoryAnswer> StreamDriver::pick_answer() {
  const auto due = [&](const Pending& pending) { return pending.at <= now_; };
  const auto count = static_cast<std::uint64_t>(std::ranges::count_if(pending_, due));
  if (count == 0) return std::nullopt;
  std::uint64_t skipped = random_.below(count);
  const auto chosen = std::ranges::find_if(
      pending_, [&](const Pending& pending) { return due(pending) && skipped-- == 0; });
  const mmu::MemoryAnswer answer = chosen->answer;
  pending_.erase(chosen);
  return answer;
}

/// What can be said of a walker's outputs without another beside it.
bool StreamDriver::check_ports(const mmu::WalkerOutputs& outputs,
                               std::vector<Difference>& differences) {
  Differences found;
  found.flag("request_ready", busy() < slots_.size(), outputs.request_ready);
  if (outputs.memory) {
    const bool known = outputs.memory->id < slots_.size();
    const Slot slot = known ? slots_[outputs.memory->id] : Slot{};
    if (slot.walk < 0) found.word("memory.id", "a slot with a walk", "one without");
    if (slot.waiting) found.word("memory.id", "a slot that waits for nothing", "one that waits");
  }
  if (held_memory_ && !outputs.memory) found.word("memory.valid", "until it is taken", "withdrawn");
  if (held_memory_ && outputs.memory) compare(*held_memory_, *outputs.memory, found);
  if (held_response_ && !outputs.response) {
    found.word("response.valid", "until it is taken", "withdrawn");
  }
  if (held_response_ && outputs.response) compare(*held_response_, *outputs.response, found);
  for (const Slot& slot : slots_) {
    if (slot.walk >= 0 && now_ > slot.since + kPatience) {
      found.word("response", "one", "none after " + std::to_string(kPatience) + " cycles");
    }
  }
  differences = found.take();
  return differences.empty();
}

void StreamDriver::take_memory(const mmu::MemoryRequest& request, StreamObserver& observer) {
  const mmu::Step step{.kind = request.kind,
                       .place = request.place,
                       .address = request.address,
                       .size = request.size,
                       .expected = request.expected,
                       .desired = request.desired};
  Slot& slot = slots_[request.id];
  mmu::NoRecording nothing;
  // The observer sees what a store replaces.
  const std::uint64_t found = mmu::serve(step, memory_, nothing);
  observer.carried_out(static_cast<unsigned>(slot.walk), request, found, now_);
  slot.waiting = true;
  const Cycle latency =
      timing_.random_latency ? 1 + random_.below(timing_.latency) : timing_.latency;
  pending_.push_back({now_ + latency, {.id = request.id, .value = found}});
}

StreamDriver::Result StreamDriver::run(const Stream& stream,
                                       std::span<const mmu::WalkContext> contexts, bool with_second,
                                       StreamObserver& observer) {
  begin(stream);
  mmu::WalkerUnit* const second = with_second ? second_ : nullptr;
  if (second != nullptr) second->reset();
  Result result;
  bool ticked = true;

  // What comes after the last response is one too many.
  constexpr unsigned kAfterwards = 3;
  for (unsigned left = kAfterwards; left > 0 && observer.go_on(); ++now_) {
    if (answered_ == stream.requests.size()) --left;
    result.cycle = now_;
    const mmu::WalkerOutputs& outputs = first_.outputs();
    if (second != nullptr && ticked) {
      Differences differences;
      compare(outputs, second->outputs(), differences);
      if (!differences.empty()) {
        result.differences = differences.take();
        result.of_second = true;
        return result;
      }
    }
    if (second != nullptr) ++result.compared;
    if (!check_ports(outputs, result.differences)) return result;
    if (ticked && outputs.lookup) {
      const Slot& slot = slots_[outputs.lookup->id % slots_.size()];
      if (slot.walk < 0) {
        result.differences.push_back({"lookup.id", "a slot with a walk", "one without"});
        return result;
      }
      observer.looked_up(static_cast<unsigned>(slot.walk), *outputs.lookup, now_ - 1);
    }

    mmu::WalkerInputs inputs;
    inputs.cycle = now_;
    happen(stream, inputs, observer);
    inputs.disabled = disabled_;
    if (may_offer(stream)) {
      const StreamRequest& next = stream.requests[taken_];
      inputs.request = mmu::WalkRequest{tag(taken_), &contexts[next.context], next.request};
    }
    inputs.answer = pick_answer();
    inputs.memory_ready = ready(outputs.memory.has_value(), memory_at_);
    inputs.response_ready = ready(outputs.response.has_value(), response_at_);

    const std::optional<mmu::MemoryRequest> memory = outputs.memory;
    const bool takes_memory = memory && inputs.memory_ready;
    const bool takes_response = outputs.response && inputs.response_ready;
    const bool takes_request = inputs.request && outputs.request_ready;
    held_memory_ = takes_memory ? std::nullopt : memory;
    held_response_ = takes_response ? std::nullopt : outputs.response;
    if (inputs.answer) {
      Slot& slot = slots_[inputs.answer->id];
      slot.waiting = false;
      observer.answered(static_cast<unsigned>(slot.walk), now_ >= outputs.next_cycle, now_);
    }
    if (takes_memory) {
      take_memory(*memory, observer);
      memory_at_ = kNever;
    }
    unsigned freed = static_cast<unsigned>(slots_.size());
    if (takes_response) {
      response_at_ = kNever;
      const mmu::WalkResponse response = *outputs.response;
      const auto slot = std::ranges::find_if(slots_, [&](const Slot& candidate) {
        return candidate.walk >= 0 && tag(static_cast<unsigned>(candidate.walk)) == response.tag;
      });
      if (slot == slots_.end() || slot->waiting) {
        result.differences.push_back({"response.tag", "of a walk in flight that has its answer",
                                      std::to_string(response.tag)});
        return result;
      }
      observer.responded(static_cast<unsigned>(slot->walk), response, now_);
      freed = static_cast<unsigned>(slot - slots_.begin());
      ++answered_;
    }
    if (inputs.request && !takes_request) observer.request_held_up();
    if (takes_request) {
      const auto slot =
          std::ranges::find_if(slots_, [](const Slot& candidate) { return candidate.walk < 0; });
      *slot = {.walk = static_cast<int>(taken_), .waiting = false, .since = now_};
      observer.request_taken(taken_, now_);
      ++taken_;
      taken_at_ = now_;
    }
    // Its slot takes no request in the cycle in which its response leaves.
    if (freed < slots_.size()) slots_[freed] = {};

    ticked = timing_.clock_always || inputs.request || inputs.answer || inputs.invalidation ||
             takes_memory || takes_response || now_ >= outputs.next_cycle;
    if (ticked) {
      first_.tick(inputs);
      if (second != nullptr) second->tick(inputs);
    }
  }
  return result;
}

}  // namespace eptsim::tb
