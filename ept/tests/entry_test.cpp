#include "ept/entry.hpp"

#include <gtest/gtest.h>

namespace eptsim::ept {
namespace {

using arch::Hpa;
using arch::PageSize;

constexpr Settings kSettings{.maxphyaddr = 46};
constexpr Settings kModeBased{.maxphyaddr = 46, .mode_based_execute = true};
constexpr std::uint64_t kNoAddress = ~std::uint64_t{0x000f'ffff'ffff'f000};

static_assert(sizeof(PML5E) == 8 && sizeof(PTE) == 8);

TEST(Entry, IsPresentIfAnyRightIsGiven) {
  EXPECT_FALSE(PTE(0xffff'ffff'ffff'fff8).is_present(kSettings));
  for (std::uint64_t rights = 1; rights < 8; ++rights) {
    EXPECT_TRUE(PDE(rights).is_present(kSettings)) << rights;
  }
}

TEST(Entry, UserExecuteAloneMakesItPresentUnderModeBasedExecuteControl) {
  EXPECT_FALSE(PTE(0x400).is_present(kSettings));
  EXPECT_TRUE(PTE(0x400).is_present(kModeBased));
}

TEST(Entry, HasNoAddressWhileItIsNotPresent) {
  EXPECT_EQ(PTE(0x1234'5000).pa(kSettings), std::nullopt);
  EXPECT_EQ(PML4E(0x1234'5400).pa(kSettings), std::nullopt);
}

TEST(Entry, LetsNoFlagLeakIntoTheAddressAtAnyLevel) {
  const std::uint64_t flags = kNoAddress & ~std::uint64_t{0x80};
  EXPECT_EQ(PML5E(flags).pa(kSettings), Hpa(0));
  EXPECT_EQ(PML4E(flags).pa(kSettings), Hpa(0));
  EXPECT_EQ(PDPTE(flags).pa(kSettings), Hpa(0));
  EXPECT_EQ(PDE(flags).pa(kSettings), Hpa(0));
  EXPECT_EQ(PTE(flags | 0x80).pa(kSettings), Hpa(0));
}

TEST(Entry, TakesAddressBitsBelowMaxphyaddrOnly) {
  EXPECT_EQ(PML4E(~std::uint64_t{0x80}).pa(kSettings), Hpa(0x3fff'ffff'f000));
  EXPECT_EQ(PTE(~std::uint64_t{0}).pa(kSettings), Hpa(0x3fff'ffff'f000));
  EXPECT_EQ(PTE(~std::uint64_t{0}).pa({.maxphyaddr = 52}), Hpa(0x000f'ffff'ffff'f000));
}

TEST(Entry, TakesAddressBitsOfALargePageFromItsAlignmentUp) {
  EXPECT_EQ(PDE(~std::uint64_t{0}).pa(kSettings), Hpa(0x3fff'ffe0'0000));
  EXPECT_EQ(PDPTE(~std::uint64_t{0}).pa(kSettings), Hpa(0x3fff'c000'0000));
}

TEST(Entry, NamesTheFlagsThatMeanSomethingAtItsLevel) {
  const std::uint64_t all = ~std::uint64_t{0};
  const Flags everywhere =
      flag::kRead | flag::kWrite | flag::kExecute | flag::kAccessed | flag::kUserExecute;
  const Flags leaf = everywhere | flag::kIgnorePat | flag::kDirty | flag::kVerify |
                     flag::kPagingWriteAccess | flag::kSupervisorShadowStack | flag::kSuppressVe;
  EXPECT_EQ(PML5E(all).flags(kSettings), everywhere);
  EXPECT_EQ(PML4E(all).flags(kSettings), everywhere);
  EXPECT_EQ(PDPTE(all & ~std::uint64_t{0x80}).flags(kSettings), everywhere);
  EXPECT_EQ(PDPTE(all).flags(kSettings), leaf | flag::kPageSize);
  EXPECT_EQ(PDE(all).flags(kSettings), leaf | flag::kPageSize);
  EXPECT_EQ(PTE(all).flags(kSettings), leaf | flag::kSubpageWritePermission);
}

TEST(Entry, HasOnlySuppressVeWhileItIsNotPresent) {
  EXPECT_EQ(PTE(~std::uint64_t{7}).flags(kSettings), flag::kSuppressVe);
}

TEST(Entry, KeepsItsRightsWhenTheAddressChanges) {
  PTE entry(0x8000'0000'0000'0b77 | 0x1000);
  ASSERT_TRUE(entry.set_pa(Hpa(0x2abc'def0'1000), kSettings));
  EXPECT_EQ(entry.value(), 0x8000'2abc'def0'1b77);
}

TEST(Entry, RefusesAnAddressThatIsNotAligned) {
  PTE page(0x5007);
  EXPECT_EQ(page.set_pa(Hpa(0x1234), kSettings).error(), SetPaError::kUnaligned);
  PDE large(0x20'0087);
  EXPECT_EQ(large.set_pa(Hpa(0x20'1000), kSettings).error(), SetPaError::kUnaligned);
  PDPTE huge(0x4000'0087);
  EXPECT_EQ(huge.set_pa(Hpa(0x20'0000), kSettings).error(), SetPaError::kUnaligned);
  PDE table(0x5007);
  EXPECT_TRUE(table.set_pa(Hpa(0x20'1000), kSettings));
  EXPECT_EQ(page.value(), 0x5007u);
  EXPECT_EQ(large.value(), 0x20'0087u);
}

TEST(Entry, RefusesAnAddressBeyondMaxphyaddr) {
  PTE entry(0x5007);
  EXPECT_EQ(entry.set_pa(Hpa(std::uint64_t{1} << 46), kSettings).error(),
            SetPaError::kAddressTooWide);
  EXPECT_EQ(entry.value(), 0x5007u);
}

TEST(Entry, KeepsItsAddressWhenTheRightsChange) {
  PDE entry(0x8000'0000'4020'0bb7);
  entry.set_permission({.execute = true, .user_execute = true});
  EXPECT_EQ(entry.value(), 0x8000'0000'4020'0fb4);
  EXPECT_EQ(entry.permission(), (Permission{.execute = true, .user_execute = true}));
}

TEST(Entry, SaysWhereItLeads) {
  EXPECT_EQ(PDE(0x20'0087).leads_to(kSettings), Target(MappedPage{Hpa(0x20'0000), PageSize::k2M}));
  EXPECT_EQ(PDPTE(0x4000'0087).leads_to(kSettings),
            Target(MappedPage{Hpa(0x4000'0000), PageSize::k1G}));
  EXPECT_EQ(PTE(0x5087).leads_to(kSettings), Target(MappedPage{Hpa(0x5000), PageSize::k4K}));
  EXPECT_EQ(PDE(0x5007).leads_to(kSettings), Target(TableBelow{Hpa(0x5000)}));
  EXPECT_EQ(PML4E(0x5087).leads_to(kSettings), Target(TableBelow{Hpa(0x5000)}));
  EXPECT_EQ(PTE(0x5000).leads_to(kSettings), Target(std::monostate{}));
}

TEST(Entry, HasAMemoryTypeOnlyWhereItMapsAPage) {
  EXPECT_EQ(PTE(0x5037).memory_type(kSettings), 6u);
  EXPECT_EQ(PDE(0x5037).memory_type(kSettings), std::nullopt);
  EXPECT_EQ(PDE(0x20'0097).memory_type(kSettings), 2u);
}

}  // namespace
}  // namespace eptsim::ept
