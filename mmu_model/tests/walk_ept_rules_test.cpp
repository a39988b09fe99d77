#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"

// Every rule for EPT entries, on the page that the access itself goes to. The vectors are those of
// published conformance tests: an entry of each level has its access bits replaced, all others
// allow everything.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x12'3456'7890;
constexpr std::uint64_t kAccessBits = kR | kW | kX | kXu;
constexpr int kOk = 0;
constexpr int kMis = -1;
constexpr int kSkip = -2;

/// Where the changed entry stands: its level, and whether it maps a page there.
struct Spot {
  unsigned level;
  PageSize page;
};
constexpr Spot kSpots[] = {{1, PageSize::k4K}, {2, PageSize::k4K}, {3, PageSize::k4K},
                           {4, PageSize::k4K}, {2, PageSize::k2M}, {3, PageSize::k1G}};

/// A machine with one page whose EPT entries no guest table shares, but for the root.
struct OnePage {
  explicit OnePage(PageSize ept_page = PageSize::k4K, unsigned ept_levels = 4)
      : tables(4, ept_levels), page(build(ept_page, ept_levels)) {}

  PageAddress build(PageSize ept_page, unsigned ept_levels) {
    for (std::uint64_t seed = 1;; ++seed) {
      tables = WalkTables(4, ept_levels, seed);
      const PageAddress mapped = tables.map(kGva, PageSize::k4K, ept_page);
      bool shared = false;
      for (unsigned level = 1; level <= 4; ++level) {
        shared |= tables.guest_entry_gpa(kGva, level) >> 39 == mapped.gpa >> 39;
      }
      if (!shared) return mapped;
    }
  }
  std::uint64_t entry(unsigned level) const { return tables.ept_entry(page.gpa, level); }

  WalkTables tables;
  PageAddress page;
};

struct Vector {
  std::string_view bits;
  int read, write, execute, user_execute;
};

std::uint64_t entry_bits(std::string_view text) {
  std::uint64_t bits = 0;
  for (const char c : text) {
    bits |= c == 'r' ? kR : c == 'w' ? kW : c == 'x' ? kX : c == 'u' ? kXu : 0;
  }
  return bits;
}

void expect_outcome(const TranslateResult& result, const OnePage& one, int expected,
                    unsigned level) {
  const Outcome& outcome = result.outcome;
  if (expected == kOk) {
    EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated) << describe(outcome);
    EXPECT_EQ(outcome.hpa, one.page.hpa);
    return;
  }
  EXPECT_EQ(outcome.kind,
            expected == kMis ? OutcomeKind::kEptMisconfiguration : OutcomeKind::kEptViolation)
      << describe(outcome);
  EXPECT_EQ(outcome.qualification, expected == kMis ? 0u : unsigned(expected));
  EXPECT_EQ(outcome.gpa, one.page.gpa);
  EXPECT_EQ(outcome.linear_valid, expected != kMis);
  EXPECT_EQ(outcome.place, (Place{0, std::uint8_t(level)}));
  EXPECT_EQ(outcome.entry_address, one.entry(level));
  EXPECT_EQ(outcome.entry, one.tables.memory.at(one.entry(level)));
}

/// Runs read, write, supervisor fetch and user fetch over a vector at one spot.
void expect_vector(const Vector& vector, Spot spot, bool mode_based, bool execute_only) {
  SCOPED_TRACE(testing::Message() << vector.bits << " at level " << spot.level << " page "
                                  << arch::name(spot.page) << " mode-based " << mode_based
                                  << " execute-only " << execute_only);
  const struct {
    AccessKind kind;
    bool user;
    int expected;
  } operations[] = {{AccessKind::kRead, false, vector.read},
                    {AccessKind::kWrite, false, vector.write},
                    {AccessKind::kFetch, false, vector.execute},
                    {AccessKind::kFetch, true, vector.user_execute}};
  for (const auto& operation : operations) {
    if (operation.expected == kSkip) continue;
    SCOPED_TRACE(testing::Message() << arch::name(operation.kind) << " user " << operation.user);
    OnePage one(spot.page);
    one.tables.context.controls.mode_based_execute = mode_based;
    one.tables.context.cpu.execute_only = execute_only;
    one.tables.clear(one.entry(spot.level), kAccessBits);
    one.tables.set(one.entry(spot.level), entry_bits(vector.bits));
    // A supervisor-mode linear address is one with U/S = 0.
    if (operation.kind == AccessKind::kFetch && !operation.user) {
      one.tables.clear(one.tables.guest_entry(kGva, 1), kU);
    }
    const TranslateResult result = one.tables.run(access(operation.kind, kGva, operation.user));
    expect_outcome(result, one, operation.expected, spot.level);
  }
}

