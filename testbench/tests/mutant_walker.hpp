#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "mmu_model/walker/model_walker.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// The model with a bug: what goes in or comes out is changed on its way.
class MutantWalker final : public mmu::WalkerUnit {
 public:
  using ChangeContext = std::function<void(mmu::Context&)>;
  using ChangeInputs = std::function<void(mmu::WalkerInputs&, const mmu::WalkerOutputs&)>;
  using ChangeOutputs = std::function<void(mmu::WalkerOutputs&)>;

  /// A rule that reads the context wrongly.
  static std::unique_ptr<MutantWalker> of_context(ChangeContext change) {
    auto mutant = std::make_unique<MutantWalker>();
    mutant->change_context_ = std::move(change);
    return mutant;
  }
  static std::unique_ptr<MutantWalker> of_inputs(ChangeInputs change) {
    auto mutant = std::make_unique<MutantWalker>();
    mutant->change_inputs_ = std::move(change);
    return mutant;
  }
  static std::unique_ptr<MutantWalker> of_outputs(ChangeOutputs change) {
    auto mutant = std::make_unique<MutantWalker>();
    mutant->change_outputs_ = std::move(change);
    return mutant;
  }
  /// Responses come a cycle late.
  static std::unique_ptr<MutantWalker> late() {
    auto mutant = std::make_unique<MutantWalker>();
    mutant->late_ = true;
    return mutant;
  }

  MutantWalker() { reset(); }

  void reset() override {
    model_.reset();
    held_back_ = false;
    pass_on();
  }
  const mmu::WalkerOutputs& outputs() const override { return outputs_; }
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    mmu::WalkerInputs changed = inputs;
    if (changed.request && change_context_) {
      if (model_.outputs().request_ready) {
        mmu::Context context = changed.request->context->raw;
        change_context_(context);
        context_.emplace(context);
        // With EPT off they came from memory.
        context_->pdptes = changed.request->context->pdptes;
      }
      changed.request->context = &*context_;
    }
    if (change_inputs_) change_inputs_(changed, model_.outputs());
    if (late_ && held_back_) changed.response_ready = false;
    const bool responding = model_.outputs().response.has_value();
    model_.tick(changed);
    held_back_ = model_.outputs().response.has_value() && !responding;
    pass_on();
    return outputs_;
  }

 private:
  void pass_on() {
    outputs_ = model_.outputs();
    if (late_ && held_back_) {
      outputs_.response.reset();
      outputs_.next_cycle = 0;
    }
    if (change_outputs_) change_outputs_(outputs_);
  }

  mmu::ModelWalker model_;
  mmu::WalkerOutputs outputs_;
  std::optional<mmu::WalkContext> context_;
  ChangeContext change_context_;
  ChangeInputs change_inputs_;
  ChangeOutputs change_outputs_;
  bool late_ = false;
  bool held_back_ = false;
};

}  // namespace eptsim::tb
