#include <gtest/gtest.h>

#include "mmu_model/walker/configurations.hpp"

namespace eptsim::mmu {
namespace {

TEST(WalkerConfigurations, TheSmallestHasOneWalkAndNoCache) {
  const WalkerConfiguration* single = find_configuration("single");
  ASSERT_NE(single, nullptr);
  EXPECT_EQ(single->walks, 1u);
  EXPECT_FALSE(single->has_combined());
  EXPECT_FALSE(single->has_guest_physical());
}

TEST(WalkerConfigurations, EntriesStandAtTheirLevels) {
  const WalkerConfiguration* largest = find_configuration("default");
  ASSERT_NE(largest, nullptr);
  EXPECT_EQ(largest->walks, 4u);
  EXPECT_EQ(largest->combined, (std::array<unsigned, 6>{0, 0, 32, 4, 2, 0}));
  EXPECT_EQ(largest->ept, (std::array<unsigned, 6>{0, 0, 32, 4, 2, 0}));
  EXPECT_EQ(largest->nested_tlb, 64u);
}

TEST(WalkerConfigurations, EachIsFoundByItsNameAndNothingElseIs) {
  EXPECT_GE(named_configurations().size(), 3u);
  for (const WalkerConfiguration& configuration : named_configurations()) {
    EXPECT_EQ(find_configuration(configuration.name), &configuration);
  }
  EXPECT_EQ(find_configuration("none"), nullptr);
}

}  // namespace
}  // namespace eptsim::mmu
