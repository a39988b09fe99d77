#include <gtest/gtest.h>

#include "mmu_model/tests/walk_tables.hpp"

// Requests run at once: accesses across pages, guest-physical requests, what is refused.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x1234'5000;

Request bytes_at(std::uint64_t gva, unsigned size, AccessKind kind = AccessKind::kRead) {
  Request request = access(kind, gva);
  request.size = static_cast<std::uint8_t>(size);
  return request;
}

TEST(WalkTranslate, AnAccessAcrossPagesTranslatesBothTheLowerFirst) {
  WalkTables tables(4, 4);
  const PageAddress lower = tables.map(kGva);
  const PageAddress upper = tables.map(kGva + 0x1000);
  const TranslateResult result = tables.run(bytes_at(kGva + 0xfff, 2));
  EXPECT_EQ(result.references, 48u);
  EXPECT_EQ(tables.recording.references.size(), 48u);
  EXPECT_EQ(result.outcome.hpa, lower.hpa + 0xfff);
  ASSERT_TRUE(result.second);
  EXPECT_EQ(result.second->hpa, upper.hpa);
  EXPECT_EQ(result.address, kGva + 0xfff);
  EXPECT_EQ(tables.recording.references[23].address, tables.ept_entry(lower.gpa, 1));
  EXPECT_EQ(tables.recording.references[47].address, tables.ept_entry(upper.gpa, 1));
}

TEST(WalkTranslate, AnAccessThatEndsAtTheBoundaryIsOnePage) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  const TranslateResult result = tables.run(bytes_at(kGva + 0xfc0, 64));
  EXPECT_EQ(result.references, 24u);
  EXPECT_FALSE(result.second);
}

TEST(WalkTranslate, LargePagesAreCrossedLikeSmallOnes) {
  WalkTables tables(4, 0);
  const PageAddress page = tables.map(kGva, PageSize::k2M);
  const TranslateResult result = tables.run(bytes_at(kGva + 0xff0, 64));
  EXPECT_EQ(result.references, 6u);
  ASSERT_TRUE(result.second);
  EXPECT_EQ(result.second->hpa, page.hpa + 0x1000);
}

TEST(WalkTranslate, TheFirstFailureIsTheOutcome) {
  WalkTables tables(4, 4);
  const PageAddress lower = tables.map(kGva);
  const PageAddress upper = tables.map(kGva + 0x1000);
  tables.memory.put(tables.ept_entry(upper.gpa, 1), 0);
  TranslateResult result = tables.run(bytes_at(kGva + 0xff8, 16, AccessKind::kWrite));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(result.outcome.gpa, upper.gpa);
  EXPECT_EQ(result.address, kGva + 0x1000) << "the address is the upper page's first byte";
  EXPECT_EQ(result.references, 48u);
  EXPECT_FALSE(result.second);
  EXPECT_EQ(tables.memory.at(tables.guest_entry(kGva, 1)) & kD, kD);

  tables.memory.put(tables.ept_entry(lower.gpa, 1), 0);
  result = tables.run(bytes_at(kGva + 0xff8, 16, AccessKind::kWrite));
  EXPECT_EQ(result.outcome.gpa, lower.gpa + 0xff8);
  EXPECT_EQ(result.address, kGva + 0xff8);
  EXPECT_EQ(result.references, 24u);
}

TEST(WalkTranslate, AnAccessThatLeavesTheCanonicalAddressesReadsNothing) {
  WalkTables tables(4, 4);
  tables.map(0x7fff'ffff'f000);
  const TranslateResult result = tables.run(bytes_at(0x7fff'ffff'fff8, 16));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kGeneralProtection);
  EXPECT_EQ(result.outcome.reason, Reason::kNotCanonical);
  EXPECT_EQ(result.references, 0u);
  EXPECT_TRUE(tables.recording.writes.empty());
}

TEST(WalkTranslate, LinearAddressesWrapAtTheirWidth) {
  WalkTables flat(0, 4);
  const PageAddress bottom = flat.map(0);
  flat.map(0xffff'f000);
  TranslateResult result = flat.run(bytes_at(0xffff'ffff, 2));
  ASSERT_TRUE(result.second);
  EXPECT_EQ(result.second->hpa, bottom.hpa);

  WalkTables wide(4, 0);
  wide.map(0xffff'ffff'ffff'f000);
  const PageAddress zero = wide.map(0);
  result = wide.run(bytes_at(0xffff'ffff'ffff'ffff, 2));
  ASSERT_TRUE(result.second);
  EXPECT_EQ(result.second->hpa, zero.hpa);
}

TEST(WalkTranslate, WithEverythingOffAnAddressIsItself) {
  WalkTables tables(0, 0);
  const TranslateResult linear = tables.run(access(AccessKind::kWrite, 0x8765'4321));
  EXPECT_EQ(linear.outcome.hpa, 0x8765'4321u);
  EXPECT_EQ(linear.outcome.gpa, 0x8765'4321u);
  EXPECT_EQ(linear.references, 0u);
  EXPECT_TRUE(linear.outcome.dirty);
  const TranslateResult physical =
      tables.run({.address = 0x3fff'ffff'ffff, .linear = false, .access = AccessKind::kFetch});
  EXPECT_EQ(physical.outcome.hpa, 0x3fff'ffff'ffffu);
  EXPECT_EQ(physical.outcome.ept_page_size, std::nullopt);
}

TEST(WalkTranslate, TheFastPathGivesTheSameOutcome) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  WalkTables twin = tables;
  const WalkContext context(tables.context);
  const TranslateResult fast = translate(context, access(AccessKind::kWrite, kGva), tables.memory);
  const TranslateResult slow = twin.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(describe(fast.outcome), describe(slow.outcome));
  EXPECT_EQ(fast.references, slow.references);
  EXPECT_EQ(tables.memory.words, twin.memory.words);
}

TEST(WalkTranslate, TablesThatPointAtThemselvesEndLikeOthers) {
  // One page is its own EPT of four levels, and the guest's tables too.
  WalkTables tables(4, 4);
  tables.context.eptp = 0x1000 | 3 << 3 | 6;
  tables.context.cr3 = 0x1000;
  tables.memory.put(0x1000, 0x1000 | 7 | kTypeWb);
  // Memory type bits are reserved in an upper level: the very first entry is misconfigured.
  TranslateResult result = tables.run(access(AccessKind::kRead, 0));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(result.references, 1u);
  // Without them the same entry ends as a UC page at 0x1000.
  tables.memory.put(0x1000, 0x1000 | 7);
  result = tables.run(access(AccessKind::kRead, 0));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation)
      << "CR3's address has index 1 in the last table";
  EXPECT_EQ(result.outcome.place, (Place{4, 1}));
  // With that entry the guest's first one is found, and its accessed flag, bit 5, lands in the EPT
  // itself: the next walk finds it misconfigured.
  tables.memory.put(0x1008, 0x1000 | 7);
  result = tables.run(access(AccessKind::kRead, 0));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(result.outcome.place, (Place{3, 4}));
  EXPECT_EQ(result.outcome.entry, 0x1027u);
  EXPECT_EQ(result.references, 6u);
}

}  // namespace
}  // namespace eptsim::mmu::test
