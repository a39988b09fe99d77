#include "testbench/second_walker/second_walker.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/conformance/suite.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"

/// The second walker: SystemVerilog with other ports, checked as anybody's would be.
namespace eptsim::tb {
namespace {

/// What it has, so that it takes part in most walks.
Features its_features() {
  Features features;
  for (const Feature absent :
       {Feature::kFiveLevel, Feature::kLass, Feature::kProtectionKeys, Feature::kGuestPhysical,
        Feature::kLegacyPaging, Feature::kPml, Feature::kShadowStacks, Feature::kPagingWrite,
        Feature::kGuestPagingVerification, Feature::kHlat, Feature::kSubPages,
        Feature::kVirtualizationExceptions}) {
    features.drop(absent);
  }
  return features;
}

/// The second walker with a bug: what goes in or comes out is changed on its way.
class Mutant final : public ForeignWalker {
 public:
  using ChangeContext = std::function<void(mmu::Context&)>;
  using ChangeOutputs = std::function<void(ForeignOutputs&)>;

  explicit Mutant(ChangeContext change) : change_context_(std::move(change)) {}
  explicit Mutant(ChangeOutputs change) : change_outputs_(std::move(change)) {}

  std::string name() const override { return "mutant"; }
  Reports reports() const override { return walker_->reports(); }
  std::optional<std::string> unsupported(const mmu::Context& context,
                                         const mmu::Request& request) const override {
    return walker_->unsupported(context, request);
  }
  void reset() override { walker_->reset(); }
  void drive(const ForeignInputs& inputs) override {
    ForeignInputs changed = inputs;
    if (inputs.request && change_context_) {
      mmu::Context context = inputs.request->context->raw;
      change_context_(context);
      context_.emplace(context);
      changed.request->context = &*context_;
    }
    walker_->drive(changed);
  }
  ForeignOutputs sample() override {
    ForeignOutputs outputs = walker_->sample();
    if (change_outputs_) change_outputs_(outputs);
    return outputs;
  }
  void clock() override { walker_->clock(); }

