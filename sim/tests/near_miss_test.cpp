#include "sim/near_miss.hpp"

#include <gtest/gtest.h>

namespace eptsim::sim {
namespace {

constexpr std::string_view kKeys[] = {"tlb.l2.entries", "tlb.l2.ways", "tlb.l1d.entries.4k",
                                      "dram.cycles"};

TEST(NearMiss, EditsAreCountedAsAPersonMakesThem) {
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("entires", "entries"), 1u) << "two neighbours swapped are one edit";
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(NearMiss, ATypingErrorFindsTheWord) {
  EXPECT_EQ(near_miss("tlb.l2.entires", kKeys), "tlb.l2.entries");
  EXPECT_EQ(near_miss("dram.cycle", kKeys), "dram.cycles");
  EXPECT_EQ(did_you_mean("tlb.l2.way", kKeys), "did you mean 'tlb.l2.ways'?");
}

TEST(NearMiss, PartsInAnotherOrderFindTheKey) {
  EXPECT_EQ(near_miss("tlb.l1d.4k.entries", kKeys), "tlb.l1d.entries.4k");
}

TEST(NearMiss, TheLastPartAloneFindsTheKeyIfNoOtherEndsSo) {
  EXPECT_EQ(near_miss("cycles", kKeys), "dram.cycles");
  EXPECT_EQ(near_miss("ways", kKeys), "tlb.l2.ways");
  constexpr std::string_view kTwo[] = {"tlb.l1d.ways", "tlb.l2.ways"};
  EXPECT_EQ(near_miss("ways", kTwo), std::nullopt);
}

TEST(NearMiss, AWordThatIsFarFromAllHasNoHint) {
  EXPECT_EQ(near_miss("frobnicate", kKeys), std::nullopt);
  EXPECT_EQ(did_you_mean("x", kKeys), "");
}

}  // namespace
}  // namespace eptsim::sim