TEST(WalkEptRules, AccessBitsRefuseWithTheirQualification) {
  const Vector vectors[] = {
      {"", 0x181, 0x182, 0x184, 0x184},  {"r", kOk, 0x18a, 0x18c, 0x18c},
      {"w", kMis, kMis, kMis, kMis},     {"rw", kOk, kOk, 0x19c, 0x19c},
      {"x", 0x1a1, 0x1a2, kOk, kOk},     {"rx", kOk, 0x1aa, kOk, kOk},
      {"wx", kMis, kMis, kMis, kMis},    {"rwx", kOk, kOk, kOk, kOk},
      {"u", 0x181, 0x182, 0x184, 0x184},  // bit 10 is ignored
  };
  for (const Spot& spot : kSpots) {
    for (const Vector& vector : vectors) expect_vector(vector, spot, false, true);
    expect_vector({"x", kMis, kMis, kMis, kMis}, spot, false, false);
  }
}

TEST(WalkEptRules, ModeBasedExecuteTellsUserAddressesFromSupervisorOnes) {
  const Vector vectors[] = {
      {"", 0x181, 0x182, 0x184, 0x184}, {"r", kOk, 0x18a, 0x18c, 0x18c},
      {"rw", kOk, kOk, 0x19c, 0x19c},   {"x", 0x1a1, 0x1a2, kOk, 0x1a4},
      {"u", 0x1c1, 0x1c2, 0x1c4, kOk},  {"xu", 0x1e1, 0x1e2, kOk, kOk},
      {"rx", kOk, 0x1aa, kOk, 0x1ac},   {"ru", kOk, 0x1ca, 0x1cc, kOk},
      {"rxu", kOk, 0x1ea, kOk, kOk},    {"rwx", kOk, kOk, kOk, 0x1bc},
      {"rwu", kOk, kOk, 0x1dc, kOk},    {"rwxu", kOk, kOk, kOk, kOk},
      {"w", kMis, kMis, kMis, kMis},    {"wx", kMis, kMis, kMis, kMis},
  };
  for (const Spot& spot : kSpots) {
    for (const Vector& vector : vectors) expect_vector(vector, spot, true, true);
    for (const std::string_view bits : {"x", "u", "xu"}) {
      expect_vector({bits, kMis, kMis, kMis, kMis}, spot, true, false);
    }
  }
}

TEST(WalkEptRules, ReadModifyWriteNeedsBothRights) {
  OnePage one;
  one.tables.clear(one.entry(1), kW);
  TranslateResult result = one.tables.run(access(AccessKind::kReadModifyWrite, kGva));
  expect_outcome(result, one, 0x1ab, 1);  // read and write; readable, executable
  EXPECT_EQ(result.outcome.reason, Reason::kEptNotWritable);

  OnePage unreadable;
  unreadable.tables.clear(unreadable.entry(2), kR | kW);
  result = unreadable.tables.run(access(AccessKind::kReadModifyWrite, kGva));
  expect_outcome(result, unreadable, 0x1a3, 2);
  EXPECT_EQ(result.outcome.reason, Reason::kEptNotReadable);
}

TEST(WalkEptRules, RightsAreTheAndOverAllLevels) {
  // W is missing at level 3, X at level 1: neither entry alone says what is reported.
  OnePage one;
  one.tables.clear(one.entry(3), kW);
  one.tables.clear(one.entry(1), kX);
  expect_outcome(one.tables.run(access(AccessKind::kWrite, kGva)), one, 0x18a, 3);
  expect_outcome(one.tables.run(access(AccessKind::kFetch, kGva)), one, 0x18c, 1);
  const TranslateResult read = one.tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(read.outcome.kind, OutcomeKind::kTranslated);
  EXPECT_EQ(read.outcome.ept_rights, (EptRights{.read = true,
                                                .write = false,
                                                .execute = false,
                                                .user_execute = false,
                                                .paging_write = false,
                                                .supervisor_shadow_stack = false}));
}

