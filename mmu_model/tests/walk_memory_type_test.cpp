#include <gtest/gtest.h>

#include <string_view>

#include "mmu_model/tests/walk_tables.hpp"

// The memory type of an access: PAT, EPT, ignore-PAT and CR0.CD.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x40'0000'0000;
/// Index i of the PAT holds kPat[i]: UC, UC-, WC, WT, WB, WP.
constexpr std::uint64_t kPat = 0x0000'0506'0401'0700;

/// PWT, PCD and PAT of a leaf for an index of the PAT.
std::uint64_t pat_bits(unsigned index, PageSize page) {
  const unsigned pat_bit = page == PageSize::k4K ? 7 : 12;
  return (index & 1) << 3 | (index >> 1 & 1) << 4 | std::uint64_t{index >> 2} << pat_bit;
}

TEST(WalkMemoryType, TheEptTakesTheRangeRegistersRole) {
  const struct {
    std::uint64_t ept;
    std::string_view by_pat[6];
  } rows[] = {
      {0, {"UC", "UC", "WC", "UC", "UC", "UC"}}, {1, {"UC", "WC", "WC", "UC", "WC", "UC"}},
      {4, {"UC", "UC", "WC", "WT", "WT", "WP"}}, {6, {"UC", "UC", "WC", "WT", "WB", "WP"}},
      {5, {"UC", "WC", "WC", "WT", "WP", "WP"}},
  };
  for (const PageSize page : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
    for (const auto& row : rows) {
      for (unsigned index = 0; index < 6; ++index) {
        WalkTables tables(4, 4);
        tables.context.pat = kPat;
        const PageAddress at = tables.map(kGva, page, page);
        tables.set(tables.guest_entry(kGva, arch::leaf_level(page)), pat_bits(index, page));
        const std::uint64_t leaf = tables.ept_entry(at.gpa, arch::leaf_level(page));
        tables.clear(leaf, 7u << 3);
        tables.set(leaf, row.ept << 3);
        Outcome outcome = tables.run(access(AccessKind::kRead, kGva)).outcome;
        EXPECT_EQ(arch::name(outcome.memory_type), row.by_pat[index])
            << "EPT " << row.ept << " PAT index " << index << ' ' << arch::name(page);

        tables.set(leaf, 1u << 6);  // ignore the PAT
        outcome = tables.run(access(AccessKind::kRead, kGva)).outcome;
        EXPECT_EQ(static_cast<std::uint64_t>(outcome.memory_type), row.ept);

        tables.context.cr0 |= 1u << 30;  // caches off
        outcome = tables.run(access(AccessKind::kRead, kGva)).outcome;
        EXPECT_EQ(arch::name(outcome.memory_type), "UC");
      }
    }
  }
}

TEST(WalkMemoryType, WithEptOffThePatDecides) {
  const std::string_view types[] = {"UC", "UC", "WC", "WT", "WB", "WP"};
  for (unsigned index = 0; index < 6; ++index) {
    WalkTables tables(4, 0);
    tables.context.pat = kPat;
    tables.map(kGva);
    tables.set(tables.guest_entry(kGva, 1), pat_bits(index, PageSize::k4K));
    EXPECT_EQ(arch::name(tables.run(access(AccessKind::kRead, kGva)).outcome.memory_type),
              types[index]);
  }
}

TEST(WalkMemoryType, WithoutPagingThePatCountsAsWriteBack) {
  WalkTables tables(0, 4);
  tables.context.pat = 0;  // all UC
  const PageAddress page = tables.map(0x5000);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, 0x5000)).outcome.memory_type,
            arch::MemoryType::kWB);
  tables.clear(tables.ept_entry(page.gpa, 1), 7u << 3);
  tables.set(tables.ept_entry(page.gpa, 1), 5u << 3);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, 0x5000)).outcome.memory_type,
            arch::MemoryType::kWP);
}

TEST(WalkMemoryType, TheResetPatGivesWriteBackToPlainPages) {
  WalkTables tables(4, 4);
  tables.map(kGva);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, kGva)).outcome.memory_type, arch::MemoryType::kWB);
}

}  // namespace
}  // namespace eptsim::mmu::test
