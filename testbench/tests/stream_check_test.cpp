#include "testbench/scoreboard/stream_check.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "ept/arch/registers.hpp"
#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/scoreboard/stream_text.hpp"
#include "testbench/stimulus/entry_layout.hpp"
#include "testbench/tests/forgetful_walker.hpp"

namespace eptsim::tb {
namespace {

/// The walker in the clocked model's place, judged by the oracle alone.
Voices with_model(std::unique_ptr<mmu::WalkerUnit> unit) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.model = std::move(unit);
  voices.configuration.combined = {0, 0, 4, 4, 4, 0};
  voices.configuration.ept = {0, 0, 4, 4, 4, 0};
  voices.configuration.nested_tlb = 4;
  return voices;
}

/// Passes on what a walker does, with a change.
class Changed final : public mmu::WalkerUnit {
 public:
  using Change = std::function<void(mmu::WalkerOutputs&)>;
  Changed(std::string_view configuration, Change change)
      : unit_(*mmu::find_configuration(configuration)), change_(std::move(change)) {
    pass_on();
  }
  void reset() override {
    unit_.reset();
    pass_on();
  }
  const mmu::WalkerOutputs& outputs() const override { return outputs_; }
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    unit_.tick(inputs);
    return pass_on();
  }

 private:
  const mmu::WalkerOutputs& pass_on() {
    outputs_ = unit_.outputs();
    change_(outputs_);
    return outputs_;
  }
  mmu::ModelWalker unit_;
  Change change_;
  mmu::WalkerOutputs outputs_;
};

StreamMismatch found_in(Voices voices, std::uint64_t walks) {
  StreamCheck check(std::move(voices), 1, {});
  auto mismatch = check.run(walks);
  if (!mismatch) {
    ADD_FAILURE() << "the bug was not found";
    return {};
  }
  testing::Test::RecordProperty("walks", static_cast<int>(check.judge().tally().walks));
  const std::string text = mismatch_text(*mismatch, "eptsim verify --replay 1:s2");
  EXPECT_NE(text.find("Again: eptsim verify --replay 1:s2\n"), std::string::npos);
  EXPECT_LE(mismatch->smallest.requests.size(), mismatch->stream.requests.size());
  EXPECT_LE(mismatch->smallest.events.size(), mismatch->stream.events.size());
  EXPECT_LE(mismatch->smallest.image.size(), mismatch->stream.image.size());
  EXPECT_FALSE(mismatch->found_in_smallest.finding.differences.empty());
  return std::move(*mismatch);
}