TEST(WalkEptRules, ReservedBitsMisconfigureAPresentEntryOnly) {
  struct Case {
    Spot spot;
    unsigned high, low;
  };
  std::vector<Case> cases = {
      {{4, PageSize::k4K}, 7, 3},   {{3, PageSize::k4K}, 6, 3},   {{2, PageSize::k4K}, 6, 3},
      {{3, PageSize::k1G}, 29, 12}, {{2, PageSize::k2M}, 20, 12},
  };
  for (const Spot& spot : kSpots) cases.push_back({spot, 51, 46});
  for (const Case& c : cases) {
    for (unsigned bit = c.low; bit <= c.high; ++bit) {
      SCOPED_TRACE(testing::Message() << "bit " << bit << " level " << c.spot.level << " page "
                                      << arch::name(c.spot.page));
      for (const AccessKind kind : {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch}) {
        OnePage one(c.spot.page);
        one.tables.set(one.entry(c.spot.level), 1ull << bit);
        const TranslateResult result = one.tables.run(access(kind, kGva));
        expect_outcome(result, one, kMis, c.spot.level);
        EXPECT_EQ(result.outcome.reason, Reason::kEptReservedBit);
      }
      OnePage absent(c.spot.page);
      absent.tables.set(absent.entry(c.spot.level), 1ull << bit);
      absent.tables.clear(absent.entry(c.spot.level), kAccessBits);
      const TranslateResult result = absent.tables.run(access(AccessKind::kRead, kGva));
      expect_outcome(result, absent, 0x181, c.spot.level);
      EXPECT_EQ(result.outcome.reason, Reason::kEptNotPresent);
    }
  }
}

TEST(WalkEptRules, IgnoredBitsAreIgnored) {
  for (const Spot& spot : kSpots) {
    std::vector<unsigned> ignored = {8, 9, 10, 11};
    for (unsigned bit = 52; bit < 64; ++bit) ignored.push_back(bit);
    if (spot.level == 1) ignored.push_back(7);
    for (const unsigned bit : ignored) {
      for (const bool value : {false, true}) {
        SCOPED_TRACE(testing::Message() << "bit " << bit << " level " << spot.level);
        OnePage one(spot.page);
        one.tables.clear(one.entry(spot.level), 1ull << bit);
        if (value) one.tables.set(one.entry(spot.level), 1ull << bit);
        for (const AccessKind kind : {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch}) {
          expect_outcome(one.tables.run(access(kind, kGva, true)), one, kOk, spot.level);
        }
      }
    }
  }
}

TEST(WalkEptRules, APageSizeThatDoesNotExistIsAReservedBit) {
  for (const bool page_1g : {false, true}) {
    OnePage one(page_1g ? PageSize::k1G : PageSize::k2M);
    (page_1g ? one.tables.context.cpu.page_1g : one.tables.context.cpu.page_2m) = false;
    const TranslateResult result = one.tables.run(access(AccessKind::kRead, kGva));
    expect_outcome(result, one, kMis, page_1g ? 3 : 2);
    EXPECT_EQ(result.outcome.reason, Reason::kEptReservedBit);
  }
}

TEST(WalkEptRules, MemoryTypesTwoThreeAndSevenMisconfigureALeaf) {
  for (const Spot& spot : {kSpots[0], kSpots[4], kSpots[5]}) {
    for (std::uint64_t type = 0; type < 8; ++type) {
      OnePage one(spot.page);
      one.tables.clear(one.entry(spot.level), 7u << 3);
      one.tables.set(one.entry(spot.level), type << 3);
      const bool bad = type == 2 || type == 3 || type == 7;
      const TranslateResult result = one.tables.run(access(AccessKind::kFetch, kGva));
      expect_outcome(result, one, bad ? kMis : kOk, spot.level);
      EXPECT_EQ(result.outcome.reason, bad ? Reason::kEptMemoryType : Reason::kNone);
    }
  }
}

TEST(WalkEptRules, ADeeperMisconfigurationWinsOverARightMissingAbove) {
  OnePage one;
  one.tables.clear(one.entry(4), kW);
  one.tables.set(one.entry(2), 1u << 5);
  expect_outcome(one.tables.run(access(AccessKind::kWrite, kGva)), one, kMis, 2);
}

