#include "mmu_model/walker/model_walker.hpp"

namespace eptsim::mmu {

void ModelWalker::reset() {
  state_ = State::kIdle;
  outputs_ = {.request_ready = true};
}

const WalkerOutputs& ModelWalker::tick(const WalkerInputs& inputs) {
  switch (state_) {
    case State::kIdle:
      if (inputs.request) accept(inputs);
      break;
    case State::kIssue:
      if (inputs.memory_ready) {
        outputs_.memory.reset();
        state_ = State::kWait;
      }
      break;
    case State::kWait:
      if (inputs.answer) advance(inputs.answer->value, inputs.cycle);
      break;
    case State::kRespond:
      if (inputs.response_ready) reset();
      break;
  }
  return outputs_;
}

void ModelWalker::accept(const WalkerInputs& inputs) {
  walk_ = Walk(*inputs.request->context, inputs.request->request, Walk::Lookups::kOff);
  tag_ = inputs.request->tag;
  first_cycle_ = inputs.cycle + 1;
  outputs_.request_ready = false;
  advance(0, inputs.cycle);
}

/// Takes the walk to its next request to memory, or to its end, with what cycle `now` brought.
void ModelWalker::advance(std::uint64_t answer, Cycle now) {
  const Step step = walk_.next({.value = answer});
  if (step.kind == StepKind::kDone) {
    outputs_.response = WalkResponse{.tag = tag_,
                                     .outcome = walk_.outcome(),
                                     .references = static_cast<std::uint16_t>(walk_.references()),
                                     .cycles = now + 1 - first_cycle_,
                                     .pml_index = walk_.pml_index()};
    state_ = State::kRespond;
    return;
  }
  outputs_.memory = MemoryRequest{.kind = step.kind,
                                  .size = step.size,
                                  .address = step.address,
                                  .expected = step.expected,
                                  .desired = step.desired,
                                  .place = step.place};
  state_ = State::kIssue;
}

}  // namespace eptsim::mmu