/// Of the mismatch that is found.
std::string first_field_of(Voices voices) {
  const StreamMismatch mismatch = found_in(std::move(voices), 4'000);
  const auto& differences = mismatch.found.finding.differences;
  return differences.empty() ? "" : differences.front().field;
}

StreamMismatch found_with(CacheBug bug) {
  return found_in(with_model(std::make_unique<ForgetfulWalker>(bug)), 60'000);
}

class StreamsOf : public testing::TestWithParam<std::string> {};

TEST_P(StreamsOf, AgreeAndMostWalksAreJudged) {
  StreamCheck check(built_voices(GetParam()), 1, {});
  const auto mismatch = check.run(6'000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  const StreamTally& tally = check.judge().tally();
  EXPECT_GT(tally.judged * 10, tally.walks * 8);
  EXPECT_EQ(tally.judged + tally.stale + tally.overtaken, tally.walks);
  EXPECT_LT(tally.not_run * 50, tally.streams);
  EXPECT_GT(tally.invalidations, 300U);
  EXPECT_GT(tally.stores, 100U);
  const mmu::WalkerConfiguration& configuration = *mmu::find_configuration(GetParam());
  EXPECT_GT(tally.in_flight[configuration.walks] * 4, tally.walks);
  EXPECT_EQ(tally.hits > tally.lookups / 3, configuration.has_guest_physical());
  for (const CoverageTable& table : check.judge().coverage().tables()) {
    for (std::size_t bin = 0; bin < table.counts.size(); ++bin) {
      EXPECT_TRUE(table.impossible[bin].empty() || table.counts[bin] == 0)
          << table.name << ": " << table.name_of(bin);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Configurations, StreamsOf, testing::Values("single", "small", "default"),
                         [](const auto& of) { return of.param; });

TEST(StreamCheck, AWalkerThatRemembersWhatItMayIsRight) {
  StreamCheck check(with_model(std::make_unique<ForgetfulWalker>(CacheBug::kNone)), 1, {});
  const auto mismatch = check.run(60'000);
  if (mismatch) ADD_FAILURE() << mismatch_text(*mismatch, "");
  EXPECT_GT(check.judge().tally().hits, 60'000U);
}

TEST(SeededCacheBug, AnInvalidationThatIsIgnoredIsFound) {
  const StreamMismatch mismatch = found_with(CacheBug::kIgnoresInvalidations);
  // What it takes: something to cache, a change, the invalidation, and a walk that hits.
  EXPECT_LE(mismatch.smallest.requests.size(), 3U);
  EXPECT_LE(mismatch.smallest.events.size(), 3U);
  EXPECT_EQ(mismatch.found.finding.expected, "step machine");
}

TEST(SeededCacheBug, AnInvalidationThatGuestPhysicalEntriesIgnoreIsFound) {
  found_with(CacheBug::kIgnoresGuestPhysicalInvalidations);
}

TEST(SeededCacheBug, AnInvalidationOfOneAddressThatIsIgnoredIsFound) {
  found_with(CacheBug::kIgnoresAddressInvalidations);
}

TEST(SeededCacheBug, AFillAfterAnInvalidationInMidWalkIsFound) {
  found_with(CacheBug::kFillsAfterAnInvalidation);
}

TEST(SeededCacheBug, TagsWithoutVpidAreFound) { found_with(CacheBug::kTagsWithoutVpid); }
TEST(SeededCacheBug, TagsWithoutPcidAreFound) { found_with(CacheBug::kTagsWithoutPcid); }
TEST(SeededCacheBug, TagsWithoutEptRootAreFound) { found_with(CacheBug::kTagsWithoutEptRoot); }
TEST(SeededCacheBug, CombinedTagsWithoutEptRootAreFound) {
  found_with(CacheBug::kTagsCombinedWithoutEptRoot);
}

TEST(SeededCacheBug, AHitWithRightsThatTheEntriesDoNotGiveIsFound) {
  found_with(CacheBug::kFillsWithoutRights);
}

TEST(SeededCacheBug, AFlagSetInAPageOfTablesThatAHitKnowsToBeReadOnlyIsFound) {
  found_with(CacheBug::kForgetsWhatTheEptSaysOfTables);
}

TEST(SeededCacheBug, AGuestPagingVerificationThatAHitForgetsIsFound) {
  found_with(CacheBug::kForgetsTablesThatAreNotVerified);
}

/// How often the bin was met.
std::uint64_t met(const CoverageTable& table, std::string_view bin) {
  for (std::size_t index = 0; index < table.counts.size(); ++index) {
    if (table.name_of(index) == bin) return table.counts[index];
  }
  ADD_FAILURE() << table.name << " has no bin " << bin;
  return 0;
}

TEST(StreamGenerator, RefusalsForWhatAHitHeldAreCommonEnough) {
  Voices voices = built_voices("small");
  voices.device.reset();
  StreamCheck check(std::move(voices), 1, {});
  EXPECT_FALSE(check.run(60'000));
  const StreamCoverage& coverage = check.judge().coverage();
  const CoverageTable& told = coverage.table(StreamCoverage::kTold);
  EXPECT_GT(met(told, "ept_not_writable, combined"), 30U) << "a flag of a page of tables";
  EXPECT_GT(met(told, "ept_paging_verification, combined"), 20U);
  EXPECT_GT(met(told, "ept_not_readable, EPT structures"), 3U);
  const CoverageTable& hits = coverage.table(StreamCoverage::kHits);
  EXPECT_GT(met(hits, "combined L2, pml_full"), 10U);
}

TEST(StreamGenerator, InvalidationsComeInScopesThatNoInstructionAsksFor) {
  Voices voices = built_voices("small");
  voices.device.reset();
  StreamCheck check(std::move(voices), 1, {});
  EXPECT_FALSE(check.run(60'000));
  const CoverageTable& scopes = check.judge().coverage().table(StreamCoverage::kScopes);
  EXPECT_GT(met(scopes, "linear, EPTRTA"), 10U);
  EXPECT_GT(met(scopes, "guest-physical, VPID"), 10U);
  EXPECT_GT(met(scopes, "combined, guest-physical address"), 10U);
}

TEST(SeededStreamBug, AnAnswerForTheWrongWalkIsFound) {
  const auto swapped = [last = 0U](mmu::WalkerOutputs& outputs) mutable {
    if (outputs.response) std::swap(outputs.response->tag, last);
  };
  found_in(with_model(std::make_unique<Changed>("single", swapped)), 2'000);
}

TEST(SeededStreamBug, AResponseThatIsLostIsFound) {
  const auto lost = [](mmu::WalkerOutputs& outputs) { outputs.response.reset(); };
  const StreamMismatch mismatch =
      found_in(with_model(std::make_unique<Changed>("single", lost)), 2'000);
  EXPECT_LE(mismatch.smallest.requests.size(), 2U);
}

TEST(SeededStreamBug, AMemoryRequestWithdrawnUnderBackPressureIsFound) {
  const auto withdrawn = [driven = 0](mmu::WalkerOutputs& outputs) mutable {
    driven = outputs.memory ? driven + 1 : 0;
    if (driven > 1) outputs.memory.reset();
  };
  found_in(with_model(std::make_unique<Changed>("single", withdrawn)), 2'000);
}

TEST(SeededStreamBug, AResponseWithdrawnOrChangedUnderBackPressureIsFound) {
  const auto withdrawn = [driven = 0](mmu::WalkerOutputs& outputs) mutable {
    driven = outputs.response ? driven + 1 : 0;
    if (driven > 1) outputs.response.reset();
  };
  EXPECT_EQ(first_field_of(with_model(std::make_unique<Changed>("single", withdrawn))),
            "response.valid");
  const auto changed = [driven = 0](mmu::WalkerOutputs& outputs) mutable {
    driven = outputs.response ? driven + 1 : 0;
    if (driven > 1) ++outputs.response->cycles;
  };
  EXPECT_EQ(first_field_of(with_model(std::make_unique<Changed>("single", changed))), "cycles");
}

TEST(SeededStreamBug, AFlagThatIsSetUnaskedInTheSameSwapAsAnotherIsFound) {
  const auto dirty = [](mmu::WalkerOutputs& outputs) {
    if (!outputs.memory || outputs.memory->kind != mmu::StepKind::kCompareExchange) return;
    if (outputs.memory->place.ept_level == 2) outputs.memory->desired |= bits(9, 9);
  };
  EXPECT_EQ(first_field_of(with_model(std::make_unique<Changed>("single", dirty))), "writes");
}

/// What a device drives is held against the model, in each cycle and in every field.
TEST(SeededStreamBug, AnythingThatADeviceDrivesWronglyIsFound) {
  const auto field_of = [](Changed::Change change) {
    Voices voices = built_voices("small");
    voices.device.emplace(Device{"mutant", std::make_unique<Changed>("small", std::move(change)),
                                 [](const TestCase&) { return std::nullopt; }});
    return first_field_of(std::move(voices));
  };
  EXPECT_EQ(field_of([](auto& outputs) {
              if (outputs.lookup) outputs.lookup->ept_level = 0;
            }),
            "lookup.ept_level");
  EXPECT_EQ(field_of([](auto& outputs) {
              if (outputs.response) outputs.response->pml_index ^= 1;
            }),
            "pml_index");
  EXPECT_EQ(field_of([](auto& outputs) { outputs.next_cycle = mmu::kNever; }), "active");
  EXPECT_EQ(field_of([](auto& outputs) {
              if (outputs.memory) outputs.memory->size = 8;
            }),
            "memory.size");
}

/// A guest with EPT off and no tables: a page fault after one read.
Stream one_request() {
  Stream stream;
  mmu::Context& context = stream.contexts.emplace_back();
  context.ept_enabled = false;
  context.cr0 = arch::cr0::kPg.mask() | arch::cr0::kPe.mask();
  context.cr3 = 0x1000;
  context.cr4 = arch::cr4::kPae.mask();
  context.efer = arch::efer::kLma.mask() | arch::efer::kLme.mask();
  stream.requests.push_back({.request = {.address = 0x1234}});
  return stream;
}

TEST(SeededStreamBug, AResponseTooManyIsFoundAfterTheLastRequestToo) {
  const auto repeated = [last = std::optional<mmu::WalkResponse>{}](auto& outputs) mutable {
    if (outputs.response) {
      last = outputs.response;
    } else {
      outputs.response = std::exchange(last, {});
    }
  };
  StreamJudge judge(with_model(std::make_unique<Changed>("single", repeated)));
  const auto found = judge.check(one_request());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->finding.differences.front().field, "response.tag");
  EXPECT_FALSE(StreamJudge(built_voices()).check(one_request()));
}

/// An EPT entry of level 3 that only mode-based execute control finds present.
TEST(StreamJudge, AnEntryThatAHitSkipsMayBeAbsentUnderOtherControls) {
  Stream stream;
  mmu::Context context;
  context.ept_enabled = true;
  context.eptp = 0x401e;
  context.cr0 = arch::cr0::kPe.mask();
  context.vpid = 1;
  context.controls.mode_based_execute = true;
  stream.contexts = {context, context};
  stream.contexts[1].controls.mode_based_execute = false;
  stream.image = {
      {0x4000, 0x5407}, {0x5000, 0x6400}, {0x6000, 0x7407}, {0x7000, 0x8437}, {0x7008, 0x9437}};
  stream.requests = {{.context = 0, .request = {.access = arch::AccessKind::kFetch, .user = true}},
                     {.context = 1, .request = {.address = 0x1000}}};
  stream.timing.in_flight = 1;
  StreamJudge judge(built_voices("small"));
  const auto found = judge.check(stream);
  EXPECT_FALSE(found) << difference_table(found->finding);
  EXPECT_EQ(judge.tally().hits, 1U);
  EXPECT_EQ(judge.tally().judged, 1U);
  EXPECT_EQ(judge.tally().stale, 1U) << "what it may have met is not known";
}

/// One word is an entry of level 3 of a sub-page-permission table, and a guest's of level 4.
TEST(StreamJudge, AFlagThatAnotherWalkSetsInASubPageEntryOvertakesTheWalk) {
  Stream stream;
  mmu::Context& checked = stream.contexts.emplace_back();
  checked.ept_enabled = true;
  checked.eptp = 0x401e;
  checked.cr0 = arch::cr0::kPe.mask();
  checked.controls.sub_page_permission = true;
  checked.sppt_pointer = 0x8000;
  mmu::Context& setting = stream.contexts.emplace_back();
  setting.ept_enabled = false;
  setting.cr0 = arch::cr0::kPg.mask() | arch::cr0::kPe.mask();
  setting.cr3 = 0x9000;
  setting.cr4 = arch::cr4::kPae.mask();
  setting.efer = arch::efer::kLma.mask() | arch::efer::kLme.mask();
  stream.image = {{0x4000, 0x5007}, {0x5000, 0x6007},
                  {0x6000, 0x7007}, {0x7000, 1ULL << 61 | 0xa035},
                  {0x8000, 0x9001}, {0x9000, 0xb007}};
  stream.requests = {{.context = 0, .request = {.access = arch::AccessKind::kWrite}},
                     {.context = 1, .request = {}}};
  StreamJudge judge(built_voices("small"));
  const auto found = judge.check(stream);
  EXPECT_FALSE(found) << difference_table(found->finding);
  EXPECT_EQ(judge.tally().writes, 1U) << "the accessed flag";
  EXPECT_EQ(judge.tally().overtaken, 1U);
  EXPECT_EQ(judge.tally().judged, 1U);
}

TEST(StreamJudge, AStreamThatCanNotBeRunCountsForNone) {
  StreamJudge judge(built_voices());
  Stream stream = one_request();
  EXPECT_FALSE(judge.check(stream));
  stream.contexts[0].cr0 &= ~arch::cr0::kPe.mask();  // paging without protection
  EXPECT_FALSE(judge.check(stream));
  EXPECT_FALSE(judge.check({}));
  EXPECT_EQ(judge.tally().streams, 1U);
  EXPECT_EQ(judge.tally().walks, 1U);
  EXPECT_EQ(judge.tally().not_run, 2U);
}

TEST(StreamCheck, AMismatchThatTakesWhatAResetLeavesBehindSaysSo) {
  const auto later = [responses = 0](mmu::WalkerOutputs& outputs) mutable {
    if (outputs.response && ++responses == 100) ++outputs.response->references;
  };
  StreamCheck check(with_model(std::make_unique<Changed>("single", later)), 1, {});
  const auto mismatch = check.run(1'000);
  ASSERT_TRUE(mismatch);
  EXPECT_GT(mismatch->number, 0U);
  EXPECT_FALSE(mismatch->alone);
  EXPECT_NE(mismatch_text(*mismatch, "").find("Alone, this stream shows nothing"),
            std::string::npos);
}

TEST(StreamCheck, AReplayShowsTheMismatchOfTheRun) {
  const auto voices = [] {
    return with_model(std::make_unique<ForgetfulWalker>(CacheBug::kTagsWithoutEptRoot));
  };
  StreamCheck run(voices(), 9, {});
  const auto first = run.run(60'000);
  ASSERT_TRUE(first);
  StreamCheck replay(voices(), 9, {});
  const auto second = replay.replay(first->number);
  ASSERT_TRUE(second);
  EXPECT_EQ(mismatch_text(*second, ""), mismatch_text(*first, ""));
}

}  // namespace
}  // namespace eptsim::tb
