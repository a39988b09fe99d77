#include "ept/check.hpp"

#include <gtest/gtest.h>

#include <utility>

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
  static constexpr std::uint64_t kAddressBits = 0x3fff'ffff'f000;  // MAXPHYADDR is 46
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
  EXPECT_EQ(found[0], (Finding{FindingKind::kTableUsedTwice, 2, Hpa(kPd + 16), 0x4007,
                               Gpa(4 * kMiB), kAddressBits, 1, Hpa(kPd)}));
  EXPECT_EQ(found[1], (Finding{FindingKind::kTableCycle, 4, Hpa(kPml4 + 8), 0x1007, Gpa(512 * kGiB),
                               kAddressBits, 1, std::nullopt}));
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

/// The same image, surveyed for what is legal but seldom meant.
class Oddities : public Check {
 protected:
  Survey surveyed(SurveyScope scope = {}, std::uint64_t eptp = 0x101e,
                  const Settings& settings = {}) const {
    scope.oddities = true;
    return survey(memory_, eptp, settings, scope);
  }
  /// The one finding there is.
  Finding only(SurveyScope scope = {}, std::uint64_t eptp = 0x101e,
               const Settings& settings = {}) const {
    const Survey found = surveyed(std::move(scope), eptp, settings);
    EXPECT_EQ(found.findings.size(), 1u);
    return found.findings.empty() ? Finding{} : found.findings.front();
  }
};

TEST_F(Oddities, AreNoneInASoundImage) {
  const Survey found = surveyed();
  EXPECT_TRUE(found.findings.empty());
  EXPECT_FALSE(found.stopped_at);
  EXPECT_EQ(found.tables, 4u);
  EXPECT_EQ(found.pages, 3u);
}

