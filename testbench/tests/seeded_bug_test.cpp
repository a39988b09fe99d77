#include <gtest/gtest.h>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/tests/mutant_walker.hpp"

/// Tests of the test: each bug, put in on purpose, is found.
namespace eptsim::tb {
namespace {

using mmu::OutcomeKind;

constexpr std::uint64_t kSeed = 3;
constexpr std::uint64_t kEnough = 20'000;  ///< walks in which each bug must show

Voices with_device(std::unique_ptr<mmu::WalkerUnit> unit) {
  Voices voices = built_voices();
  voices.device.emplace(
      Device{"mutant", std::move(unit), [](const TestCase&) { return std::nullopt; }});
  return voices;
}

Voices without_device() {
  Voices voices = built_voices();
  voices.device.reset();
  return voices;
}

/// The mismatch that the mutant causes, after checking all that every mismatch must have.
Mismatch found_by(Voices voices) {
  CrossCheck check(std::move(voices), kSeed, {});
  std::optional<Mismatch> mismatch = check.run(kEnough);
  if (!mismatch) {
    ADD_FAILURE() << "the bug was not found";
    return {};
  }
  EXPECT_FALSE(mismatch->finding.differences.empty());
  const std::string text = mismatch_text(*mismatch, "eptsim verify --replay 3:1");
  EXPECT_NE(text.find("Again: eptsim verify --replay 3:1\n"), std::string::npos);
  EXPECT_NE(text.find(mismatch->finding.differences.front().field), std::string::npos);
  if (mismatch->smallest) {
    EXPECT_LE(mismatch->smallest->image.size(), mismatch->test.image.size());
  }
  testing::Test::RecordProperty("walks", static_cast<int>(mismatch->number + 1));
  return std::move(*mismatch);
}

Mismatch found_with(std::unique_ptr<mmu::WalkerUnit> unit) {
  Mismatch mismatch = found_by(with_device(std::move(unit)));
  EXPECT_EQ(mismatch.finding.got, "mutant");
  EXPECT_TRUE(mismatch.finding.cycle.has_value());
  return mismatch;
}

std::string first_field(const Mismatch& mismatch) {
  return mismatch.finding.differences.empty() ? "" : mismatch.finding.differences.front().field;
}

TEST(SeededBug, AQualificationBitThatIsFlippedIsFound) {
  const Mismatch mismatch = found_with(MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.response)
      outputs.response->outcome.qualification ^= arch::qualification::kFinal.mask();
  }));
  EXPECT_EQ(first_field(mismatch), "qualification");
  ASSERT_TRUE(mismatch.smallest);
  // A violation needs no more than what leads to the entry.
  EXPECT_LT(mismatch.smallest->image.size(), 6U);
}

TEST(SeededBug, AnAddressThatLosesItsUpperBitsIsFound) {
  const Mismatch mismatch = found_with(MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.memory) outputs.memory->address &= (std::uint64_t{1} << 48) - 1;
  }));
  EXPECT_EQ(first_field(mismatch), "memory.address");
}

TEST(SeededBug, AGuestPhysicalAddressWithoutItsOffsetIsFound) {
  const Mismatch mismatch = found_with(MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.response && outputs.response->outcome.kind == OutcomeKind::kEptViolation) {
      outputs.response->outcome.gpa &= ~std::uint64_t{0xfff};
    }
  }));
  EXPECT_EQ(first_field(mismatch), "gpa");
}

TEST(SeededBug, ADirtyFlagThatIsNotSetIsFound) {
  const Mismatch mismatch = found_with(MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.memory && !outputs.memory->place.is_guest_entry()) {
      outputs.memory->desired &= ~arch::ept_entry::kDirty.mask();
    }
  }));
  EXPECT_EQ(first_field(mismatch), "memory.desired");
}

TEST(SeededBug, AResponseACycleLateIsFound) {
  const Mismatch mismatch = found_with(MutantWalker::late());
  EXPECT_EQ(first_field(mismatch), "response.valid");
  EXPECT_EQ(mismatch.number, 0U);
}

TEST(SeededBug, AnAnswerWithAnothersTagIsFound) {
  found_with(MutantWalker::of_outputs([last = 0U](mmu::WalkerOutputs& outputs) mutable {
    if (!outputs.response) return;
    std::swap(outputs.response->tag, last);
  }));
}

TEST(SeededBug, ARequestWithdrawnUnderBackPressureIsFound) {
  found_with(MutantWalker::of_outputs([driven = 0](mmu::WalkerOutputs& outputs) mutable {
    driven = outputs.memory ? driven + 1 : 0;
    if (driven > 1) outputs.memory.reset();
  }));
}

TEST(SeededBug, AResponseThatIsLostIsFound) {
  found_with(
      MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) { outputs.response.reset(); }));
}

TEST(SeededBug, AFailedSwapTakenForASuccessIsFound) {
  found_with(MutantWalker::of_inputs(
      [expected = std::optional<std::uint64_t>{}](mmu::WalkerInputs& inputs,
                                                  const mmu::WalkerOutputs& outputs) mutable {
        if (outputs.memory && inputs.memory_ready) {
          expected.reset();
          if (outputs.memory->kind == mmu::StepKind::kCompareExchange) {
            expected = outputs.memory->expected;
          }
        }
        if (inputs.answer && expected) inputs.answer->value = *expected;
      }));
}

