#include "testbench/device/foreign_walker.hpp"

#include <gtest/gtest.h>

#include "ept/arch/fault.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/tests/mutant_walker.hpp"

/// Walkers with ports and timing of their own: what is compared, and that each bug is found.
namespace eptsim::tb {
namespace {

constexpr std::uint64_t kSeed = 5;

/// The model as others might have built it: it takes a request only in every third cycle, and
/// hands a response over a cycle after it has it.
class OtherWalker : public ForeignWalker {
 public:
  explicit OtherWalker(std::unique_ptr<mmu::WalkerUnit> unit) : unit_(std::move(unit)) {}

  std::string name() const override { return "other"; }
  Reports reports() const override { return reports_; }
  std::optional<std::string> unsupported(const mmu::Context&,
                                         const mmu::Request& request) const override {
    if (request.access == arch::AccessKind::kFetch) return "fetches";
    return std::nullopt;
  }
  void reset() override {
    unit_->reset();
    inputs_ = {};
    responding_ = false;
  }
  void drive(const ForeignInputs& inputs) override {
    inputs_ = {.cycle = inputs_.cycle,
               .request = inputs.request,
               .memory_ready = inputs.memory_ready,
               .answer = inputs.answer,
               .response_ready = inputs.response_ready && responding_};
    if (inputs_.cycle % 3 != 0) inputs_.request.reset();
  }
  ForeignOutputs sample() override {
    const mmu::WalkerOutputs& driven = unit_->outputs();
    ForeignOutputs outputs;
    outputs.request_taken = driven.request_ready && inputs_.request;
    if (driven.memory && inputs_.memory_ready) outputs.memory = driven.memory;
    outputs.answer_taken = inputs_.answer.has_value();
    if (driven.response && inputs_.response_ready) outputs.response = driven.response;
    change_(outputs);
    return outputs;
  }
  void clock() override {
    responding_ = unit_->outputs().response.has_value() && !inputs_.response_ready;
    unit_->tick(inputs_);
    ++inputs_.cycle;
  }

  Reports reports_;
  std::function<void(ForeignOutputs&)> change_ = [](ForeignOutputs&) {};

 private:
  std::unique_ptr<mmu::WalkerUnit> unit_;
  mmu::WalkerInputs inputs_;
  bool responding_ = false;
};

Voices voices_with(std::unique_ptr<OtherWalker> walker) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.foreign = std::move(walker);
  return voices;
}

Voices voices_with(std::function<void(ForeignOutputs&)> change, Reports reports = {}) {
  auto walker = std::make_unique<OtherWalker>(std::make_unique<mmu::ModelWalker>());
  walker->change_ = std::move(change);
  walker->reports_ = reports;
  return voices_with(std::move(walker));
}

std::optional<Mismatch> mismatch_of(Voices voices) {
  CrossCheck check(std::move(voices), kSeed, {});
  return check.run(5000);
}

/// The first difference that the bug makes.
Difference found(std::function<void(ForeignOutputs&)> change) {
  const auto mismatch = mismatch_of(voices_with(std::move(change)));
  if (!mismatch) {
    ADD_FAILURE() << "the bug was not found";
    return {};
  }
  EXPECT_EQ(mismatch->finding.expected, "step machine");
  EXPECT_EQ(mismatch->finding.got, "other");
  EXPECT_TRUE(mismatch->finding.cycle.has_value());
  return mismatch->finding.differences.front();
}

TEST(ForeignWalker, IsFollowedWithEveryFeatureInItsOwnTime) {
  CrossCheck check(voices_with(std::make_unique<OtherWalker>(std::make_unique<mmu::ModelWalker>())),
                   kSeed, {});
  const auto mismatch = check.run(5000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  const Tally& tally = check.judge().tally();
  ASSERT_TRUE(tally.not_in_device.contains("fetches"));
  EXPECT_EQ(tally.device_walks + tally.not_in_device.at("fetches"), check.judge().coverage().walks);
  EXPECT_GT(tally.responses, tally.device_walks) << "two for an access to two pages";
}

TEST(ForeignWalker, AMemoryRequestThatIsNotTheNextStepIsFound) {
  const Difference read = found([](ForeignOutputs& outputs) {
    if (outputs.memory && outputs.memory->kind == mmu::StepKind::kRead)
      outputs.memory->address ^= 8;
  });
  EXPECT_TRUE(read.field.starts_with("step["));
  EXPECT_TRUE(read.expected.starts_with("read 0x")) << read.expected;
  const Difference swap = found([](ForeignOutputs& outputs) {
    if (outputs.memory && outputs.memory->kind == mmu::StepKind::kCompareExchange) {
      outputs.memory->desired |= 0x40;
    }
  });
  EXPECT_TRUE(swap.expected.starts_with("swap 0x")) << swap.expected;
}

TEST(ForeignWalker, AResponseThatComesTooEarlyOrNotAtAllIsFound) {
  const Difference early = found([](ForeignOutputs& outputs) {
    if (outputs.memory && outputs.memory->kind == mmu::StepKind::kCompareExchange) {
      outputs.memory.reset();
      outputs.response.emplace();
    }
  });
  EXPECT_EQ(early.got, "response: translated");
  const Difference lost = found([](ForeignOutputs& outputs) { outputs.response.reset(); });
  EXPECT_TRUE(lost.got.starts_with("nothing after")) << lost.got;
}

TEST(ForeignWalker, AHandshakeThatNobodyOfferedIsFound) {
  const Difference request = found([](ForeignOutputs& outputs) { outputs.request_taken = true; });
  EXPECT_EQ(request.got, "takes a request that is not there");
  const Difference memory = found([](ForeignOutputs& outputs) {
    if (outputs.request_taken) {
      outputs.request_taken = false;
      outputs.memory.emplace();
    }
  });
  EXPECT_EQ(memory.got, "read 0x0 before the request is taken");
}

TEST(ForeignWalker, WhatItsResponsesTellIsComparedAndNoMore) {
  const auto wrong_type = [](ForeignOutputs& outputs) {
    if (outputs.response) outputs.response->outcome.memory_type = arch::MemoryType::kUC;
  };
  EXPECT_EQ(found(wrong_type).field, "memory_type");
  Reports reports;
  reports.memory_type = false;
  EXPECT_FALSE(mismatch_of(voices_with(wrong_type, reports)));

  const auto wrong_bit = [](ForeignOutputs& outputs) {
    if (outputs.response) {
      outputs.response->outcome.qualification ^= arch::qualification::kFinal.mask();
    }
  };
  EXPECT_EQ(found(wrong_bit).field, "qualification");
  reports.qualification = ~arch::qualification::kFinal.mask();
  EXPECT_FALSE(mismatch_of(voices_with(wrong_bit, reports)));
}

TEST(ForeignWalker, ARuleThatItDropsIsFound) {
  const auto mismatch = mismatch_of(voices_with(std::make_unique<OtherWalker>(
      MutantWalker::of_context([](mmu::Context& context) { context.cpu.execute_only = true; }))));
  ASSERT_TRUE(mismatch && mismatch->smallest);
  EXPECT_LE(mismatch->smallest->image.size(), mismatch->test.image.size() / 2 + 1);
}

}  // namespace
}  // namespace eptsim::tb