 private:
  std::unique_ptr<ForeignWalker> walker_ = make_second_walker();
  std::optional<mmu::WalkContext> context_;
  ChangeContext change_context_;
  ChangeOutputs change_outputs_;
};

Voices voices_with(std::unique_ptr<ForeignWalker> walker) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.foreign = std::move(walker);
  return voices;
}

/// The mismatch that the mutant causes.
template <class Change>
Finding found(Change change) {
  CrossCheck check(voices_with(std::make_unique<Mutant>(std::move(change))), 2, its_features());
  auto mismatch = check.run(10'000);
  if (!mismatch) {
    ADD_FAILURE() << "the bug was not found";
    Finding none;
    none.differences.emplace_back();
    return none;
  }
  EXPECT_EQ(mismatch->finding.expected, "step machine");
  EXPECT_EQ(mismatch->finding.got, "mutant");
  EXPECT_TRUE(mismatch->smallest) << "each walk shows it alone";
  return std::move(mismatch->finding);
}

Mutant::ChangeOutputs of_outputs(Mutant::ChangeOutputs change) { return change; }

TEST(SecondWalker, AgreesInEveryMemoryRequestAndResponse) {
  CrossCheck check(voices_with(make_second_walker()), 1, its_features());
  const auto mismatch = check.run(20'000);
  if (mismatch) FAIL() << mismatch_text(*mismatch, "");
  const Tally& tally = check.judge().tally();
  std::uint64_t left_out = 0;
  for (const auto& [feature, walks] : tally.not_in_device) left_out += walks;
  EXPECT_EQ(tally.device_walks + left_out, check.judge().coverage().walks);
  EXPECT_GT(tally.device_walks, 12'000U);
  EXPECT_GT(tally.responses, tally.device_walks) << "two for an access to two pages";
  EXPECT_GT(tally.requests, 10 * tally.device_walks);
  EXPECT_EQ(tally.cycles, 0U) << "it has a time of its own";
}

TEST(SecondWalker, PassesTheVectorsThatItHasTheFeaturesFor) {
  conformance::Suite suite(voices_with(make_second_walker()));
  for (const conformance::Family& family : conformance::families()) suite.run(family);
  constexpr std::uint64_t kSome = 100'003;
  suite.run_guest_paging(
      {.step_machine = kSome, .clocked_model = kSome, .oracle = kSome, .device = 10'007});
  const conformance::Report& report = suite.report();
  constexpr unsigned kSecond = 3;
  ASSERT_EQ(report.voices.at(kSecond), "second walker");
  std::uint64_t passed = 0;
  for (const conformance::FamilyResult& family : report.families) {
    EXPECT_EQ(family.voices[kSecond].failed, 0U) << family.family;
    passed += family.voices[kSecond].passed;
  }
  for (const conformance::Failure& failure : report.failures) {
    ADD_FAILURE() << failure.voice << ": " << failure.vector << ": "
                  << failure.differences.front().field;
  }
  EXPECT_GT(passed, 20'000U);
}

TEST(SecondWalker, ABitOfTheBusThatIsInvertedIsFound) {
  const Finding finding = found(of_outputs([](ForeignOutputs& outputs) {
    if (outputs.memory) outputs.memory->address ^= std::uint64_t{1} << 40;
  }));
  EXPECT_EQ(finding.differences.front().field, "step[0]");
}

TEST(SecondWalker, ATableTakenForTheAccessIsFound) {
  const Finding finding = found(of_outputs([](ForeignOutputs& outputs) {
    if (!outputs.response) return;
    mmu::Outcome& outcome = outputs.response->outcome;
    if (outcome.kind == mmu::OutcomeKind::kEptViolation) {
      outcome.qualification |= arch::qualification::kFinal.mask();
    }
  }));
  EXPECT_EQ(finding.differences.front().field, "qualification");
}

TEST(SecondWalker, AFlagThatIsNotSetIsFound) {
  const Finding finding = found(of_outputs([](ForeignOutputs& outputs) {
    if (outputs.memory) outputs.memory->desired &= ~arch::ept_entry::kDirty.mask();
  }));
  EXPECT_TRUE(finding.differences.front().expected.starts_with("swap"));
}

struct DroppedRule {
  const char* name;
  void (*change)(mmu::Context&);
};
void PrintTo(const DroppedRule& rule, std::ostream* out) { *out << rule.name; }

class RuleOfTheSecondWalker : public testing::TestWithParam<DroppedRule> {};

TEST_P(RuleOfTheSecondWalker, IsMissedWhenItIsDropped) {
  found(Mutant::ChangeContext(GetParam().change));
}

INSTANTIATE_TEST_SUITE_P(
    SecondWalker, RuleOfTheSecondWalker,
    testing::Values(
        DroppedRule{"Smep", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kSmep.mask(); }},
        DroppedRule{"Smap", [](mmu::Context& c) { c.cr4 &= ~arch::cr4::kSmap.mask(); }},
        DroppedRule{"AlignmentCheck", [](mmu::Context& c) { c.rflags_ac = false; }},
        DroppedRule{"WriteProtect", [](mmu::Context& c) { c.cr0 &= ~arch::cr0::kWp.mask(); }},
        DroppedRule{"ExecuteDisable", [](mmu::Context& c) { c.efer |= arch::efer::kNxe.mask(); }},
        DroppedRule{"EptFlags",
                    [](mmu::Context& c) { c.eptp &= ~arch::eptp::kAccessedDirty.mask(); }},
        DroppedRule{"ModeBasedExecute",
                    [](mmu::Context& c) { c.controls.mode_based_execute = false; }},
        DroppedRule{"ExecuteOnly", [](mmu::Context& c) { c.cpu.execute_only = true; }},
        DroppedRule{"PageSize1G", [](mmu::Context& c) { c.cpu.page_1g = true; }},
        DroppedRule{"PageSize2M", [](mmu::Context& c) { c.cpu.page_2m = true; }},
        DroppedRule{"GuestPage1G", [](mmu::Context& c) { c.cpu.guest_page_1g = true; }},
        DroppedRule{"WidthByOne",
                    [](mmu::Context& c) { c.cpu.maxphyaddr += c.cpu.maxphyaddr < 52; }}),
    [](const auto& rule) { return std::string(rule.param.name); });

}  // namespace
}  // namespace eptsim::tb