TEST(SeededBug, AContextOfTheNextWalkUsedByThisOneIsFound) {
  // What stands on the request port is taken, whether or not the unit is ready for it.
  class Unlatched final : public mmu::WalkerUnit {
   public:
    Unlatched() { reset(); }
    void reset() override {
      model_.reset();
      context_.reset();
    }
    const mmu::WalkerOutputs& outputs() const override { return model_.outputs(); }
    const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
      mmu::WalkerInputs changed = inputs;
      if (inputs.request) {
        // The object stays the same while its content changes under the walk.
        if (!context_) context_.emplace(*inputs.request->context);
        context_->write_protect = inputs.request->context->write_protect;
        if (model_.outputs().request_ready) *context_ = *inputs.request->context;
        changed.request->context = &*context_;
      }
      return model_.tick(changed);
    }

   private:
    mmu::ModelWalker model_;
    std::optional<mmu::WalkContext> context_;
  };
  const Mismatch mismatch = found_with(std::make_unique<Unlatched>());
  EXPECT_FALSE(mismatch.smallest) << "alone, a walk can't show this bug";
}

struct DroppedRule {
  const char* name;
  void (*change)(mmu::Context&);
};

void PrintTo(const DroppedRule& rule, std::ostream* out) { *out << rule.name; }

class RuleThatIsDropped : public testing::TestWithParam<DroppedRule> {};

TEST_P(RuleThatIsDropped, IsFound) { found_with(MutantWalker::of_context(GetParam().change)); }

INSTANTIATE_TEST_SUITE_P(
    SeededBug, RuleThatIsDropped,
    testing::Values(
        DroppedRule{"Smep", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kSmep.mask(); }},
        DroppedRule{"Smap", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kSmap.mask(); }},
        DroppedRule{"Lass", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kLass.mask(); }},
        DroppedRule{"WriteProtect", [](mmu::Context& c) { c.cr0 &= ~arch::cr0::kWp.mask(); }},
        DroppedRule{"UserKeys", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kPke.mask(); }},
        DroppedRule{"SupervisorKeys", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kPks.mask(); }},
        DroppedRule{"CachesOff", [](mmu::Context& c) { c.cr0 &= ~arch::cr0::kCd.mask(); }},
        DroppedRule{"GlobalPages", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kPge.mask(); }},
        DroppedRule{"Pat", [](mmu::Context& c) { c.pat = arch::kResetPat; }},
        DroppedRule{"WidthByOne",
                    [](mmu::Context& c) { c.cpu.maxphyaddr += c.cpu.maxphyaddr < 52; }},
        DroppedRule{"ExecuteOnly", [](mmu::Context& c) { c.cpu.execute_only = true; }},
        DroppedRule{"PageSize1G", [](mmu::Context& c) { c.cpu.page_1g = true; }},
        DroppedRule{"PageSize2M", [](mmu::Context& c) { c.cpu.page_2m = true; }},
        DroppedRule{"GuestPage1G", [](mmu::Context& c) { c.cpu.guest_page_1g = true; }},
        DroppedRule{"AdvancedInfo", [](mmu::Context& c) { c.cpu.advanced_exit_info = false; }},
        DroppedRule{"ModeBasedExecute",
                    [](mmu::Context& c) { c.controls.mode_based_execute = false; }},
        DroppedRule{"ExecuteDisable", [](mmu::Context& c) { c.efer |= arch::efer::kNxe.mask(); }}),
    [](const auto& rule) { return std::string(rule.param.name); });

TEST(SeededBug, AnOracleThatForgetsAMemoryTypeIsFound) {
  Voices voices = without_device();
  voices.oracle = [](const oracle::State& state, const oracle::Access& access,
                     const oracle::Memory& memory) {
    oracle::Result result = oracle::translate(state, access, memory);
    if (result.memory_type == oracle::MemoryType::kWp) result.memory_type = oracle::MemoryType::kUc;
    return result;
  };
  EXPECT_EQ(first_field(found_by(std::move(voices))), "memory_type");
}

TEST(SeededBug, AStepMachineThatLosesAStoreIsFoundInMemory) {
  // Both the outcome and the recording are right; memory alone is not.
  class Forgetful final : public arch::PhysicalMemory {
   public:
    explicit Forgetful(arch::PhysicalMemory& memory) : memory_(memory) {}
    std::uint64_t read64(arch::Hpa address) const override { return memory_.read64(address); }
    void write64(arch::Hpa, std::uint64_t) override {}
    std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                     std::uint64_t desired) override {
      const std::uint64_t kept =
          (desired & arch::guest_entry::kDirty.mask()) != 0 ? desired : expected;
      return memory_.compare_exchange64(address, expected, kept);
    }

   private:
    arch::PhysicalMemory& memory_;
  };
  Voices voices = without_device();
  voices.step_machine = [](const mmu::WalkContext& context, const mmu::Request& request,
                           arch::PhysicalMemory& memory, mmu::Recording& recording) {
    Forgetful forgetful(memory);
    return mmu::translate(context, request, forgetful, recording);
  };
  found_by(std::move(voices));
}

TEST(SeededBug, AStepMachineThatSkipsAReferenceIsFound) {
  Voices voices = without_device();
  voices.step_machine = [](const mmu::WalkContext& context, const mmu::Request& request,
                           arch::PhysicalMemory& memory, mmu::Recording& recording) {
    auto result = mmu::translate(context, request, memory, recording);
    if (result.references == 24) {
      recording.references.erase(recording.references.begin() + 7);
    }
    return result;
  };
  EXPECT_EQ(first_field(found_by(std::move(voices))), "references[7]");
}

TEST(SeededBug, AClockedModelThatDiffersFromTheStepMachineIsFound) {
  Voices voices = without_device();
  voices.model = MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
    if (outputs.response && outputs.response->references > 20) --outputs.response->references;
  });
  EXPECT_EQ(first_field(found_by(std::move(voices))), "references");
}

}  // namespace
}  // namespace eptsim::tb
