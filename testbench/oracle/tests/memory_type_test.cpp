#include <gtest/gtest.h>

#include "testbench/oracle/tests/world.hpp"

namespace eptsim::oracle::test {
namespace {

constexpr MemoryType kUc = MemoryType::kUc, kWc = MemoryType::kWc, kWt = MemoryType::kWt,
                     kWp = MemoryType::kWp, kWb = MemoryType::kWb;

struct Row {
  std::uint64_t ept;
  MemoryType by_pat[6];  // UC, UC-, WC, WT, WB, WP
};
constexpr Row kCombined[] = {
    {0, {kUc, kUc, kWc, kUc, kUc, kUc}}, {1, {kUc, kWc, kWc, kUc, kWc, kUc}},
    {4, {kUc, kUc, kWc, kWt, kWt, kWp}}, {6, {kUc, kUc, kWc, kWt, kWb, kWp}},
    {5, {kUc, kWc, kWc, kWt, kWp, kWp}},
};
// PAT entries 0 to 7: UC, UC-, WC, WT, WB, WP, and two that are not reached.
constexpr std::uint64_t kPat = 0x0000050604010700;

std::uint64_t select(unsigned index, unsigned page_level) {
  const std::uint64_t pat = (index & 4) == 0 ? 0 : (page_level == 1 ? 0x80 : 0x1000);
  return ((index & 2) << 3) | ((index & 1) << 3) | pat;
}

TEST(MemoryTypes, TheEptTypeAndThePatTypeCombineAsInTheTable) {
  for (unsigned page_level = 1; page_level <= 3; ++page_level) {
    for (const Row& row : kCombined) {
      for (unsigned index = 0; index < 6; ++index) {
        World world(4, 4);
        world.state.pat = kPat;
        world.map_guest(0, kGpa, page_level, kGuestUser | select(index, page_level));
        world.map_ept(kGpa, kGpa, 1, 7 | row.ept << 3);
        EXPECT_EQ(world.run({.address = 0}).memory_type, row.by_pat[index])
            << "EPT " << row.ept << " PAT " << index << " page level " << page_level;

        world.map_ept(kGpa, kGpa, 1, 0x47 | row.ept << 3);  // ignore PAT
        EXPECT_EQ(world.run({.address = 0}).memory_type, static_cast<MemoryType>(row.ept));
        world.state.cr0 |= 0x40000000;
        EXPECT_EQ(world.run({.address = 0}).memory_type, kUc);
      }
    }
  }
}

TEST(MemoryTypes, WithoutGuestPagingThePatTypeIsWriteBack) {
  for (const Row& row : kCombined) {
    World world(0, 4);
    world.state.pat = 0;
    world.map_ept(0x5000, 0x5000, 1, 7 | row.ept << 3);
    EXPECT_EQ(world.run({.address = 0x5000}).memory_type, row.by_pat[4]);
    EXPECT_EQ(world.run({.address = 0x5000, .linear = false}).memory_type, row.by_pat[4]);
  }
}

TEST(MemoryTypes, WithoutTheEptTheTypeIsThePats) {
  const MemoryType expected[] = {kUc, kUc, kWc, kWt, kWb, kWp};
  for (unsigned index = 0; index < 6; ++index) {
    World world(4, 0);
    world.state.pat = kPat;
    world.map_guest(0, kGpa, 1, kGuestUser | select(index, 1));
    EXPECT_EQ(world.run({.address = 0}).memory_type, expected[index]);
  }
}

}  // namespace
}  // namespace eptsim::oracle::test
