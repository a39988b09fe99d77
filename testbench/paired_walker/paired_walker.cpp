#include "testbench/paired_walker/paired_walker.hpp"

#include <algorithm>
#include <utility>

#include "testbench/scoreboard/difference.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"

namespace eptsim::tb {

PairedWalker::PairedWalker(std::unique_ptr<mmu::WalkerUnit> expected,
                           std::unique_ptr<mmu::WalkerUnit> tested)
    : expected_(std::move(expected)), tested_(std::move(tested)) {
  reset();
}

void PairedWalker::reset() {
  expected_->reset();
  tested_->reset();
  under_way_.clear();
  walks_ = 0;
  difference_.clear();
  compare(0);
}

const mmu::WalkerOutputs& PairedWalker::tick(const mmu::WalkerInputs& inputs) {
  follow(inputs);
  expected_->tick(inputs);
  if (!difference_.empty()) {
    outputs_ = expected_->outputs();
    return outputs_;
  }
  tested_->tick(inputs);
  compare(inputs.cycle + 1);
  return outputs_;
}

/// Keeps account of the walks that the handshakes of this cycle begin and end.
void PairedWalker::follow(const mmu::WalkerInputs& inputs) {
  if (outputs_.response && inputs.response_ready) {
    std::erase_if(under_way_,
                  [&](const WalkUnderWay& walk) { return walk.tag == outputs_.response->tag; });
  }
  if (inputs.request && outputs_.request_ready) {
    under_way_.push_back({++walks_, inputs.request->tag, inputs.request->request});
  }
}

/// What is driven in `cycle`, by either; and when either must be ticked again.
void PairedWalker::compare(mmu::Cycle cycle) {
  const mmu::WalkerOutputs& expected = expected_->outputs();
  const mmu::WalkerOutputs& got = tested_->outputs();
  outputs_ = expected;
  outputs_.next_cycle = std::min(expected.next_cycle, got.next_cycle);
  Differences differences;
  tb::compare(expected, got, differences);
  if (differences.empty()) return;
  difference_ = "the walkers differ in cycle " + std::to_string(cycle) + "\n";
  for (const WalkUnderWay& walk : under_way_) {
    difference_ += "  walk " + std::to_string(walk.number) + ", tag " + std::to_string(walk.tag) +
                   ": " + request_text(walk.request) + "\n";
  }
  for (const Difference& difference : differences.take()) {
    difference_ += "  " + difference.field + ": expected " + difference.expected + ", got " +
                   difference.got + "\n";
  }
}

void PairedWalker::require_equal() const {
  if (!difference_.empty()) throw WalkersDiffer(difference_);
}

}  // namespace eptsim::tb
