#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// Two walkers of one configuration drove different outputs. `what` says the cycle, the walks under
/// way, and what was expected and got.
class WalkersDiffer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Two walkers side by side that stand for one: both see the same inputs, the first one's outputs
/// are driven, and the second's are held against them in each cycle. From the first difference on
/// the first goes on alone, so that whatever runs on it comes to a point where it can stop.
class PairedWalker final : public mmu::WalkerUnit {
 public:
  PairedWalker(std::unique_ptr<mmu::WalkerUnit> expected, std::unique_ptr<mmu::WalkerUnit> tested);

  void reset() override;
  const mmu::WalkerOutputs& outputs() const override { return expected_->outputs(); }
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override;

  /// Throws WalkersDiffer if they have differed since the reset.
  void require_equal() const;

 private:
  /// One that was taken and whose response is not.
  struct WalkUnderWay {
    std::uint64_t number = 0;  ///< from 1 on, in the order of taking
    std::uint32_t tag = 0;
    mmu::Request request = {};
  };

  void follow(const mmu::WalkerInputs& inputs);
  std::string difference_of(const mmu::WalkerOutputs& got) const;

  std::unique_ptr<mmu::WalkerUnit> expected_;
  std::unique_ptr<mmu::WalkerUnit> tested_;
  mmu::WalkerOutputs got_;
  mmu::Cycle since_ = 0;  ///< the first cycle in which what is driven now holds
  std::vector<WalkUnderWay> under_way_;
  std::uint64_t walks_ = 0;
  std::string difference_;  ///< empty while there is none
};

}  // namespace eptsim::tb