TEST(WalkEptRules, AnAbsentEntryHidesAMisconfigurationBeneath) {
  OnePage one;
  one.tables.set(one.entry(1), 1ull << 51);
  const std::uint64_t upper = one.entry(2);
  one.tables.clear(upper, kAccessBits);
  const TranslateResult result = one.tables.run(access(AccessKind::kWrite, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(result.outcome.qualification, 0x182u);
  EXPECT_EQ(result.outcome.entry_address, upper);
}

TEST(WalkEptRules, AnUpperMisconfigurationComesFirst) {
  OnePage one;
  one.tables.clear(one.entry(1), kAccessBits);
  const std::uint64_t upper = one.entry(3);
  one.tables.clear(upper, kR);
  const TranslateResult result = one.tables.run(access(AccessKind::kRead, kGva));
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptMisconfiguration);
  EXPECT_EQ(result.outcome.reason, Reason::kEptWriteWithoutRead);
  EXPECT_EQ(result.outcome.entry_address, upper);
}

TEST(WalkEptRules, AFifthLevelIsCheckedLikeTheFourth) {
  const struct {
    std::uint64_t set, clear;
    int expected;
  } changes[] = {{0, kAccessBits, 0x181}, {1u << 7, 0, kMis}, {1u << 3, 0, kMis},
                 {1ull << 47, 0, kMis},   {0, kR, kMis},      {1ull << 62, 0, kOk}};
  for (const auto& [change_set, change_clear, expected] : changes) {
    WalkTables tables(0, 5);
    const PageAddress page = tables.map(0x8888'8000);
    tables.set(tables.ept_entry(page.gpa, 5), change_set);
    tables.clear(tables.ept_entry(page.gpa, 5), change_clear);
    const Outcome outcome = tables.run(access(AccessKind::kRead, page.gva)).outcome;
    EXPECT_EQ(outcome.kind, expected == kOk    ? OutcomeKind::kTranslated
                            : expected == kMis ? OutcomeKind::kEptMisconfiguration
                                               : OutcomeKind::kEptViolation);
    EXPECT_EQ(outcome.qualification, expected > 0 ? unsigned(expected) : 0u);
  }
}

TEST(WalkEptRules, FourLevelsDoNotReachBits51To48) {
  // The guest's tables and data may name any address that MAXPHYADDR lets them.
  for (unsigned bit = 48; bit < 52; ++bit) {
    WalkTables tables(4, 4);
    tables.map(kGva);
    tables.context.cpu.maxphyaddr = 52;
    tables.set(tables.guest_entry(kGva, 1), 1ull << bit);
    const std::uint64_t gpa =
        (tables.memory.at(tables.guest_entry(kGva, 1)) & 0x000f'ffff'ffff'f000) | (kGva & 0xfff);
    TranslateResult result = tables.run(access(AccessKind::kWrite, kGva));
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
    EXPECT_EQ(result.outcome.qualification, 0x182u);
    EXPECT_EQ(result.outcome.reason, Reason::kEptAddressTooWide);
    EXPECT_EQ(result.outcome.gpa, gpa);
    EXPECT_EQ(result.references, 20u);

    WalkTables upper(4, 4);
    upper.map(kGva);
    upper.context.cpu.maxphyaddr = 52;
    upper.set(upper.guest_entry(kGva, 3), 1ull << bit);
    result = upper.run(access(AccessKind::kFetch, kGva));
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation);
    EXPECT_EQ(result.outcome.qualification, 0x81u);
    EXPECT_EQ(result.references, 10u);
  }
}

TEST(WalkEptRules, FiveLevelsReachBits51To48) {
  WalkTables tables(4, 5);
  tables.context.cpu.maxphyaddr = 52;
  tables.map(kGva);
  const std::uint64_t gpa = 0x000a'9876'5432'1000;
  tables.map_ept(gpa, 0x000c'1111'2222'3000, PageSize::k4K);
  tables.memory.put(tables.guest_entry(kGva, 1), gpa | kP | kGuestW | kU);
  const Outcome outcome = tables.run(access(AccessKind::kRead, kGva)).outcome;
  EXPECT_EQ(outcome.gpa, gpa | (kGva & 0xfff));
  EXPECT_EQ(outcome.hpa, 0x000c'1111'2222'3000 | (kGva & 0xfff));
}

TEST(WalkEptRules, ReservedAddressBitsFollowTheWidth) {
  for (unsigned width = 32; width <= 52; ++width) {
    for (unsigned bit = 32; bit < 52; ++bit) {
      WalkTables tables(0, 4);
      tables.context.cpu.maxphyaddr = width;
      tables.context.eptp = 0x1000 | 3 << 3 | 6;
      tables.memory.put(0x1000, 0x2007);
      tables.memory.put(0x2000, 0x3007);
      tables.memory.put(0x3000, 0x4007);
      tables.memory.put(0x4000, 0x5007 | kTypeWb | 1ull << bit);
      const Outcome outcome = tables.run(access(AccessKind::kRead, 0x123)).outcome;
      if (bit < width) {
        EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated) << width << ' ' << bit;
        EXPECT_EQ(outcome.hpa, 0x5123 | 1ull << bit);
      } else {
        EXPECT_EQ(outcome.kind, OutcomeKind::kEptMisconfiguration) << width << ' ' << bit;
      }
    }
  }
}

TEST(WalkEptRules, WithoutPagingEveryAddressIsUserMode) {
  WalkTables tables(0, 4);
  tables.context.controls.mode_based_execute = true;
  tables.context.cpu.advanced_exit_info = true;
  const PageAddress page = tables.map(0x1234'5678);
  tables.clear(tables.ept_entry(page.gpa, 1), kXu);
  Outcome outcome = tables.run(access(AccessKind::kFetch, page.gva)).outcome;
  EXPECT_EQ(outcome.qualification, 0x7bcu);  // user-mode, writable, not execute-disable
  tables.set(tables.ept_entry(page.gpa, 1), kXu);
  tables.clear(tables.ept_entry(page.gpa, 1), kX);
  outcome = tables.run(access(AccessKind::kFetch, page.gva)).outcome;
  EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated);
}

TEST(WalkEptRules, AdvancedInformationTellsTheGuestsRights) {
  for (unsigned rights = 0; rights < 8; ++rights) {
    OnePage one;
    one.tables.context.cpu.advanced_exit_info = true;
    one.tables.context.cr0 &= ~(1u << 16);
    const std::uint64_t leaf = one.tables.guest_entry(kGva, 1);
    const bool user = (rights & 1) != 0, write = (rights & 2) != 0, nx = (rights & 4) != 0;
    if (!user) one.tables.clear(one.tables.guest_entry(kGva, 3), kU);
    if (!write) one.tables.clear(one.tables.guest_entry(kGva, 2), kGuestW);
    if (nx) one.tables.set(leaf, kNx);
    one.tables.clear(one.entry(1), kW);
    Outcome outcome = one.tables.run(access(AccessKind::kWrite, kGva)).outcome;
    EXPECT_EQ(outcome.qualification,
              0x1aau | (user ? 0x200 : 0) | (write ? 0x400 : 0) | (nx ? 0x800 : 0));
    // Paging-structure accesses have none of it.
    one.tables.clear(one.tables.ept_entry(one.tables.guest_entry_gpa(kGva, 1), 1), kAccessBits);
    outcome = one.tables.run(access(AccessKind::kWrite, kGva)).outcome;
    EXPECT_EQ(outcome.qualification, 0x81u);
  }
}

TEST(WalkEptRules, AGuestPhysicalRequestHasNoLinearAddress) {
  OnePage one;
  one.tables.context.controls.mode_based_execute = true;
  one.tables.context.cpu.advanced_exit_info = true;
  Request request{.address = one.page.gpa, .linear = false, .access = AccessKind::kWrite};
  TranslateResult result = one.tables.run(request);
  EXPECT_EQ(result.outcome.hpa, one.page.hpa);
  EXPECT_EQ(result.references, 4u);
  EXPECT_EQ(result.outcome.guest_page_size, std::nullopt);

  one.tables.clear(one.entry(1), kW);
  result = one.tables.run(request);
  EXPECT_EQ(result.outcome.qualification, 0x6au);
  EXPECT_FALSE(result.outcome.linear_valid);
  EXPECT_EQ(result.outcome.gpa, one.page.gpa);

  request.access = AccessKind::kFetch;
  one.tables.clear(one.entry(1), kX);
  EXPECT_EQ(one.tables.run(request).outcome.qualification, 0x4cu);  // bit 2, not bit 10
  one.tables.set(one.entry(1), kX);
  one.tables.clear(one.entry(1), kXu);
  EXPECT_EQ(one.tables.run(request).outcome.kind, OutcomeKind::kTranslated);
}

}  // namespace
}  // namespace eptsim::mmu::test
