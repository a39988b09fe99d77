#include <gtest/gtest.h>

#include <string>

#include "testbench/rtl_walker/tests/traffic.hpp"

namespace eptsim::tb {
namespace {

using mmu::InvalidationScope;

constexpr const char* kAll = "C2 N1";                     // both dimensions answer
constexpr const char* kNoCombined = "C0 N1 N1 N1 N1 N1";  // the combined caches hold nothing
constexpr const char* kNoGuestPhysical = "C2 E0";         // nothing of the EPT's is held

class CacheInvalidation : public Traffic {
 protected:
  CacheInvalidation() : Traffic("default") {
    context.cr4 |= 1 << 17;  // PCIDs
    context.cr3 |= 0x123;
    context.vpid = 7;
  }
  /// What is found by a walk after one that filled everything and then `scope`.
  std::string after(const InvalidationScope& scope) {
    unit.reset();
    walk_alone();
    walk_alone();
    EXPECT_EQ(lookups(), kAll);
    invalidation = scope;
    cycle();
    walk_alone();
    return lookups();
  }
};

TEST_F(CacheInvalidation, AScopeRemovesTheKindsThatItNames) {
  EXPECT_EQ(after({}), kNoCombined);
  EXPECT_EQ(after({.linear_mappings = false}), kNoCombined);
  EXPECT_EQ(after({.combined_mappings = false}), kAll);
  EXPECT_EQ(
      after(
          {.linear_mappings = false, .combined_mappings = false, .guest_physical_mappings = true}),
      kNoGuestPhysical);
  EXPECT_EQ(after({.guest_physical_mappings = true}), "C0 E0 E2 E2 E2 E2");
}

TEST_F(CacheInvalidation, WithoutEptMappingsAreLinearOnes) {
  context.ept_enabled = false;
  context.cr3 = host_page(table_page(4)) | 0x123;
  for (unsigned level = 4; level > 1; --level) {
    guest(level) = host_page(table_page(level - 1)) | kGuestUsed;
  }
  const auto after_without = [this](const InvalidationScope& scope) {
    unit.reset();
    walk_alone();
    invalidation = scope;
    cycle();
    walk_alone();
    return lookups();
  };
  EXPECT_EQ(after_without({}), "C0");
  EXPECT_EQ(after_without({.combined_mappings = false}), "C0");
  EXPECT_EQ(after_without({.linear_mappings = false}), "C2");
  EXPECT_EQ(after_without({.ept_root = kEptRoot}), "C2");
  EXPECT_EQ(after_without({.ept_root = 0}), "C2");
}

TEST_F(CacheInvalidation, TagsNarrowAScope) {
  EXPECT_EQ(after({.vpid = 7}), kNoCombined);
  EXPECT_EQ(after({.vpid = 6}), kAll);
  EXPECT_EQ(after({.pcid = 0x123}), kNoCombined);
  EXPECT_EQ(after({.pcid = 0x122}), kAll);
  EXPECT_EQ(after({.ept_root = kEptRoot}), kNoCombined);
  EXPECT_EQ(after({.ept_root = kEptRoot + 0x1000}), kAll);
  EXPECT_EQ(after({.vpid = 7, .pcid = 0x122}), kAll);
  EXPECT_EQ(after({.vpid = 7, .pcid = 0x123, .ept_root = kEptRoot}), kNoCombined);
  EXPECT_EQ(after({.combined_mappings = false,
                   .guest_physical_mappings = true,
                   .ept_root = kEptRoot + 0x1000}),
            kAll);
  // What the EPT alone gives has neither VPID nor PCID.
  EXPECT_EQ(after({.guest_physical_mappings = true, .vpid = 6, .pcid = 1, .ept_root = kEptRoot}),
            kNoGuestPhysical);
}

TEST_F(CacheInvalidation, VpidZeroIsKeptWhereTheScopeSaysSo) {
  EXPECT_EQ(after({.keep_vpid_zero = true}), kNoCombined);
  context.vpid = 0;
  EXPECT_EQ(after({.keep_vpid_zero = true}), kAll);
  EXPECT_EQ(after({}), kNoCombined);
}

TEST_F(CacheInvalidation, ALinearAddressNarrowsStructuresOnlyIfTheScopeSaysSo) {
  const std::uint64_t other = 0x7000'0000'0000;
  EXPECT_EQ(after({.linear = other}), kNoCombined);
  EXPECT_EQ(after({.linear = other, .structures_of_address_alone = true}), kAll);
  EXPECT_EQ(after({.linear = kLinear, .structures_of_address_alone = true}), kNoCombined);
  // An address with the same PDPTE takes that and the PML4E, and leaves the PDE.
  EXPECT_EQ(after({.linear = kLinear ^ (1ull << 21), .structures_of_address_alone = true}), kAll);
  guest(1) = guest_page(kDataPage) | kGuestUsed | kD;
  bench.memory[guest_entry(2) + 16] = guest(2);
  request.address += 2ull << 21;
  walk_alone();
  EXPECT_EQ(lookups(), "C0 N1 N1 N1 N1 N1");
}

TEST_F(CacheInvalidation, AGuestPhysicalAddressTakesWhatAWalkOfItWouldUse) {
  const auto gpa = [this](std::uint64_t address) {
    return after({.linear_mappings = false,
                  .combined_mappings = false,
                  .guest_physical_mappings = true,
                  .gpa = address});
  };
  EXPECT_EQ(gpa(guest_page(kDataPage) + 5), kNoGuestPhysical);
  // A page of the same PDE takes all structures, and leaves the data page.
  EXPECT_EQ(gpa(guest_page(kDataPage + 1)), kAll);
  request.address ^= 1ull << 12;
  bench.memory[guest_entry(1) ^ 8] = guest_page(40) | kGuestUsed;
  walk_alone();
  EXPECT_EQ(lookups(), "C2 E0");
  EXPECT_EQ(gpa(guest_page(kDataPage) ^ 1ull << 45), kAll);
}

TEST_F(CacheInvalidation, AWalkInFlightGoesOnAndFillsNoMore) {
  offer(1);
  run_until(30);
  EXPECT_FALSE(asked.empty());
  invalidation = InvalidationScope{.vpid = 99};  // fits nothing
  run();
  EXPECT_EQ(answered[0].response.outcome.hpa, host_page(kDataPage) + kOffset);
  walk_alone();
  // By cycle 30 the first page had been located, and no more.
  EXPECT_EQ(lookups(), "C0 N1 E2 E2 E2 E2");
}

TEST_F(CacheInvalidation, AWalkTakenInTheCycleOfAnInvalidationFillsNothing) {
  invalidation = InvalidationScope{};
  offer(1);
  run();
  walk_alone();
  EXPECT_EQ(lookups(), "C0 E0 E2 E2 E2 E2");
  walk_alone();
  EXPECT_EQ(lookups(), kAll);
}

TEST_F(CacheInvalidation, TheSlotsNextWalkFillsAgain) {
  offer(1);
  run_until(10);
  invalidation = InvalidationScope{};
  run();
  walk_alone();
  walk_alone();
  EXPECT_EQ(lookups(), kAll);
}

TEST_F(CacheInvalidation, ALookUpInItsCycleStillHitsAndOneInTheNextDoesNot) {
  for (const unsigned delay : {2u, 1u}) {
    unit.reset();
    now = 0;
    walk_alone();
    // The look-up is in the second cycle after the request is taken.
    const mmu::Cycle start = now;
    looked_up.clear();
    offer(50 + delay);
    run_until(start + delay);
    invalidation = InvalidationScope{};
    run();
    EXPECT_EQ(looked_up[0].cycle, start + 2);
    EXPECT_EQ(looked_up[0].lookup.combined_level, delay == 2 ? 2 : 0);
    walk_alone();
    EXPECT_EQ(looked_up[0].lookup.combined_level, 0);
  }
}

TEST_F(CacheInvalidation, AFillOfItsCycleIsDropped) {
  request.linear = false;
  request.address = guest_page(3);
  walk_alone();
  const mmu::Cycle length = answered.back().valid - taken.rbegin()->second;
  unit.reset();
  const mmu::Cycle start = now;
  offer(1);
  run_until(start + length - 1);  // The fill belongs to the cycle before the response is valid.
  invalidation = InvalidationScope{.guest_physical_mappings = true, .ept_root = 0};
  run();
  walk_alone();
  EXPECT_EQ(lookups(), "E0");
}

TEST_F(CacheInvalidation, DisabledCachesAreSweptToo) {
  walk_alone();
  disabled = {.combined = true, .ept = true, .nested_tlb = true};
  invalidation = InvalidationScope{.guest_physical_mappings = true};
  cycle();
  disabled = {};
  walk_alone();
  EXPECT_EQ(lookups(), "C0 E0 E2 E2 E2 E2");
}

}  // namespace
}  // namespace eptsim::tb
