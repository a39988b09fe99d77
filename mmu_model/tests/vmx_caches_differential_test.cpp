#include <gtest/gtest.h>

#include "mmu_model/tests/vmx_random_guest.hpp"

namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kSeeds = 48, kSeedsOfATest = 16;
constexpr unsigned kSteps = 12'000;
constexpr unsigned kStepsBetweenMemories = 64;

CacheSettings small_caches(Replacement replacement) {
  CacheSettings settings;
  settings.l1d = {.unified = {.entries = 8, .ways = 4}, .replacement = replacement};
  settings.l1i = {.split = true,
                  .k4 = {.entries = 4, .ways = 2},
                  .m2 = {.entries = 2, .ways = 2},
                  .replacement = replacement};
  settings.l2 = {.unified = {.entries = 64, .ways = 8}, .replacement = replacement};
  for (unsigned level = 2; level <= 5; ++level) {
    settings.combined[level] =
        settings.ept[level] = {.entries = 8, .ways = 4, .replacement = replacement};
  }
  settings.nested_tlb = {.entries = 16, .ways = 4, .replacement = replacement};
  return settings;
}

/// A test takes some of the seeds, and so all features in many combinations.
class VmxCachesAgainstNone : public testing::TestWithParam<std::uint64_t> {};

TEST_P(VmxCachesAgainstNone, NoGuestThatInvalidatesSeesAnyDifference) {
  static constexpr Replacement kReplacements[] = {Replacement::kLru, Replacement::kTreePlru,
                                                  Replacement::kFifo, Replacement::kRandom};
  RandomGuest::Counts all;
  std::uint64_t translations = 0, walks = 0, references = 0, uncached_references = 0;
  for (std::uint64_t seed = GetParam(); seed < GetParam() + kSeedsOfATest; ++seed) {
    CacheSettings settings = small_caches(kReplacements[seed % 4]);
    if (seed % 3 == 1) settings.kind = StructureKind::kGuest;
    if (seed % 2 == 1) settings.l1d.coalesce = settings.l2.coalesce = 4;
    RandomGuest guest(seed, settings);
    for (unsigned step = 0; step < kSteps; ++step) {
      guest.step();
      if (step % kStepsBetweenMemories == 0) guest.compare_memories();
      ASSERT_EQ(guest.difference(), "") << "step " << step;
    }
    all += guest.counts();
    translations += guest.cached().translations;
    walks += guest.cached().walks;
    references += guest.cached().references;
    uncached_references += guest.uncached().references;
  }
  // The guests are worth something only if all of these happen often.
  EXPECT_GT(all.done, 80'000u);
  EXPECT_GT(all.page_faults, 20'000u);
  EXPECT_GT(all.virtualization_exceptions, 100u);
  EXPECT_GT(all.ept_violations, 2000u);
  EXPECT_GT(all.ept_misconfigurations, 200u);
  EXPECT_GT(all.pml_full, 50u);
  EXPECT_GT(all.not_invalidated, 500u);
  for (const std::uint64_t accesses : all.accesses) EXPECT_GT(accesses, 10'000u);
  EXPECT_GT(translations - walks, translations / 4) << "TLB hits";
  EXPECT_LT(references, uncached_references / 2) << "shorter walks";
}

INSTANTIATE_TEST_SUITE_P(Seeds, VmxCachesAgainstNone,
                         testing::Range<std::uint64_t>(0, kSeeds, kSeedsOfATest));

}  // namespace
}  // namespace eptsim::mmu::test
