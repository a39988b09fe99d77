#include "testbench/scoreboard/remembrance.hpp"

#include <gtest/gtest.h>

#include "mmu_model/caches/invalidation.hpp"
#include "testbench/scoreboard/stream_text.hpp"
#include "testbench/stimulus/stream_generator.hpp"

namespace eptsim::tb {
namespace {

namespace invalidation = mmu::invalidation;

constexpr std::uint64_t kRoot = 0x1000;
constexpr std::uint64_t kLinear = 0x7f00'1234'5000;
constexpr std::uint64_t kGuestWord = 0x5000;
constexpr std::uint64_t kEptWord = 0x1008;
constexpr std::uint64_t kGpa = 0x8000;
constexpr mmu::CurrentTags kTags{.vpid = 1, .pcid = 2, .ept_root = kRoot};

/// A walk that reads a guest entry and an EPT entry.
Footprint footprint() {
  return {.space = {.vpid = 1, .pcid = 2, .ept_root = kRoot},
          .linear = kLinear,
          .reads = {{kGuestWord, false}, {kEptWord, true}},
          .guest_pages = {{kGpa, 12}}};
}

void invalidate(Remembrance& held, const mmu::InvalidationScopes& scopes) {
  for (const mmu::InvalidationScope& scope : scopes) held.invalidated(scope);
}

Remembrance after_a_store(std::uint64_t word) {
  Remembrance held;
  held.walked(footprint(), {});
  EXPECT_FALSE(held.stale(footprint()).any());
  held.changed(word, true, true);
  EXPECT_TRUE(held.stale(footprint()).any());
  return held;
}

TEST(Remembrance, AGuestEntryThatChangedOwesAnInvalidationOfItsLinearAddress) {
  Remembrance held = after_a_store(kGuestWord);
  EXPECT_FALSE(held.stale(footprint()).guest_physical);
  invalidate(held, invalidation::invlpg({.vpid = 3, .pcid = 2, .ept_root = kRoot}, kLinear));
  invalidate(held, invalidation::invept(mmu::InveptType::kSingle, kRoot + 0x1000));
  invalidate(held, invalidation::invvpid(mmu::InvvpidType::kAddress, 1, kLinear ^ 1ull << 40));
  EXPECT_TRUE(held.stale(footprint()).any()) << "none of these is of this translation";
  invalidate(held, invalidation::invlpg(kTags, kLinear));
  EXPECT_FALSE(held.stale(footprint()).any());
}

TEST(Remembrance, AnEptEntryThatChangedOwesAnInveptAndNoLess) {
  Remembrance held = after_a_store(kEptWord);
  EXPECT_TRUE(held.stale(footprint()).guest_physical);
  invalidate(held, invalidation::invvpid(mmu::InvvpidType::kAll, 0, 0));
  EXPECT_TRUE(held.stale(footprint()).guest_physical);
  invalidate(held, invalidation::invept(mmu::InveptType::kSingle, kRoot));
  EXPECT_FALSE(held.stale(footprint()).any());
}

TEST(Remembrance, AWalkThatMayHaveUsedWhatIsStaleMayLeaveItAnywhere) {
  Remembrance held = after_a_store(kEptWord);
  Footprint other = footprint();
  other.linear = kLinear ^ 1ull << 22;
  held.walked(other, held.stale(other));
  // What is stale at one address is gone; the other walk may have taken it along.
  invalidate(held, invalidation::ept_violation(kTags, kLinear, kGpa));
  EXPECT_TRUE(held.stale(other).linear);
  EXPECT_TRUE(held.stale(footprint()).guest_physical);
}

TEST(Remembrance, WhatAWalkCachesByLinearAddressIsAsStaleAsTheGuestPhysicalMappingsItMayHaveUsed) {
  Remembrance held = after_a_store(kEptWord);
  invalidate(held, invalidation::invvpid(mmu::InvvpidType::kAll, 0, 0));
  const Remembrance::Staleness relied = held.stale(footprint());
  EXPECT_FALSE(relied.linear);
  EXPECT_TRUE(relied.guest_physical);
  held.walked(footprint(), relied);
  held.invalidated(
      {.linear_mappings = false, .combined_mappings = false, .guest_physical_mappings = true});
  EXPECT_TRUE(held.stale(footprint()).linear);
}

TEST(Remembrance, OtherTablesUnderTheSameTagsAreStaleUntilTheyAreInvalidated) {
  Remembrance held;
  held.walked(footprint(), {});
  Footprint moved = footprint();
  moved.guest_kind = 1;
  EXPECT_TRUE(held.stale(moved).linear);
  Footprint of_another = moved;
  of_another.space.pcid = 3;
  EXPECT_FALSE(held.stale(of_another).any());
  invalidate(held, invalidation::mov_to_cr3(kTags, 2, true));
  EXPECT_FALSE(held.stale(moved).any());
}

TEST(StreamGenerator, AStreamIsTheSameWhateverWasMadeBeforeIt) {
  StreamGenerator one(7, {});
  StreamGenerator two(7, {});
  Stream stream;
  for (std::uint64_t number = 0; number < 40; ++number) one.make(number, stream);
  Stream alone;
  two.make(39, alone);
  EXPECT_EQ(stream_text(stream), stream_text(alone));
  StreamGenerator(8, {}).make(39, alone);
  EXPECT_NE(stream_text(stream), stream_text(alone));
}

}  // namespace
}  // namespace eptsim::tb
