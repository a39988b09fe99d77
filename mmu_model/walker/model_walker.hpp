#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mmu_model/caches/structure_caches.hpp"
#include "mmu_model/walk/walk.hpp"
#include "mmu_model/walker/configuration.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The walker of docs/microarchitecture.md in any configuration: slots, one engine that follows one
/// walk a cycle, structure caches and nested TLB.
class ModelWalker final : public WalkerUnit {
 public:
  /// Without an argument: `single`. Throws std::invalid_argument if there are more walks than the
  /// slots' numbers tell apart, or none.
  explicit ModelWalker(const WalkerConfiguration& configuration = {});

  void reset() override;
  const WalkerOutputs& outputs() const override { return outputs_; }
  const WalkerOutputs& tick(const WalkerInputs& inputs) override;

  /// What memory said to a request.
  struct Served {
    std::uint64_t value = 0;
    Cycle answered = 0;
  };
  /// A walk from end to end, where nothing else comes meanwhile: taken in cycle `taken` by a walker
  /// without any, which is without any afterwards. `serve(request, cycle)`: memory takes it as soon
  /// as it is there, in `cycle`. `note(lookup)`: what the look-up port shows. The same happens in
  /// the same cycles as with ticks. The response is there `cycles` and 1 after `taken`.
  template <class Serve, class Note>
  WalkResponse walk_alone(const WalkRequest& request, Cycle taken, Serve&& serve, Note&& note);

  /// For who walks in the walker's place while it has no walk.
  StructureCaches& caches() { return caches_; }
  /// How its walks ask them.
  Walk::Lookups lookups() const {
    const bool any = configuration_.has_combined() || configuration_.has_guest_physical();
    return any ? lookups_of(configuration_.kind) : Walk::Lookups::kOff;
  }

  /// What changes, for checkpoints: of a walker without any walk.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(caches_, last_picked_);
  }

 private:
  static constexpr unsigned kMostWalks = 16;

  enum class State : std::uint8_t { kIdle, kReady, kIssue, kWait, kRespond };
  struct Slot {
    State state = State::kIdle;
    /// An invalidation has come since the request was taken: what was read may be out of date.
    bool crossed = false;
    std::uint32_t tag = 0;
    Cycle first_cycle = 0;  ///< the one after the request was taken
    const WalkContext* context = nullptr;
    Walk walk;
    Step step{};       ///< what `walk` said last: the look-up to make, or the request to memory
    Cycle cycles = 0;  ///< kRespond: what the walk took
  };
  /// The numbers of slots, in the order of entering. A slot is in one queue at most.
  class Queue {
   public:
    bool empty() const { return count_ == 0; }
    unsigned front() const { return slots_[first_]; }
    void push(unsigned slot) {
      slots_[(first_ + count_++) % kMostWalks] = static_cast<std::uint8_t>(slot);
    }
    void pop() {
      first_ = (first_ + 1) % kMostWalks;
      --count_;
    }

   private:
    std::array<std::uint8_t, kMostWalks> slots_{};
    unsigned first_ = 0;
    unsigned count_ = 0;
  };

  void accept(const WalkRequest& request, Cycle now);
  bool is_waiting(unsigned number) const {
    return number < slots_.size() && slots_[number].state == State::kWait;
  }
  unsigned next_ready() const;
  void follow(unsigned number, const WalkerInputs& inputs);
  void look_up(unsigned number, const WalkerInputs& inputs);
  void advance(Slot& slot, const Answer& answer, const WalkerInputs& inputs);
  void keep_fills(const Slot& slot, const WalkerInputs& inputs);
  bool asks(LookupKind kind) const {
    return kind == LookupKind::kCombined ? configuration_.has_combined()
                                         : configuration_.has_guest_physical();
  }
  void drive(Cycle next);
  MemoryRequest memory_request(unsigned number) const;
  static WalkResponse response_of(const Slot& slot);

  WalkerConfiguration configuration_;
  std::vector<Slot> slots_;
  Queue memory_queue_;
  Queue response_queue_;
  unsigned ready_ = 0;        ///< slots in kReady
  unsigned idle_ = 0;         ///< slots in kIdle
  unsigned last_picked_ = 0;  ///< by the engine
  StructureCaches caches_;
  WalkerOutputs outputs_;
  WalkerInputs alone_;  ///< of a walk alone: nothing but the cycle; large, so not made for each
};

template <class Serve, class Note>
WalkResponse ModelWalker::walk_alone(const WalkRequest& request, Cycle taken, Serve&& serve,
                                     Note&& note) {
  accept(request, taken);
  Slot& slot = slots_.front();
  WalkerInputs& inputs = alone_;
  inputs.cycle = taken + 1;
  advance(slot, {}, inputs);
  while (slot.step.kind != StepKind::kDone) {
    if (slot.step.kind == StepKind::kLookup) {
      ++inputs.cycle;
      look_up(0, inputs);
      note(*outputs_.lookup);
      continue;
    }
    const Served served = serve(memory_request(0), inputs.cycle + 1);
    inputs.cycle = served.answered;
    advance(slot, {.value = served.value}, inputs);
  }
  slot.cycles = inputs.cycle + 1 - slot.first_cycle;
  slot.state = State::kIdle;
  --ready_;
  ++idle_;
  last_picked_ = 0;
  outputs_.lookup.reset();
  return response_of(slot);
}

}  // namespace eptsim::mmu
