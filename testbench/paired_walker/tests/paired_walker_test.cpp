#include "testbench/paired_walker/paired_walker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ept/arch/registers.hpp"
#include "testbench/tests/mutant_walker.hpp"

namespace eptsim::tb {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Runs walks of a guest without EPT whose tables are all zeros: one read, and a page fault.
class Bench {
 public:
  explicit Bench(std::unique_ptr<mmu::WalkerUnit> tested)
      : walker(std::make_unique<mmu::ModelWalker>(), std::move(tested)) {}

  /// Returns the cycle of the response.
  mmu::Cycle walk(std::uint32_t tag) {
    bool asked = false;
    bool answer = false;
    for (;; ++now_) {
      const mmu::WalkerOutputs outputs = walker.outputs();
      mmu::WalkerInputs inputs{.cycle = now_, .memory_ready = true, .response_ready = true};
      if (answer) inputs.answer = mmu::MemoryAnswer{.id = 0, .value = 0};
      answer = outputs.memory.has_value();
      if (!asked && outputs.request_ready) {
        asked = true;
        inputs.request = mmu::WalkRequest{.tag = tag, .context = &context_, .request = request_};
      }
      walker.tick(inputs);
      if (outputs.response) return now_++;
    }
  }

  std::string difference() const {
    try {
      walker.require_equal();
    } catch (const WalkersDiffer& difference) {
      return difference.what();
    }
    return "";
  }

  PairedWalker walker;

 private:
  static mmu::Context long_mode() {
    mmu::Context context;
    context.ept_enabled = false;
    context.cr0 = arch::cr0::kPg.mask() | arch::cr0::kPe.mask();
    context.cr3 = 0x1000;
    context.cr4 = arch::cr4::kPae.mask();
    context.efer = arch::efer::kLma.mask() | arch::efer::kLme.mask();
    return context;
  }

  mmu::WalkContext context_{long_mode()};
  mmu::Request request_{.address = 0x1234, .access = arch::AccessKind::kWrite, .user = true};
  mmu::Cycle now_ = 0;
};

TEST(PairedWalker, OfTwoThatAreAlikeIsAsOneOfThem) {
  Bench one(std::make_unique<mmu::ModelWalker>());
  const mmu::Cycle first = one.walk(0);
  one.walk(1);
  EXPECT_EQ(first, 4u);
  EXPECT_EQ(one.difference(), "");
}

TEST(PairedWalker, NamesTheCycleTheWalkAndWhatWasExpected) {
  unsigned reads = 0;
  Bench bench(MutantWalker::of_outputs([&](mmu::WalkerOutputs& outputs) {
    if (outputs.memory && ++reads == 2) outputs.memory->address ^= 8;
  }));
  bench.walk(5);
  EXPECT_EQ(bench.difference(), "");
  const mmu::Cycle response = bench.walk(6);
  const std::string text = bench.difference();
  // The read is on the port the cycle after the first step; its answer and the response follow.
  EXPECT_THAT(text, HasSubstr("differ in cycle " + std::to_string(response - 2) + "\n"));
  EXPECT_THAT(text, HasSubstr("walk 2, tag 6: "));
  EXPECT_THAT(text, HasSubstr("0x1234"));
  EXPECT_THAT(text, HasSubstr("write"));
  EXPECT_THAT(text, HasSubstr("memory.address: expected 0x1000, got 0x1008\n"));
  EXPECT_THAT(text, Not(HasSubstr("walk 1"))) << "it has ended";
}

TEST(PairedWalker, SeesAResponseThatIsOneCycleLate) {
  Bench bench(MutantWalker::late());
  const mmu::Cycle response = bench.walk(0);
  EXPECT_THAT(bench.difference(), HasSubstr("differ in cycle " + std::to_string(response) + "\n"));
  EXPECT_THAT(bench.difference(), HasSubstr("response.valid: expected yes, got no\n"));
}

TEST(PairedWalker, SeesAWalkerThatIsNeverReadyAgain) {
  unsigned requests = 0;
  Bench bench(MutantWalker::of_outputs([&](mmu::WalkerOutputs& outputs) {
    if (outputs.response) ++requests;
    if (requests > 0) outputs.request_ready = false;
  }));
  bench.walk(0);
  EXPECT_THAT(bench.difference(), HasSubstr("request_ready: expected yes, got no\n"));
}

TEST(PairedWalker, KeepsTheFirstDifferenceAndGoesOnWithTheFirstWalkerAlone) {
  unsigned reads = 0;
  Bench bench(MutantWalker::of_outputs([&](mmu::WalkerOutputs& outputs) {
    if (!outputs.memory) return;
    ++reads;
    outputs.memory.reset();
  }));
  bench.walk(0);
  const std::string first = bench.difference();
  EXPECT_THAT(first, HasSubstr("memory.valid: expected yes, got no\n"));
  bench.walk(1);
  EXPECT_EQ(bench.difference(), first);
  EXPECT_EQ(reads, 1u);
}

}  // namespace
}  // namespace eptsim::tb
