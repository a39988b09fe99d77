#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "mmu_model/tests/walker_bench.hpp"

/// How many references the clocked walker makes with caches of real sizes: from empty caches, what
/// the architecture says of each mode; then what each kind of hit leaves of it.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7f12'3456'7000;
constexpr std::array kSizes = {PageSize::k4K, PageSize::k2M, PageSize::k1G};

/// The sizes of the machine `default`.
WalkerConfiguration of_real_sizes(StructureKind kind = StructureKind::kCombined) {
  return {.walks = 4,
          .combined = {0, 0, 32, 4, 2},
          .ept = {0, 0, 32, 4, 2},
          .nested_tlb = 64,
          .kind = kind};
}

struct Row {
  unsigned guest_levels;
  unsigned ept_levels;  // 0: native
  PageSize guest_page;
  std::array<unsigned, 3> references;  // by the EPT's page: 4K, 2M, 1G
};

constexpr Row kRows[] = {
    {4, 0, PageSize::k4K, {4, 4, 4}},    {4, 0, PageSize::k2M, {3, 3, 3}},
    {4, 0, PageSize::k1G, {2, 2, 2}},    {5, 0, PageSize::k4K, {5, 5, 5}},
    {5, 0, PageSize::k2M, {4, 4, 4}},    {5, 0, PageSize::k1G, {3, 3, 3}},
    {4, 4, PageSize::k4K, {24, 19, 14}}, {4, 4, PageSize::k2M, {19, 15, 11}},
    {4, 4, PageSize::k1G, {14, 11, 8}},  {4, 5, PageSize::k4K, {29, 24, 19}},
    {4, 5, PageSize::k2M, {23, 19, 15}}, {4, 5, PageSize::k1G, {17, 14, 11}},
    {5, 4, PageSize::k4K, {29, 23, 17}}, {5, 4, PageSize::k2M, {24, 19, 14}},
    {5, 4, PageSize::k1G, {19, 15, 11}}, {5, 5, PageSize::k4K, {35, 29, 23}},
    {5, 5, PageSize::k2M, {29, 24, 19}}, {5, 5, PageSize::k1G, {23, 19, 15}},
};

/// A machine that maps kGva, with tables and page scattered over guest-physical memory: as it
/// happens, each in 512 GiB of its own. So no two of their EPT walks share an entry that a cache
/// could hold.
WalkerBench bench_of(const Row& row, PageSize ept_page, StructureKind kind) {
  WalkerBench bench(of_real_sizes(kind), row.guest_levels, row.ept_levels);
  bench.tables.map(kGva, row.guest_page, ept_page, ept_page);
  bench.mark_accessed(kGva, row.guest_page);
  return bench;
}

TEST(WalkerCounts, FromEmptyCachesAreThoseOfTheArchitecture) {
  for (const StructureKind kind : {StructureKind::kCombined, StructureKind::kGuest}) {
    for (const Row& row : kRows) {
      for (unsigned i = 0; i < kSizes.size(); ++i) {
        SCOPED_TRACE(testing::Message()
                     << row.guest_levels << " levels on " << row.ept_levels << ", pages of "
                     << arch::name(row.guest_page) << " on " << arch::name(kSizes[i]));
        WalkerBench bench = bench_of(row, kSizes[i], kind);
        const WalkResponse cold = bench.run(access(AccessKind::kRead, kGva)).response;
        ASSERT_EQ(cold.outcome.kind, OutcomeKind::kTranslated);
        const unsigned lowest = arch::leaf_level(row.guest_page);
        EXPECT_EQ(cold.references, row.references[i]);
        // The first step, a look-up of the address and one of each guest-physical address.
        const unsigned lookups = 1 + (row.ept_levels != 0 ? row.guest_levels - lowest + 1 + 1 : 0);
        EXPECT_EQ(cold.cycles, 5u * cold.references + 1 + lookups);
        const WalkResponse warm = bench.run(access(AccessKind::kRead, kGva)).response;
        EXPECT_EQ(warm.references, 1u) << "the guest's leaf, which no structure cache holds";
        EXPECT_EQ(warm.outcome.hpa, cold.outcome.hpa);
      }
    }
  }
}

/// The references of a walk of kGva that follows those of `before`, with caches left out of it.
unsigned references_after(const std::vector<std::uint64_t>& before, CachesDisabled without = {},
                          StructureKind kind = StructureKind::kCombined) {
  WalkerBench bench = bench_of(kRows[6], PageSize::k4K, kind);
  for (const std::uint64_t gva : before) {
    if (gva != kGva) {
      bench.tables.map(gva);
      bench.mark_accessed(gva);
    }
    bench.run(access(AccessKind::kRead, gva));
  }
  bench.disabled = [=](Cycle) { return without; };
  return bench.run(access(AccessKind::kRead, kGva)).response.references;
}

constexpr std::uint64_t kOtherPml4e = kGva ^ (1ull << 40);
constexpr std::uint64_t kSamePml4e = kGva ^ (1ull << 31);
constexpr std::uint64_t kSamePdpte = kGva ^ (1ull << 22);
constexpr std::uint64_t kSamePde = kGva ^ (1ull << 13);
constexpr CachesDisabled kOnlyCombined = {.combined = false, .ept = true, .nested_tlb = true};

TEST(WalkerCounts, AreWhatCombinedHitsLeave) {
  EXPECT_EQ(references_after({}), 24u);
  EXPECT_EQ(references_after({kOtherPml4e}, kOnlyCombined), 24u);
  EXPECT_EQ(references_after({kSamePml4e}, kOnlyCombined), 15u);
  EXPECT_EQ(references_after({kSamePdpte}, kOnlyCombined), 10u);
  EXPECT_EQ(references_after({kSamePde}, kOnlyCombined), 5u);
}

TEST(WalkerCounts, AreMoreWhereHitsLeadToGuestPhysicalAddresses) {
  constexpr auto kGuest = StructureKind::kGuest;
  EXPECT_EQ(references_after({kOtherPml4e}, kOnlyCombined, kGuest), 24u);
  EXPECT_EQ(references_after({kSamePml4e}, kOnlyCombined, kGuest), 19u);
  EXPECT_EQ(references_after({kSamePdpte}, kOnlyCombined, kGuest), 14u);
  EXPECT_EQ(references_after({kSamePde}, kOnlyCombined, kGuest), 9u);
}

TEST(WalkerCounts, AreWhatHitsOfTheEptLeave) {
  EXPECT_EQ(references_after({kOtherPml4e}), 20u)
      << "nothing but the translation of CR3's address: the other page has that table alone in "
         "common";
  EXPECT_EQ(references_after({kGva}, {.nested_tlb = true}), 2u)
      << "combined PDE, and the EPT's PDE for the data";
  EXPECT_EQ(references_after({kGva}, {.ept = true}), 1u)
      << "combined PDE, and the nested TLB for the data";
  EXPECT_EQ(references_after({kGva}, {.combined = true}), 4u) << "every address in the nested TLB";
  EXPECT_EQ(references_after({kGva}, {.combined = true, .nested_tlb = true}), 9u)
      << "the EPT's PDE for all five addresses";
}

}  // namespace
}  // namespace eptsim::mmu::test
