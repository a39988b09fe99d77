#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"

// How many references a walk makes with nothing cached, and in which order.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7abc;
constexpr PageSize kSizes[] = {PageSize::k4K, PageSize::k2M, PageSize::k1G};

struct Row {
  unsigned guest_levels;
  unsigned ept_levels;
  PageSize guest_page;
  unsigned references[3];  ///< by EPT page size, or the one count of a native walk
};

void expect_counts(const Row& row, PageSize ept_page, unsigned references) {
  SCOPED_TRACE(testing::Message() << "guest " << row.guest_levels << " levels "
                                  << arch::name(row.guest_page) << ", EPT " << row.ept_levels
                                  << " levels " << arch::name(ept_page));
  WalkTables tables(row.guest_levels, row.ept_levels);
  const PageAddress page = tables.map(kGva, row.guest_page, ept_page, ept_page);
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
  EXPECT_EQ(result.references, references);
  EXPECT_EQ(tables.recording.references.size(), references);
  EXPECT_EQ(result.outcome.gpa, page.gpa);
  EXPECT_EQ(result.outcome.hpa, page.hpa);
  EXPECT_EQ(result.outcome.guest_page_size, row.guest_page);
  if (row.ept_levels == 0) {
    EXPECT_EQ(result.outcome.ept_page_size, std::nullopt);
    EXPECT_EQ(result.outcome.page_size, row.guest_page);
  } else {
    EXPECT_EQ(result.outcome.ept_page_size, ept_page);
    EXPECT_EQ(result.outcome.page_size, arch::smaller(row.guest_page, ept_page));
  }
}

TEST(WalkCounts, ANativeWalkReadsOneEntryALevel) {
  const Row rows[] = {
      {4, 0, PageSize::k4K, {4}}, {4, 0, PageSize::k2M, {3}}, {4, 0, PageSize::k1G, {2}},
      {5, 0, PageSize::k4K, {5}}, {5, 0, PageSize::k2M, {4}}, {5, 0, PageSize::k1G, {3}},
  };
  for (const Row& row : rows) expect_counts(row, PageSize::k4K, row.references[0]);
}

TEST(WalkCounts, ANestedWalkReadsWhatTheTableSays) {
  const Row rows[] = {
      {4, 4, PageSize::k4K, {24, 19, 14}}, {4, 4, PageSize::k2M, {19, 15, 11}},
      {4, 4, PageSize::k1G, {14, 11, 8}},  {4, 5, PageSize::k4K, {29, 24, 19}},
      {4, 5, PageSize::k2M, {23, 19, 15}}, {4, 5, PageSize::k1G, {17, 14, 11}},
      {5, 4, PageSize::k4K, {29, 23, 17}}, {5, 4, PageSize::k2M, {24, 19, 14}},
      {5, 4, PageSize::k1G, {19, 15, 11}}, {5, 5, PageSize::k4K, {35, 29, 23}},
      {5, 5, PageSize::k2M, {29, 24, 19}}, {5, 5, PageSize::k1G, {23, 19, 15}},
  };
  for (const Row& row : rows) {
    for (unsigned i = 0; i < 3; ++i) expect_counts(row, kSizes[i], row.references[i]);
  }
}

