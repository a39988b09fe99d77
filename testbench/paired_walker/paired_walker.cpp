#include "testbench/paired_walker/paired_walker.hpp"

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
  since_ = 0;
  difference_.clear();
}

const mmu::WalkerOutputs& PairedWalker::tick(const mmu::WalkerInputs& inputs) {
  if (difference_.empty()) {
    tested_->watch(inputs, got_);
    difference_ = difference_of(got_);
  }
  follow(inputs);
  since_ = inputs.cycle + 1;
  return expected_->tick(inputs);
}

/// Keeps account of the walks that the handshakes of this cycle begin and end.
void PairedWalker::follow(const mmu::WalkerInputs& inputs) {
  const mmu::WalkerOutputs& outputs = expected_->outputs();
  if (outputs.response && inputs.response_ready) {
    std::erase_if(under_way_,
                  [&](const WalkUnderWay& walk) { return walk.tag == outputs.response->tag; });
  }
  if (inputs.request && outputs.request_ready) {
    under_way_.push_back({++walks_, inputs.request->tag, inputs.request->request});
  }
}

/// How what the tested one drives differs from what is driven; empty if it does not.
std::string PairedWalker::difference_of(const mmu::WalkerOutputs& got) const {
  Differences differences;
  compare(expected_->outputs(), got, differences);
  if (differences.empty()) return {};
  std::string text = "the walkers differ in cycle " + std::to_string(since_) + "\n";
  for (const WalkUnderWay& walk : under_way_) {
    text += "  walk " + std::to_string(walk.number) + ", tag " + std::to_string(walk.tag) + ": " +
            request_text(walk.request) + "\n";
  }
  for (const Difference& difference : differences.take()) {
    text += "  " + difference.field + ": expected " + difference.expected + ", got " +
            difference.got + "\n";
  }
  return text;
}

void PairedWalker::require_equal() const {
  const std::string text = difference_.empty() ? difference_of(tested_->outputs()) : difference_;
  if (!text.empty()) throw WalkersDiffer(text);
}

}  // namespace eptsim::tb
