#include "ept/probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::AccessKind;
using arch::Gpa;
using arch::Gva;
using arch::Hpa;
using arch::PageSize;

constexpr std::uint64_t kLongCr0 = 0x8001'0001;
constexpr std::uint64_t kLongCr4 = 0x20;
constexpr std::uint64_t kLongEfer = 0xd00;

/// A 4-level guest with CR3 0x1000, written by hand, whose PD[1] maps 0x200000; its tables lie
/// 0x100000 higher in host-physical memory.
class TwoDimensions : public Machine {
 public:
  explicit TwoDimensions(const Settings& settings = {}) : Machine(settings) {
    for (std::uint64_t page = 0x1000; page <= 0x4000; page += 0x1000) {
      expect_done(table.map(Gpa(page), Hpa(page + kOffset), kAllAccess));
    }
    write_guest(0x1000, 0x2027);
    write_guest(0x2000, 0x3027);
    write_guest(0x3008, 0x20'00e7);
  }
  void write_guest(std::uint64_t gpa, std::uint64_t entry) {
    memory.write64(Hpa(gpa + kOffset), entry);
  }
  Probe probe() const { return Probe(memory, table.eptp(), table.settings()); }
  std::uint64_t hpa(std::uint64_t gva) const {
    const auto outcome = probe().gva_to_hpa(guest, Gva(gva));
    const auto* translated = std::get_if<Translated>(&outcome);
    return translated == nullptr ? ~std::uint64_t{0} : translated->hpa.value();
  }

  static constexpr std::uint64_t kOffset = 0x10'0000;
  GuestState guest{.cr0 = kLongCr0, .cr3 = 0x1000, .cr4 = kLongCr4, .efer = kLongEfer};
};

TEST(Probe, FindsEachByteOfALargeGuestPageThatLiesOnScatteredFrames) {
  TwoDimensions m;
  std::vector<std::uint64_t> frames;
  for (std::uint64_t frame = 0; frame < 512; ++frame) frames.push_back(0x4000'0000 + 4096 * frame);
  std::mt19937_64 random(1);
  for (std::size_t left = frames.size(); left > 1; --left) {
    std::swap(frames[left - 1], frames[random() % left]);
  }
  for (std::uint64_t page = 0; page < 512; ++page) {
    expect_done(m.table.map(Gpa(0x20'0000 + 4096 * page), Hpa(frames[page]), kAllAccess));
  }
  const Probe probe = m.probe();
  for (std::uint64_t gva = 0x20'0000; gva < 0x40'0000; ++gva) {
    const auto outcome = probe.gva_to_hpa(m.guest, Gva(gva));
    const auto* translated = std::get_if<Translated>(&outcome);
    ASSERT_NE(translated, nullptr) << std::hex << gva;
    ASSERT_EQ(translated->hpa, Hpa(frames[(gva - 0x20'0000) / 4096] + gva % 4096)) << gva;
    ASSERT_EQ(translated->gpa, Gpa(gva));
  }
  EXPECT_EQ(std::get<Translated>(probe.gva_to_hpa(m.guest, Gva(0x20'0000))),
            (Translated{Gpa(0x20'0000), Hpa(frames[0]), PageSize::k2M, PageSize::k4K}));
}

TEST(Probe, FindsBytesOfAHugeGuestPageOnPagesOfEachSize) {
  TwoDimensions m;
  m.write_guest(0x2008, 0x4000'00e7);
  // The lower half on 2 MiB pages in descending order, above it some on 4 KiB pages.
  for (std::uint64_t page = 0; page < 256; ++page) {
    expect_done(m.table.map(Gpa(kGiB + 2 * kMiB * page), Hpa(8 * kGiB - 2 * kMiB * page),
                            kAllAccess, {.size = PageSize::k2M}));
    expect_done(
        m.table.map(Gpa(kGiB + 512 * kMiB + 4096 * page), Hpa(9 * kGiB - 4096 * page), kAllAccess));
  }
  for (std::uint64_t offset = 0; offset < 512 * kMiB; offset += 65'537) {
    const std::uint64_t page = offset / (2 * kMiB);
    ASSERT_EQ(m.hpa(kGiB + offset), 8 * kGiB - 2 * kMiB * page + offset % (2 * kMiB));
  }
  for (std::uint64_t offset = 0; offset < kMiB; offset += 37) {
    ASSERT_EQ(m.hpa(kGiB + 512 * kMiB + offset), 9 * kGiB - offset / 4096 * 4096 + offset % 4096);
  }
}

TEST(Probe, KeepsTheOffsetInPagesOfEachSize) {
  Machine m;
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x7000), kReadOnly));
  expect_done(m.table.map(Gpa(2 * kMiB), Hpa(6 * kMiB), kReadOnly, {.size = PageSize::k2M}));
  expect_done(m.table.map(Gpa(kGiB), Hpa(3 * kGiB), kReadOnly, {.size = PageSize::k1G}));
  const Probe probe(m.memory, m.table.eptp(), {});
  EXPECT_EQ(probe.gpa_to_hpa(Gpa(0x1abc)),
            GpaOutcome(Translated{Gpa(0x1abc), Hpa(0x7abc), {}, PageSize::k4K}));
  EXPECT_EQ(probe.gpa_to_hpa(Gpa(2 * kMiB + 0x1'2345)),
            GpaOutcome(
                Translated{Gpa(2 * kMiB + 0x1'2345), Hpa(6 * kMiB + 0x1'2345), {}, PageSize::k2M}));
  EXPECT_EQ(probe.gpa_to_hpa(Gpa(2 * kGiB - 1)),
            GpaOutcome(Translated{Gpa(2 * kGiB - 1), Hpa(4 * kGiB - 1), {}, PageSize::k1G}));
}

TEST(Probe, TakesGuestPhysicalForHostPhysicalWithoutEpt) {
  SparseMemory memory;
  memory.write64(Hpa(0x1000), 0x2027);
  memory.write64(Hpa(0x2000), 0x3027);
  memory.write64(Hpa(0x3008), 0x60'00e7);
  const Probe probe(memory, std::nullopt, {});
  const GuestState guest{.cr0 = kLongCr0, .cr3 = 0x1000, .cr4 = kLongCr4, .efer = kLongEfer};
  EXPECT_EQ(probe.gva_to_hpa(guest, Gva(0x20'0123)),
            GvaOutcome(Translated{Gpa(0x60'0123), Hpa(0x60'0123), PageSize::k2M, {}}));
  EXPECT_EQ(probe.gpa_to_hpa(Gpa(~std::uint64_t{0})),
            GpaOutcome(Translated{Gpa(~std::uint64_t{0}), Hpa(~std::uint64_t{0}), {}, {}}));
}

/// A data page's rights against an access: what the manual's table of vectors expects. 1 means that
/// the access succeeds, 2 a misconfiguration, anything else is the exit qualification.
struct Vector {
  unsigned rights;  ///< bits 0 to 2, and 3 for user-execute
  std::uint64_t read, write, fetch, user_fetch;
};

std::uint64_t judged(const GvaOutcome& outcome) {
  if (const auto* violation = std::get_if<EptViolation>(&outcome)) return violation->qualification;
  return std::holds_alternative<Translated>(outcome) ? 1 : 2;
}

void expect_vectors(const Settings& settings, const std::vector<Vector>& vectors) {
  for (const Vector& vector : vectors) {
    for (const PageSize size : {PageSize::k4K, PageSize::k2M}) {
      TwoDimensions m(settings);
      const std::uint64_t entry = 0x4000'0000 | 0x30 | (vector.rights & 7) |
                                  (vector.rights & 8) << 7 | (size == PageSize::k2M ? 0x80u : 0u);
      expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x4000'0000), kAllAccess, {.size = size}));
      m.table.walk(Gpa(0x20'0000))->entry.store(entry);
      const Probe probe = m.probe();
      const auto judge = [&](AccessKind kind) {
        return judged(probe.gva_to_hpa(m.guest, Gva(0x20'0000), {.kind = kind}));
      };
      // The linear address is user-mode: fetches from it need user-execute under mode-based
      // control.
      EXPECT_EQ(judge(AccessKind::kRead), vector.read) << vector.rights;
      EXPECT_EQ(judge(AccessKind::kWrite), vector.write) << vector.rights;
      EXPECT_EQ(judge(AccessKind::kFetch), vector.user_fetch) << vector.rights;
      m.write_guest(0x3008, 0x20'00e3);
      EXPECT_EQ(judge(AccessKind::kFetch), vector.fetch) << vector.rights;
    }
  }
}

TEST(Probe, JudgesAccessesByTheRightsOfThePage) {
  expect_vectors({}, {{0, 0x181, 0x182, 0x184, 0x184},
                      {1, 1, 0x18a, 0x18c, 0x18c},
                      {2, 2, 2, 2, 2},
                      {3, 1, 1, 0x19c, 0x19c},
                      {4, 0x1a1, 0x1a2, 1, 1},
                      {5, 1, 0x1aa, 1, 1},
                      {6, 2, 2, 2, 2},
                      {7, 1, 1, 1, 1}});
}

TEST(Probe, JudgesExecuteOnlyPagesAsMisconfiguredWhereTheProcessorLacksThem) {
  expect_vectors({.execute_only = false}, {{4, 2, 2, 2, 2}, {5, 1, 0x1aa, 1, 1}});
  expect_vectors({.execute_only = false, .mode_based_execute = true},
                 {{4, 2, 2, 2, 2}, {8, 2, 2, 2, 2}, {12, 2, 2, 2, 2}});
}

TEST(Probe, TellsUserFromSupervisorFetchesUnderModeBasedExecuteControl) {
  expect_vectors({.mode_based_execute = true}, {{0, 0x181, 0x182, 0x184, 0x184},
                                                {1, 1, 0x18a, 0x18c, 0x18c},
                                                {3, 1, 1, 0x19c, 0x19c},
                                                {4, 0x1a1, 0x1a2, 1, 0x1a4},
                                                {8, 0x1c1, 0x1c2, 0x1c4, 1},
                                                {12, 0x1e1, 0x1e2, 1, 1},
                                                {5, 1, 0x1aa, 1, 0x1ac},
                                                {9, 1, 0x1ca, 0x1cc, 1},
                                                {13, 1, 0x1ea, 1, 1},
                                                {7, 1, 1, 1, 0x1bc},
                                                {11, 1, 1, 0x1dc, 1},
                                                {15, 1, 1, 1, 1}});
}

TEST(Probe, JudgesTheGuestsOwnTablesAsTheManualDoes) {
  struct TableVector {
    std::uint64_t leaf;  ///< rights of the page of the guest's last table
    bool accessed_dirty;
    std::uint64_t guest_flags;
    std::uint64_t read, write;
  };
  const TableVector vectors[] = {
      {0, false, 0x60, 0x81, 0x81}, {0, true, 0x60, 0x83, 0x83}, {1, false, 0, 0x8b, 0x8b},
      {1, false, 0x20, 1, 0x8b},    {1, false, 0x60, 1, 1},      {1, true, 0, 0x8b, 0x8b},
      {1, true, 0x60, 0x8b, 0x8b},  {5, false, 0, 0xab, 0xab},   {5, true, 0x60, 0xab, 0xab},
      {3, false, 0, 1, 1},          {7, true, 0, 1, 1}};
  for (const TableVector& vector : vectors) {
    TwoDimensions m({.accessed_dirty = vector.accessed_dirty});
    expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x4000'0000), kAllAccess));
    m.write_guest(0x3008, 0x20'0087 | vector.guest_flags);
    m.table.walk(Gpa(0x3000))->entry.store(0x10'3030 | vector.leaf);
    for (const bool write : {false, true}) {
      const auto outcome = m.probe().gva_to_hpa(
          m.guest, Gva(0x20'0000), {.kind = write ? AccessKind::kWrite : AccessKind::kRead});
      EXPECT_EQ(judged(outcome), write ? vector.write : vector.read)
          << vector.leaf << vector.accessed_dirty << std::hex << vector.guest_flags;
      if (const auto* violation = std::get_if<EptViolation>(&outcome)) {
        EXPECT_EQ(violation->gpa, Gpa(0x3008));
        EXPECT_EQ(violation->entry.level, 1u);
      }
    }
  }
}

TEST(Probe, LetsPagingWriteAccessReplaceWriteInTheLeafAlone) {
  constexpr std::uint64_t kPagingWrite = std::uint64_t{1} << 58;
  const auto judge = [](bool control, std::uint64_t leaf, bool tables_write) {
    TwoDimensions m({.accessed_dirty = true, .paging_write = control});
    expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x4000'0000), kAllAccess));
    for (const std::uint64_t page : {0x1000, 0x2000, 0x3000}) {
      m.table.walk(Gpa(page))->entry.store((page + TwoDimensions::kOffset) | 0x30 | leaf);
    }
    if (!tables_write) {
      m.memory.write64(m.table.root(), m.memory.read64(m.table.root()) & ~std::uint64_t{2});
    }
    return judged(m.probe().gva_to_hpa(m.guest, Gva(0x20'0000)));
  };
  EXPECT_EQ(judge(true, 1 | kPagingWrite, true), 1u);
  EXPECT_EQ(judge(false, 1 | kPagingWrite, true), 0x8bu);
  EXPECT_EQ(judge(true, 1, true), 0x8bu);
  EXPECT_EQ(judge(true, 1 | kPagingWrite, false), 0x8bu) << "tables need WRITE all the same";
}

TEST(Probe, MeetsAMisconfiguredLowerEntryBeforeItJudgesRights) {
  Machine m;
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x7000), kAllAccess));
  m.memory.write64(m.table.root(), m.memory.read64(m.table.root()) & ~std::uint64_t{2});
  const Probe probe(m.memory, m.table.eptp(), {});
  EXPECT_EQ(std::get<EptViolation>(probe.gpa_to_hpa(Gpa(0x1234), AccessKind::kWrite)).qualification,
            0x2au);
  m.table.walk(Gpa(0x1000))->entry.store(0x7012 | 1);
  const auto outcome = probe.gpa_to_hpa(Gpa(0x1234), AccessKind::kWrite);
  const auto& misconfiguration = std::get<EptMisconfiguration>(outcome);
  EXPECT_EQ(misconfiguration.rule, format::Rule::kReservedMemoryType);
  EXPECT_EQ(misconfiguration.gpa, Gpa(0x1234));
  EXPECT_EQ(misconfiguration.entry.level, 1u);
  m.memory.write64(m.table.root(), 0);
  EXPECT_EQ(std::get<EptViolation>(probe.gpa_to_hpa(Gpa(0x1234))).qualification, 1u)
      << "an absent entry above hides it";
}

TEST(Probe, RefusesGuestPhysicalAddressesThatFourLevelsDoNotReach) {
  Machine m({.maxphyaddr = 52});
  const Probe probe(m.memory, m.table.eptp(), m.table.settings());
  const auto outcome = probe.gpa_to_hpa(Gpa(std::uint64_t{1} << 48), AccessKind::kReadModifyWrite);
  EXPECT_EQ(outcome, GpaOutcome(EptViolation{Gpa(std::uint64_t{1} << 48), 3, {}}));
}

TEST(Probe, ReportsAdvancedInformationWhereTheProcessorHasIt) {
  TwoDimensions m({.advanced_exit_info = true});
  EXPECT_EQ(judged(m.probe().gva_to_hpa(m.guest, Gva(0x20'0000))), 0x781u);
  m.write_guest(0x3008, 0x8000'0000'0020'00e1);
  EXPECT_EQ(judged(m.probe().gva_to_hpa(m.guest, Gva(0x20'0000))), 0x981u);
  m.guest.cr0 = 1;
  EXPECT_EQ(judged(m.probe().gva_to_hpa(m.guest, Gva(0x20'0000))), 0x781u);
}

TEST(Probe, NeedsBit60ForSupervisorShadowStacksIfTheEptPointerSaysSo) {
  TwoDimensions m({.supervisor_shadow_stack = true});
  m.guest.cr4 |= 1 << 23;
  m.write_guest(0x3008, 0x20'00e1);  // a shadow-stack page: not writable, dirty, supervisor
  expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x4000'0000), kReadOnly));
  const auto judge = [&] {
    return judged(
        m.probe().gva_to_hpa(m.guest, Gva(0x20'0000), {.kind = AccessKind::kShadowStackWrite}));
  };
  EXPECT_EQ(judge(), 0x218au);
  auto entry = m.table.walk(Gpa(0x20'0000))->entry;
  entry.store(entry.load() | std::uint64_t{1} << 60);
  EXPECT_EQ(judge(), 1u) << "WRITE of the leaf does not count";
  const std::uint64_t pml4e = m.memory.read64(m.table.root());
  m.memory.write64(m.table.root(), pml4e & ~std::uint64_t{2});
  EXPECT_EQ(judge(), 0x618au) << "WRITE above it does";
  m.memory.write64(m.table.root(), pml4e);
  EXPECT_EQ(judged(m.probe().gva_to_hpa(m.guest, Gva(0x20'0000), {.kind = AccessKind::kWrite})), 2u)
      << "an ordinary write is the guest's own page fault";
}

}  // namespace
}  // namespace eptsim::ept::test