TEST(WalkCounts, WithoutPagingOnlyTheEptIsRead) {
  for (const unsigned levels : {4u, 5u}) {
    for (unsigned i = 0; i < 3; ++i) {
      WalkTables tables(0, levels);
      const PageAddress page = tables.map(0x8765'4321, kSizes[0], kSizes[i]);
      const TranslateResult result = tables.run(access(AccessKind::kWrite, page.gva));
      EXPECT_EQ(result.references, levels - i);
      EXPECT_EQ(result.outcome.hpa, page.hpa);
      EXPECT_EQ(result.outcome.gpa, page.gva);
      EXPECT_EQ(result.outcome.guest_page_size, std::nullopt);
      EXPECT_EQ(result.outcome.page_size, kSizes[i]);
    }
  }
}

TEST(WalkCounts, MixedEptPagesAddUpOverTheTables) {
  // Tables by 2 MiB EPT pages, data by 4 KiB and the other way round.
  WalkTables small_data(4, 4);
  small_data.map(kGva, PageSize::k4K, PageSize::k4K, PageSize::k2M);
  EXPECT_EQ(small_data.run(access(AccessKind::kRead, kGva)).references, 4u + 4 * 3 + 4);

  WalkTables large_data(4, 5);
  large_data.map(kGva, PageSize::k2M, PageSize::k1G, PageSize::k4K);
  const TranslateResult result = large_data.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.references, 3u + 3 * 5 + 3);
  EXPECT_EQ(result.outcome.page_size, PageSize::k2M);
}

TEST(WalkCounts, EachGuestTableMayHaveItsOwnEptPageSize) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  // Level 4 by 1 GiB, level 3 by 2 MiB, level 2 and 1 by 4 KiB, data by 1 GiB.
  for (const auto& [gpa, hpa, size] :
       {std::tuple{tables.guest_entry_gpa(kGva, 4), tables.guest_entry(kGva, 4), PageSize::k1G},
        std::tuple{tables.guest_entry_gpa(kGva, 3), tables.guest_entry(kGva, 3), PageSize::k2M},
        std::tuple{page.gpa, page.hpa, PageSize::k1G}}) {
    tables.map_ept(gpa, hpa, size);
  }
  const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.references, 4u + 2 + 3 + 4 + 4 + 2);
  EXPECT_EQ(result.outcome.hpa, page.hpa);
}

TEST(WalkCounts, TheTwentyFourReferencesComeInTheirOrder) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  std::vector<Reference> expected;
  const auto expect_entry = [&](unsigned guest_level, unsigned ept_level, std::uint64_t address) {
    expected.push_back({{std::uint8_t(guest_level), std::uint8_t(ept_level)}, address, 0});
  };
  for (unsigned guest = 4; guest >= 1; --guest) {
    const std::uint64_t gpa = tables.guest_entry_gpa(kGva, guest);
    for (unsigned ept = 4; ept >= 1; --ept) expect_entry(guest, ept, tables.ept_entry(gpa, ept));
    expect_entry(guest, 0, tables.guest_entry(kGva, guest));
  }
  for (unsigned ept = 4; ept >= 1; --ept) expect_entry(0, ept, tables.ept_entry(page.gpa, ept));
  for (Reference& reference : expected) reference.value = tables.memory.at(reference.address);

  tables.run(access(AccessKind::kRead, kGva));
  ASSERT_EQ(expected.size(), 24u);
  EXPECT_TRUE(tables.recording.references == expected);
}

TEST(WalkCounts, AWalkEndsAtTheReferenceThatFaults) {
  // Each of the 24 entries made not present in turn: it is the last one read.
  for (unsigned place = 0; place < 24; ++place) {
    WalkTables tables(4, 4);
    tables.map(kGva);
    tables.run(access(AccessKind::kRead, kGva));
    const Reference victim = tables.recording.references[place];
    tables.memory.put(victim.address, 0);
    const TranslateResult result = tables.run(access(AccessKind::kRead, kGva));
    EXPECT_EQ(result.references, place + 1);
    EXPECT_EQ(result.outcome.kind,
              victim.place.is_guest_entry() ? OutcomeKind::kPageFault : OutcomeKind::kEptViolation);
    EXPECT_EQ(result.outcome.qualification, victim.place.is_guest_entry()   ? 0u
                                            : victim.place.guest_level != 0 ? 0x81u
                                                                            : 0x181u);
    EXPECT_EQ(result.outcome.place, victim.place);
    EXPECT_EQ(result.outcome.entry_address, victim.address);
    EXPECT_EQ(result.outcome.entry, 0u);
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