TEST_F(Oddities, AreBitsInEntriesThatAreNotPresentButSuppressVe) {
  write(kPd + 16, std::uint64_t{1} << 63);
  write(kPt + 24, 0x5000'0030);
  write(kPt + 32, 0x5000'0400);  // user-execute alone, without mode-based execute control
  const Finding found = only();
  EXPECT_EQ(found.kind, FindingKind::kBitsInAbsentEntry);
  EXPECT_EQ(found.entry_address, Hpa(kPt + 24));
  EXPECT_EQ(found.gpa, Gpa(0x3000));
  EXPECT_EQ(found.entries, 2u) << "entries in a row are one finding";
  EXPECT_EQ(found.bits, 0x5000'0430u);
}

TEST_F(Oddities, ArePagesThatNoRightReaches) {
  write(kPml4, 0x2001);
  write(kPt, 0x9034);
  const Finding found = only();
  EXPECT_EQ(found.kind, FindingKind::kNoAccess);
  EXPECT_EQ(found.entry_address, Hpa(kPt));
  EXPECT_EQ(found.bits, 4u);
}

TEST_F(Oddities, AreDirtyPagesThatNobodyAccessedIfTheFlagsAreInUse) {
  write(kPt, 0x9237);
  EXPECT_TRUE(surveyed().findings.empty());
  const Finding found = only({}, 0x105e);
  EXPECT_EQ(found.kind, FindingKind::kDirtyWithoutAccessed);
  EXPECT_EQ(found.bits, 0x200u);
  write(kPt, 0x9337);
  EXPECT_TRUE(surveyed({}, 0x105e).findings.empty());
}

TEST_F(Oddities, ArePagesBeyondTheGuestPhysicalWidth) {
  const Settings narrow{.maxphyaddr = 36};
  write(kPdpt + 8 * 64, 0x4000'00b7);
  write(kPdpt + 8 * 63, 0x8000'00b7);
  const Finding found = only({}, 0x101e, narrow);
  EXPECT_EQ(found.kind, FindingKind::kPageOutOfReach);
  EXPECT_EQ(found.gpa, Gpa(64 * kGiB));
}

TEST_F(Oddities, AreTablesThatTheMemoryDoesNotHold) {
  write(kPd + 8 * 5, 0x5007);
  const auto below = [](std::uint64_t end) {
    return SurveyScope{.holds = [end](Hpa address) { return address < Hpa(end); }};
  };
  EXPECT_TRUE(surveyed(below(0x6000)).findings.empty());
  for (const std::uint64_t end : {0x5000, 0x5008, 0x5ff8}) {
    const Finding found = only(below(end));
    EXPECT_EQ(found.kind, FindingKind::kTableOutsideMemory) << end;
    EXPECT_EQ(found.entry_address, Hpa(kPd + 8 * 5));
  }
  const Finding root = only(below(0x1000));
  EXPECT_EQ(root.kind, FindingKind::kTableOutsideMemory);
  EXPECT_EQ(root.level, 0u);
  EXPECT_EQ(root.value, 0x101eu);
}

TEST_F(Oddities, AreTablesInUseAtTwoLevels) {
  write(kPdpt + 16, 0x4007);  // the page table, as a page directory
  const auto found = surveyed().findings;
  // Met first at level 1, in the way of guest-physical addresses.
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], (Finding{FindingKind::kTableAtTwoLevels, 3, Hpa(kPdpt + 16), 0x4007,
                               Gpa(2 * kGiB), kAddressBits, 1, Hpa(kPd)}));
}

TEST_F(Oddities, AreTablesThatTheGuestCanWrite) {
  write(kPt + 8, 0x3031);  // read-only
  EXPECT_TRUE(surveyed().findings.empty());
  write(kPt + 16, 0x3033);
  write(kPt + 24, 0x4033);
  write(kPt + 32, 0x5033);  // no table
  Finding found = only();
  EXPECT_EQ(found, (Finding{FindingKind::kTablesWritable, 1, Hpa(kPt + 16), 0x3033, Gpa(0x2000), 2,
                            2, Hpa(0x3000)}));
  write(kPml4, 0x2005);  // what no entry above allows, no entry below does
  EXPECT_TRUE(surveyed().findings.empty());
  write(kPml4, 0x2007);
  write(kPt + 16, 0);
  write(kPt + 24, 0);
  write(kPd + 16, 0x0000'00b3);  // 2 MiB with all four
  found = only();
  EXPECT_EQ(found.level, 2u);
  EXPECT_EQ(found.entries, 1u);
  EXPECT_EQ(found.other, Hpa(0x1000));
}

TEST_F(Oddities, AreMemoryTypesThatDiffer) {
  write(kPt + 8, 0x60'1001);  // UC, within the 2 MiB page at 0x600000, which is WB
  write(kPt + 16, 0x60'2001);
  write(kPt + 24, 0x60'3031);
  const Finding found = only();
  EXPECT_EQ(found, (Finding{FindingKind::kMemoryTypesDiffer, 1, Hpa(kPt + 8), 0x60'1001,
                            Gpa(0x1000), 0x38, 2, Hpa(kPd + 8)}));
}

TEST_F(Oddities, AreReportedOnlyOnDemand) {
  write(kPt + 8, 0x3037);
  write(kPt + 16, 0x60'0000);
  EXPECT_TRUE(findings().empty());
}

TEST(Survey, OfATreeOfAliasesIsShort) {
  // Four tables, each entry of which refers to the next: 512 to the fourth pages.
  SparseMemory memory;
  for (const std::uint64_t table : {0x1000, 0x2000, 0x3000, 0x4000}) {
    for (unsigned index = 0; index < 512; ++index) {
      memory.write64(Hpa(table + 8 * index), table == 0x4000 ? 0x10'0037 : (table + 0x1000) | 7);
    }
  }
  const Survey found = survey(memory, 0x101e, {.maxphyaddr = 48}, {.oddities = true});
  EXPECT_EQ(found.tables, 4u);
  EXPECT_EQ(found.pages, 512u);
  ASSERT_EQ(found.findings.size(), 3u);
  for (const Finding& finding : found.findings) {
    EXPECT_EQ(finding.kind, FindingKind::kTableUsedTwice);
    EXPECT_EQ(finding.entries, 511u);
  }
}

TEST(Survey, OfATableThatRefersToItselfReportsTheCircleOnce) {
  SparseMemory memory;
  for (unsigned index = 0; index < 512; ++index) memory.write64(Hpa(0x1000 + 8 * index), 0x1007);
  const Survey found = survey(memory, 0x101e, {.maxphyaddr = 48}, {.oddities = true});
  ASSERT_EQ(found.findings.size(), 1u);
  EXPECT_EQ(found.findings[0].kind, FindingKind::kTableCycle);
  EXPECT_EQ(found.findings[0].entries, 512u);
}

TEST(Survey, EndsAtItsLimitsAndSaysWhere) {
  SparseMemory memory;
  memory.write64(Hpa(0x1000), 0x2007);
  for (unsigned index = 0; index < 512; ++index) {
    memory.write64(Hpa(0x2000 + 8 * index), (0x10000 + 0x1000 * index) | 7);
    memory.write64(Hpa(0x10000 + 0x1000 * index + 8), 0x80'0000 + 0x1000'0000 * index + 0xb2);
  }
  const Survey whole = survey(memory, 0x101e, {}, {.oddities = true});
  EXPECT_FALSE(whole.stopped_at);
  EXPECT_EQ(whole.tables, 514u);
  EXPECT_EQ(whole.findings.size(), 512u);

  const Survey of_tables = survey(memory, 0x101e, {}, {.oddities = true, .most_tables = 10});
  EXPECT_EQ(of_tables.tables, 11u);
  EXPECT_EQ(of_tables.stopped_at, Gpa(8 * kGiB + 2 * kMiB));
  const Survey of_findings = survey(memory, 0x101e, {}, {.oddities = true, .most_findings = 5});
  EXPECT_EQ(of_findings.findings.size(), 5u);
  EXPECT_EQ(of_findings.stopped_at, Gpa(5 * kGiB));
}

}  // namespace
}  // namespace eptsim::ept::test
