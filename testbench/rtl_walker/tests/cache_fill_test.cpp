#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/traffic.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;

class CacheFill : public Traffic {
 protected:
  CacheFill() {
    for (unsigned n = 1; n < 8; ++n) bench.memory[guest_entry(2) + 8 * n] = guest(2);
  }
  /// Walks by PDE `n` of eight that refer to the same table; the level at which the combined caches
  /// hit.
  unsigned by_pde(unsigned n) {
    request.address = kLinear + (std::uint64_t{n} << 21);
    walk_alone();
    return looked_up[0].lookup.combined_level;
  }
  /// The page of that number as a guest-physical request; its look-up.
  std::string physical(unsigned page) {
    request.linear = false;
    request.address = guest_page(page);
    walk_alone();
    return lookups();
  }
};

TEST_F(CacheFill, AWalkThatFaultsLeavesWhatItTranslatedBefore) {
  guest(1) &= ~kP;
  walk_alone();
  guest(1) |= kP;
  EXPECT_EQ(walk_alone().references, 5u);
  EXPECT_EQ(lookups(), "C0 N1 N1 N1 N1 E2");
}

TEST_F(CacheFill, AnEptWalkThatIsRefusedFillsNothing) {
  ept_leaf(20) = 0;
  EXPECT_EQ(physical(20), "E0");
  ept_leaf(20) = host_page(20) | kRwx | kWbType;
  EXPECT_EQ(physical(20), "E0");
  EXPECT_EQ(physical(20), "N1");
}

TEST_F(CacheFill, ALookUpInTheCycleOfTheFillDoesNotSeeIt) {
  // Two walks of one page side by side: both ask before either fills.
  request.linear = false;
  request.address = guest_page(3);
  latency = [](const mmu::MemoryRequest&) { return 1; };
  offer(1);
  offer(2);
  run();
  ASSERT_EQ(looked_up.size(), 2u);
  EXPECT_TRUE(looked_up[1].lookup.ept_asked);
  EXPECT_EQ(answered[0].response.references, 4u);
  EXPECT_EQ(answered[1].response.references, 4u);
  EXPECT_EQ(physical(3), "N1");
}

TEST_F(CacheFill, TheVictimIsInTheHalfNotUsedLast) {
  for (unsigned n = 0; n < 4; ++n) by_pde(n);
  EXPECT_EQ(by_pde(4), 3u);  // Used 0, 1, 2, 3: the entry of 0 goes.
  for (unsigned n : {1, 2, 3, 4}) EXPECT_EQ(by_pde(n), 2u) << n;
  EXPECT_EQ(by_pde(0), 3u);
}

TEST_F(CacheFill, AHitIsAUse) {
  for (unsigned n = 0; n < 4; ++n) by_pde(n);
  EXPECT_EQ(by_pde(0), 2u);
  // The lower half was used last; of the upper one, 3 after 2: 2 goes.
  EXPECT_EQ(by_pde(5), 3u);
  for (unsigned n : {0, 1, 3, 5}) EXPECT_EQ(by_pde(n), 2u) << n;
  EXPECT_EQ(by_pde(2), 3u);
}

TEST_F(CacheFill, ALookUpThatIsDisabledIsNoUse) {
  for (unsigned n = 0; n < 4; ++n) by_pde(n);
  disabled.combined = true;
  EXPECT_EQ(by_pde(0), 0u);
  disabled.combined = false;
  EXPECT_EQ(by_pde(5), 3u);
  for (unsigned n : {1, 2, 3, 5}) EXPECT_EQ(by_pde(n), 2u) << n;
}

TEST_F(CacheFill, WhatWasRemovedIsFilledFirst) {
  for (unsigned n = 0; n < 4; ++n) by_pde(n);
  invalidation =
      mmu::InvalidationScope{.linear = kLinear + (2ull << 21), .structures_of_address_alone = true};
  cycle();
  walk_alone();
  by_pde(6);
  for (unsigned n : {0, 1, 3, 6}) EXPECT_EQ(by_pde(n), 2u) << n;
}

TEST_F(CacheFill, ANestedEntryGivesWayToOneThatCoversPartOfItsPage) {
  // A page of 2 MiB without the right to write, then tables of 4 KiB pages in its place.
  const std::uint64_t tables = bench.memory[ept_entry(2)];
  bench.memory[ept_entry(2)] = 0x4000'0000 | kR | kX | kWbType | kLarge;
  EXPECT_EQ(physical(3), "E0");
  EXPECT_EQ(physical(4), "N2");
  EXPECT_EQ(answered.back().response.outcome.hpa, 0x4000'4000u);
  bench.memory[ept_entry(2)] = tables;
  request.access = AccessKind::kWrite;
  EXPECT_EQ(physical(3), "N2");  // refused by the hit, read anew
  EXPECT_EQ(answered.back().response.outcome.hpa, host_page(3));
  EXPECT_EQ(physical(4), "E2");
  EXPECT_EQ(answered.back().response.outcome.hpa, host_page(4));
}

TEST_F(CacheFill, ANestedEntryOfALargePageTakesThePlaceOfThePagesItCovers) {
  for (unsigned page : {3, 4, 5}) {
    ept_leaf(page) &= ~kW;
    physical(page);
  }
  bench.memory[ept_entry(3)] = 0x8000'0000 | kRwx | kWbType | kLarge;
  request.access = AccessKind::kWrite;
  EXPECT_EQ(physical(3), "N1");
  for (unsigned page : {3, 4, 5}) {
    EXPECT_EQ(physical(page), "N3");
    EXPECT_EQ(answered.back().response.outcome.hpa, 0x8000'0000 + (guest_page(page) & 0x3fff'ffff));
  }
}

TEST_F(CacheFill, WithFlagsInUseWhatIsFilledHasThemSet) {
  ept_flags_on();
  request.access = AccessKind::kWrite;
  EXPECT_EQ(physical(3), "E0");
  EXPECT_EQ(physical(3), "N1");
  EXPECT_EQ(answered.back().response.references, 0u);
  EXPECT_TRUE(answered.back().response.outcome.dirty);
  EXPECT_EQ(ept_leaf(3) & (kEptA | kEptD), kEptA | kEptD);
}

TEST_F(CacheFill, TheNestedTlbHoldsTheRightsOfAllLevels) {
  bench.memory[ept_entry(4)] &= ~kX;
  EXPECT_EQ(physical(3), "E0");
  EXPECT_EQ(physical(3), "N1");
  EXPECT_FALSE(answered.back().response.outcome.ept_rights.execute);
  EXPECT_TRUE(answered.back().response.outcome.ept_rights.write);
}

}  // namespace
}  // namespace eptsim::tb
