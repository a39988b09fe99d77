#include <gtest/gtest.h>

#include <cstdint>

#include "mmu_model/tests/twin_machine.hpp"

/// Small caches must never show, if software invalidates what it must.
namespace eptsim::mmu::test {
namespace {

CacheSettings small_caches(Replacement replacement) {
  CacheSettings settings;
  settings.l1d = {.unified = {.entries = 8, .ways = 4}, .replacement = replacement};
  settings.l1i = {.split = true,
                  .k4 = {.entries = 4, .ways = 2},
                  .m2 = {.entries = 2, .ways = 2},
                  .replacement = replacement};
  settings.l2 = {.unified = {.entries = 32, .ways = 8}, .replacement = replacement};
  for (unsigned level = 2; level <= 4; ++level) {
    settings.combined[level] = {.entries = 4, .ways = 2, .replacement = replacement};
    settings.ept[level] = {.entries = 4, .ways = 4, .replacement = replacement};
  }
  settings.nested_tlb = {.entries = 16, .ways = 4, .replacement = replacement};
  return settings;
}

class CachesAgainstNone : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CachesAgainstNone, NoAccessTellsThemApartIfSoftwareInvalidates) {
  static constexpr Replacement kReplacements[] = {Replacement::kLru, Replacement::kTreePlru,
                                                  Replacement::kFifo, Replacement::kRandom};
  CacheSettings settings = small_caches(kReplacements[GetParam() % 4]);
  if (GetParam() == 9) settings.over_invalidate = true;
  if (GetParam() % 3 == 1) settings.kind = StructureKind::kGuest;
  if (GetParam() % 2 == 1) settings.l1d.coalesce = settings.l2.coalesce = 4;
  TwinMachine machine(GetParam(), settings);
  for (int i = 0; i < 10'000; ++i) {
    machine.step();
    if (HasFatalFailure()) FAIL() << "step " << i;
  }
  // The stimulus is worth something only if all of these happen often.
  EXPECT_GT(machine.translated, 3000u);
  EXPECT_GT(machine.refused, 500u);
  EXPECT_GT(machine.tlb_hits, settings.over_invalidate ? 300u : 1000u);
  EXPECT_GT(machine.shorter_walks, settings.over_invalidate ? 500u : 1500u);
  EXPECT_GT(machine.needless, 30u) << "changes that owe no invalidation, and got none";
}

INSTANTIATE_TEST_SUITE_P(Seeds, CachesAgainstNone, testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace eptsim::mmu::test
