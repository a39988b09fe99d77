#pragma once

#include <cstdint>

#include "mmu_model/walk/walk.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The walker of docs/microarchitecture.md in its configuration `single`: one walk at a time, no
/// structure caches.
class ModelWalker final : public WalkerUnit {
 public:
  ModelWalker() { reset(); }

  void reset() override;
  const WalkerOutputs& outputs() const override { return outputs_; }
  const WalkerOutputs& tick(const WalkerInputs& inputs) override;

 private:
  enum class State : std::uint8_t { kIdle, kIssue, kWait, kRespond };

  void accept(const WalkerInputs& inputs);
  void advance(std::uint64_t answer, Cycle now);

  State state_ = State::kIdle;
  Walk walk_;
  std::uint32_t tag_ = 0;
  Cycle first_cycle_ = 0;  ///< of the walk: the one after the request was taken
  WalkerOutputs outputs_;
};

}  // namespace eptsim::mmu
