#include "ept/check.hpp"

#include <gtest/gtest.h>

#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;

/// An image written by hand: 4 levels, tables at 0x1000 to 0x4000, one page of each size.
class Check : public testing::Test {
 protected:
  Check() {
    write(kPml4, 0x2007);
    write(kPdpt, 0x3007);
    write(kPdpt + 8, 0x4000'00b7);
    write(kPd, 0x4007);
    write(kPd + 8, 0x60'00b7);
    write(kPt, 0x9037);
  }
  void write(std::uint64_t address, std::uint64_t value) { memory_.write64(Hpa(address), value); }
  std::vector<Finding> findings(const Settings& settings = {}) const {
    return check(memory_, 0x101e, settings);
  }
  void expect_only(FindingKind kind, unsigned level, std::uint64_t address, std::uint64_t value,
                   const Settings& settings = {}) {
    const std::uint64_t before = memory_.read64(Hpa(address));
    write(address, value);
    bool found = false;
    for (const Finding& finding : findings(settings)) {
      if (finding.kind == FindingKind::kUnreachableTable) continue;
      EXPECT_FALSE(found) << "one finding is enough";
      found = true;
      EXPECT_EQ(finding.kind, kind) << name(finding.kind);
      EXPECT_EQ(finding.level, level);
      EXPECT_EQ(finding.entry_address, Hpa(address));
      EXPECT_EQ(finding.value, value);
    }
    EXPECT_TRUE(found) << name(kind) << " 0x" << std::hex << value;
    write(address, before);
  }

  static constexpr std::uint64_t kPml4 = 0x1000;
  static constexpr std::uint64_t kPdpt = 0x2000;
  static constexpr std::uint64_t kPd = 0x3000;
  static constexpr std::uint64_t kPt = 0x4000;
  SparseMemory memory_;
};

TEST_F(Check, FindsNothingInASoundImage) { EXPECT_TRUE(findings().empty()); }

TEST_F(Check, FindsRightsThatAreMisconfigurations) {
  expect_only(FindingKind::kWriteWithoutRead, 1, kPt, 0x9032);
  expect_only(FindingKind::kWriteWithoutRead, 4, kPml4, 0x2006);
  expect_only(FindingKind::kExecuteOnly, 1, kPt, 0x9034, {.execute_only = false});
  expect_only(FindingKind::kExecuteOnly, 1, kPt, 0x9430,
              {.execute_only = false, .mode_based_execute = true});
  expect_only(FindingKind::kPagingWriteWithoutRead, 1, kPt, 0x0400'0000'0000'9034,
              {.paging_write = true});
}

TEST_F(Check, FindsEachReservedBitAtEachLevel) {
  for (unsigned bit = 46; bit < 52; ++bit) {
    const std::uint64_t high = std::uint64_t{1} << bit;
    expect_only(FindingKind::kReservedAddressBits, 4, kPml4, 0x2007 | high);
    expect_only(FindingKind::kReservedAddressBits, 3, kPdpt + 8, 0x4000'00b7 | high);
    expect_only(FindingKind::kReservedAddressBits, 2, kPd, 0x4007 | high);
    expect_only(FindingKind::kReservedAddressBits, 1, kPt, 0x9037 | high);
  }
  for (unsigned bit = 3; bit < 7; ++bit) {
    const std::uint64_t low = std::uint64_t{1} << bit;
    expect_only(FindingKind::kReservedLowBits, 4, kPml4, 0x2007 | low);
    expect_only(FindingKind::kReservedLowBits, 3, kPdpt, 0x3007 | low);
    expect_only(FindingKind::kReservedLowBits, 2, kPd, 0x4007 | low);
  }
  expect_only(FindingKind::kReservedLowBits, 4, kPml4, 0x2087);
  for (unsigned bit = 12; bit < 30; ++bit) {
    const std::uint64_t inside = std::uint64_t{1} << bit;
    expect_only(FindingKind::kReservedPageAddressBits, 3, kPdpt + 8, 0x4000'00b7 | inside);
    if (bit < 21) {
      expect_only(FindingKind::kReservedPageAddressBits, 2, kPd + 8, 0x60'00b7 | inside);
    }
  }
}

TEST_F(Check, FindsPageSizesThatTheProcessorLacks) {
  expect_only(FindingKind::kPageSizeNotSupported, 3, kPdpt + 8, 0x4000'00b7, {.page_1g = false});
  expect_only(FindingKind::kPageSizeNotSupported, 2, kPd + 8, 0x60'00b7, {.page_2m = false});
}

TEST_F(Check, FindsReservedMemoryTypesInLeavesOnly) {
  for (const std::uint64_t type : {2, 3, 7}) {
    expect_only(FindingKind::kReservedMemoryType, 1, kPt, 0x9007 | type << 3);
    expect_only(FindingKind::kReservedMemoryType, 2, kPd + 8, 0x60'0087 | type << 3);
    expect_only(FindingKind::kReservedMemoryType, 3, kPdpt + 8, 0x4000'0087 | type << 3);
  }
}

TEST_F(Check, TakesNoOffenceAtIgnoredBitsNorAtEntriesThatAreNotPresent) {
  const std::uint64_t ignored = 0xfff0'0000'0000'0f00;
  write(kPml4, 0x2007 | ignored);
  write(kPdpt, 0x3007 | ignored);
  write(kPt, 0x90b7 | ignored);
  write(kPt + 8, ~std::uint64_t{7});
  EXPECT_TRUE(findings().empty());
}

TEST_F(Check, ReportsEveryRuleThatAnEntryBreaks) {
  write(kPt, 0x9012 | std::uint64_t{1} << 50);
  const auto found = findings();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].kind, FindingKind::kWriteWithoutRead);
  EXPECT_EQ(found[1].kind, FindingKind::kReservedAddressBits);
  EXPECT_EQ(found[2].kind, FindingKind::kReservedMemoryType);
}

TEST_F(Check, FindsATableThatIsUsedTwiceAndEndsInACircle) {
  write(kPd + 16, 0x4007);
  write(kPt + 8, 0x1037);  // a page, whatever lies there
  write(kPml4 + 8, 0x1007);
  const auto found = findings();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0],
            (Finding{FindingKind::kTableUsedTwice, 2, Hpa(kPd + 16), 0x4007, Gpa(4 * kMiB)}));
  EXPECT_EQ(found[1],
            (Finding{FindingKind::kTableUsedTwice, 4, Hpa(kPml4 + 8), 0x1007, Gpa(512 * kGiB)}));
}

TEST_F(Check, FindsTablesThatNoWalkReaches) {
  write(kPml4 + 8 * 128, 0x5007);  // guest-physical bit 46
  write(kPdpt + 16, 0x600f);       // misconfigured
  const Hpa known[] = {Hpa(0x1000), Hpa(0x4000), Hpa(0x6000), Hpa(0x7000)};
  const auto found = check(memory_, 0x101e, {.maxphyaddr = 46}, known);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].kind, FindingKind::kReservedLowBits);
  EXPECT_EQ(found[1].kind, FindingKind::kUnreachableTable);
  EXPECT_EQ(found[1].entry_address, Hpa(kPdpt + 16));
  EXPECT_EQ(found[2].kind, FindingKind::kUnreachableTable);
  EXPECT_EQ(found[2].gpa, Gpa(std::uint64_t{1} << 46));
  EXPECT_EQ(found[3], (Finding{FindingKind::kUnreachableTable, 0, Hpa(0x7000), 0, Gpa(0)}));
  EXPECT_EQ(check(memory_, 0x101e, {.maxphyaddr = 47}).size(), 2u);
}

}  // namespace
}  // namespace eptsim::ept::test
