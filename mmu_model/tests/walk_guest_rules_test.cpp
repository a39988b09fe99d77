#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"

// Guest paging: rights, error codes, reserved bits, what is refused before paging.
namespace eptsim::mmu::test {
namespace {

// Bit 12 is clear: a large page's PAT bit must not show in the address.
constexpr std::uint64_t kGva = 0x7654'3210'8876;
constexpr std::uint32_t kWp = 1u << 16, kSmep = 1u << 20, kSmap = 1u << 21, kPke = 1u << 22,
                        kPks = 1u << 24, kLass = 1u << 27, kPge = 1u << 7;
// Error code bits.
constexpr std::uint32_t eP = 1, eW = 2, eU = 4, eR = 8, eI = 16, eK = 32;

/// A guest of one page without EPT, and what is done to it.
struct Guest {
  explicit Guest(PageSize page = PageSize::k4K, unsigned levels = 4) : tables(levels, 0) {
    address = tables.map(kGva, page);
  }
  void set(unsigned level, std::uint64_t bits) { tables.set(entry(level), bits); }
  void clear(unsigned level, std::uint64_t bits) { tables.clear(entry(level), bits); }
  std::uint64_t entry(unsigned level) const { return tables.guest_entry(kGva, level); }
  Outcome run(AccessKind kind, bool user, bool implicit = false) {
    Request request = access(kind, kGva, user);
    request.implicit = implicit;
    return tables.run(request).outcome;
  }

  WalkTables tables;
  PageAddress address;
};

void expect_fault(const Outcome& outcome, std::uint32_t code, Reason reason) {
  EXPECT_EQ(outcome.kind, OutcomeKind::kPageFault) << describe(outcome);
  EXPECT_EQ(outcome.error_code, code);
  EXPECT_EQ(outcome.reason, reason);
}
void expect_ok(const Outcome& outcome) {
  EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated) << describe(outcome);
}

/// One line of the rights table: the page, the mode, the access, and the error code (0: allowed).
struct Line {
  std::uint64_t page;  ///< of kGuestW, kU, kNx
  std::uint32_t cr0, cr4;
  bool ac;
  AccessKind kind;
  bool user, implicit;
  std::uint32_t code;
};

TEST(WalkGuestRules, RightsFollowTheManualsTable) {
  constexpr auto kRead = AccessKind::kRead;
  constexpr auto kWrite = AccessKind::kWrite;
  constexpr auto kFetch = AccessKind::kFetch;
  constexpr auto kRmw = AccessKind::kReadModifyWrite;
  constexpr std::uint64_t kWU = kGuestW | kU;
  const Line lines[] = {
      // user accesses
      {kWU, kWp, 0, false, kRead, true, false, 0},
      {kWU, kWp, 0, false, kWrite, true, false, 0},
      {kWU, kWp, 0, false, kFetch, true, false, 0},
      {kWU | kNx, kWp, 0, false, kRead, true, false, 0},
      {kWU | kNx, kWp, 0, false, kFetch, true, false, eP | eU | eI},
      {kU, kWp, 0, false, kRead, true, false, 0},
      {kU, kWp, 0, false, kWrite, true, false, eP | eW | eU},
      {kU, 0, 0, false, kWrite, true, false, eP | eW | eU},
      {kU, 0, 0, false, kRmw, true, false, eP | eW | eU},
      {kGuestW, kWp, 0, false, kRead, true, false, eP | eU},
      {kGuestW, kWp, 0, false, kWrite, true, false, eP | eW | eU},
      {kGuestW, kWp, 0, false, kFetch, true, false, eP | eU | eI},
      {kWU, kWp, kSmep | kSmap, false, kRead, true, false, 0},
      {kWU, kWp, kSmep | kSmap, false, kFetch, true, false, 0},
      // supervisor accesses to supervisor pages
      {kGuestW, kWp, kSmep | kSmap, false, kRead, false, false, 0},
      {kGuestW, kWp, kSmep | kSmap, false, kWrite, false, false, 0},
      {kGuestW, kWp, kSmep | kSmap, false, kFetch, false, false, 0},
      {kGuestW | kNx, kWp, 0, false, kFetch, false, false, eP | eI},
      {0, kWp, 0, false, kRead, false, false, 0},
      {0, kWp, 0, false, kWrite, false, false, eP | eW},
      {0, kWp, 0, false, kRmw, false, false, eP | eW},
      {0, 0, 0, false, kWrite, false, false, 0},
      // supervisor accesses to user pages
      {kWU, kWp, 0, false, kRead, false, false, 0},
      {kWU, kWp, 0, false, kFetch, false, false, 0},
      {kWU, kWp, kSmep, false, kFetch, false, false, eP | eI},
      {kWU, kWp, kSmap, false, kFetch, false, false, 0},
      {kWU, kWp, kSmep, false, kRead, false, false, 0},
      {kWU, kWp, kSmap, false, kRead, false, false, eP},
      {kWU, kWp, kSmap, false, kWrite, false, false, eP | eW},
      {kWU, kWp, kSmap, true, kRead, false, false, 0},
      {kWU, kWp, kSmap, true, kWrite, false, false, 0},
      {kU, kWp, kSmap, true, kWrite, false, false, eP | eW},
      {kU, 0, kSmap, true, kWrite, false, false, 0},
      {kU, 0, kSmap, false, kWrite, false, false, eP | eW},
      // implicit accesses are supervisor accesses that AC doesn't help, whatever the CPL
      {kWU, kWp, kSmap, true, kRead, false, true, eP},
      {kWU, kWp, kSmap, true, kRead, true, true, eP},
      {kWU, kWp, 0, false, kRead, true, true, 0},
      {kGuestW, kWp, kSmap, false, kWrite, true, true, 0},
  };
  for (const Line& line : lines) {
    // The right may be missing at any level.
    for (unsigned level = 1; level <= 4; ++level) {
      SCOPED_TRACE(testing::Message() << "line " << (&line - lines) << " level " << level);
      Guest guest;
      guest.tables.context.cr0 = (guest.tables.context.cr0 & ~std::uint64_t{kWp}) | line.cr0;
      guest.tables.context.cr4 |= line.cr4;
      guest.tables.context.rflags_ac = line.ac;
      guest.clear(level, kGuestW | kU);
      guest.set(level, line.page);
      const Outcome outcome = guest.run(line.kind, line.user, line.implicit);
      if (line.code == 0) {
        expect_ok(outcome);
        continue;
      }
      EXPECT_EQ(outcome.kind, OutcomeKind::kPageFault) << describe(outcome);
      EXPECT_EQ(outcome.error_code, line.code);
      const bool lacking =
          outcome.reason != Reason::kGuestSmep && outcome.reason != Reason::kGuestSmap;
      EXPECT_EQ(outcome.place.guest_level, lacking ? level : 1);
      EXPECT_EQ(outcome.entry_address, guest.entry(lacking ? level : 1));
    }
  }
}

TEST(WalkGuestRules, FetchesAreReportedOnlyWithExecuteDisableOrSmep) {
  Guest guest;
  guest.clear(1, kP);
  expect_fault(guest.run(AccessKind::kFetch, true), eU | eI, Reason::kGuestNotPresent);
  guest.tables.context.efer = 0x500;  // NXE off
  expect_fault(guest.run(AccessKind::kFetch, true), eU, Reason::kGuestNotPresent);
  guest.tables.context.cr4 |= kSmep;
  expect_fault(guest.run(AccessKind::kFetch, true), eU | eI, Reason::kGuestNotPresent);
  expect_fault(guest.run(AccessKind::kRead, true), eU, Reason::kGuestNotPresent);
  expect_fault(guest.run(AccessKind::kWrite, false), eW, Reason::kGuestNotPresent);
}

TEST(WalkGuestRules, ExecuteDisableIsReservedUntilItIsTurnedOn) {
  for (unsigned level = 1; level <= 4; ++level) {
    Guest guest;
    guest.set(level, kNx);
    guest.tables.context.efer = 0x500;
    expect_fault(guest.run(AccessKind::kRead, false), eP | eR, Reason::kGuestReservedBit);
    guest.tables.context.efer = 0xd00;
    expect_ok(guest.run(AccessKind::kRead, false));
    EXPECT_FALSE(guest.run(AccessKind::kRead, false).guest_rights.execute);
  }
}

TEST(WalkGuestRules, ReservedBitsFaultLevelByLevel) {
  struct Case {
    unsigned level;
    PageSize page;
    unsigned high, low;
  };
  std::vector<Case> cases = {{4, PageSize::k4K, 7, 7},
                             {5, PageSize::k4K, 7, 7},
                             {3, PageSize::k1G, 29, 13},
                             {2, PageSize::k2M, 20, 13}};
  for (unsigned level = 1; level <= 5; ++level) cases.push_back({level, PageSize::k4K, 51, 46});
  cases.push_back({3, PageSize::k1G, 51, 46});
  cases.push_back({2, PageSize::k2M, 51, 46});
  for (const Case& c : cases) {
    for (unsigned bit = c.low; bit <= c.high; ++bit) {
      SCOPED_TRACE(testing::Message() << "level " << c.level << " bit " << bit);
      Guest guest(c.page, 5);
      guest.set(c.level, 1ull << bit);
      const Outcome outcome = guest.run(AccessKind::kWrite, true);
      expect_fault(outcome, eP | eW | eU | eR, Reason::kGuestReservedBit);
      EXPECT_EQ(outcome.place, (Place{std::uint8_t(c.level), 0}));
      guest.clear(c.level, kP);
      expect_fault(guest.run(AccessKind::kWrite, true), eW | eU, Reason::kGuestNotPresent);
    }
  }
}

TEST(WalkGuestRules, ReservedAddressBitsFollowTheWidth) {
  for (unsigned width = 32; width <= 52; ++width) {
    for (unsigned bit = 32; bit < 52; ++bit) {
      WalkTables tables(4, 0);
      tables.context.cpu.maxphyaddr = width;
      tables.context.cr3 = 0x1000;
      tables.memory.put(0x1000, 0x2007);
      tables.memory.put(0x2000, 1ull << bit | 0xc000'0087);
      const Outcome outcome = tables.run(access(AccessKind::kRead, 0x123)).outcome;
      if (bit < width) {
        expect_ok(outcome);
        EXPECT_EQ(outcome.hpa, 1ull << bit | 0xc000'0123);
      } else {
        expect_fault(outcome, eP | eR, Reason::kGuestReservedBit);
      }
    }
  }
}

TEST(WalkGuestRules, IgnoredBitsAreIgnored) {
  for (const PageSize page : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
    for (unsigned level = arch::leaf_level(page); level <= 5; ++level) {
      std::vector<unsigned> ignored = {3, 4, 8, 9, 10, 11};
      for (unsigned bit = 52; bit < 63; ++bit) ignored.push_back(bit);
      if (level == arch::leaf_level(page)) ignored.push_back(level == 1 ? 7 : 12);  // PAT
      if (level != arch::leaf_level(page)) ignored.push_back(6);
      for (const unsigned bit : ignored) {
        Guest guest(page, 5);
        guest.set(level, 1ull << bit);
        const Outcome outcome = guest.run(AccessKind::kWrite, true);
        expect_ok(outcome);
        EXPECT_EQ(outcome.hpa, guest.address.hpa) << "level " << level << " bit " << bit;
      }
    }
  }
}

TEST(WalkGuestRules, OneGigabytePagesNeedTheProcessorsConsent) {
  Guest guest(PageSize::k1G);
  guest.tables.context.cpu.guest_page_1g = false;
  expect_fault(guest.run(AccessKind::kRead, false), eP | eR, Reason::kGuestReservedBit);
  guest.tables.context.cpu.guest_page_1g = true;
  guest.tables.context.cpu.page_1g = false;  // the EPT's concern
  expect_ok(guest.run(AccessKind::kRead, false));
}

TEST(WalkGuestRules, AReservedBitIsFoundBeforeADeeperAbsence) {
  Guest guest;
  guest.clear(2, kP);
  guest.set(3, 1ull << 50);
  expect_fault(guest.run(AccessKind::kRead, false), eP | eR, Reason::kGuestReservedBit);
}

TEST(WalkGuestRules, ProtectionKeysRefuseDataButNotFetches) {
  struct Case {
    bool user_page;
    std::uint32_t denied;  ///< the key's two bits
    bool wp;
    AccessKind kind;
    bool user;
    std::uint32_t code;
  };
  constexpr auto kRead = AccessKind::kRead;
  constexpr auto kWrite = AccessKind::kWrite;
  constexpr auto kFetch = AccessKind::kFetch;
  const Case cases[] = {
      {true, 0, true, kRead, true, 0},
      {true, 1, true, kRead, true, eP | eU | eK},
      {true, 1, true, kRead, false, eP | eK},
      {true, 1, false, kWrite, false, eP | eW | eK},
      {true, 1, true, kFetch, true, 0},
      {true, 2, true, kRead, true, 0},
      {true, 2, true, kWrite, true, eP | eW | eU | eK},
      {true, 2, false, kWrite, true, eP | eW | eU | eK},
      {true, 2, true, kWrite, false, eP | eW | eK},
      {true, 2, false, kWrite, false, 0},
      {false, 1, true, kRead, false, eP | eK},
      {false, 1, true, kFetch, false, 0},
      {false, 2, true, kWrite, false, eP | eW | eK},
      {false, 2, false, kWrite, false, 0},
      {false, 2, true, kRead, false, 0},
      // refused by U/S, and the key refuses too
      {false, 1, true, kRead, true, eP | eU | eK},
      {false, 2, true, kWrite, true, eP | eW | eU | eK},
      {false, 2, false, kWrite, true, eP | eW | eU},
      {false, 2, true, kRead, true, eP | eU},
  };
  constexpr unsigned kKey = 11;
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << "case " << (&c - cases));
    Guest guest;
    Context& context = guest.tables.context;
    context.cr4 |= kPke | kPks;
    if (!c.wp) context.cr0 &= ~std::uint64_t{kWp};
    // The other register denies everything: it must not matter.
    context.pkru = c.user_page ? c.denied << (2 * kKey) : ~0u;
    context.pkrs = c.user_page ? ~0u : c.denied << (2 * kKey);
    guest.set(1, std::uint64_t{kKey} << 59);
    if (!c.user_page) guest.clear(2, kU);
    const Outcome outcome = guest.run(c.kind, c.user);
    if (c.code == 0) {
      expect_ok(outcome);
      EXPECT_EQ(outcome.protection_key, kKey);
    } else {
      EXPECT_EQ(outcome.kind, OutcomeKind::kPageFault);
      EXPECT_EQ(outcome.error_code, c.code);
    }
    // Off, keys refuse nothing.
    context.cr4 &= ~std::uint64_t{kPke | kPks};
    if ((c.code & ~(eW | eU)) == (eP | eK) && (c.user_page || !c.user)) {
      expect_ok(guest.run(c.kind, c.user));
    }
  }
}

TEST(WalkGuestRules, TheKeyBitComesWithOtherRightsButNotWithoutAPage) {
  Guest guest;
  guest.tables.context.cr4 |= kPke;
  guest.tables.context.pkru = 1;
  guest.clear(1, kGuestW);
  expect_fault(guest.run(AccessKind::kWrite, true), eP | eW | eU | eK, Reason::kGuestNotWritable);
  guest.set(2, 1ull << 51);
  expect_fault(guest.run(AccessKind::kWrite, true), eP | eW | eU | eR, Reason::kGuestReservedBit);
  guest.clear(2, 1ull << 51 | kP);
  expect_fault(guest.run(AccessKind::kWrite, true), eW | eU, Reason::kGuestNotPresent);
}

TEST(WalkGuestRules, AddressesThatAreNotCanonicalNeverReachPaging) {
  const struct {
    unsigned levels;
    std::uint64_t address;
    bool canonical;
  } cases[] = {
      {4, 0x0000'7fff'ffff'ffff, true},  {4, 0x0000'8000'0000'0000, false},
      {4, 0xffff'7fff'ffff'ffff, false}, {4, 0xffff'8000'0000'0000, true},
      {4, 0x8000'0000'0000'0000, false}, {5, 0x0000'8000'0000'0000, true},
      {5, 0x00ff'ffff'ffff'ffff, true},  {5, 0x0100'0000'0000'0000, false},
      {5, 0xfeff'ffff'ffff'ffff, false}, {5, 0xff00'0000'0000'0000, true},
  };
  for (const auto& c : cases) {
    WalkTables tables(c.levels, 4);
    tables.map(kGva);
    const TranslateResult result = tables.run(access(AccessKind::kRead, c.address));
    if (c.canonical) {
      EXPECT_EQ(result.outcome.kind, OutcomeKind::kPageFault);
      continue;
    }
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kGeneralProtection) << std::hex << c.address;
    EXPECT_EQ(result.outcome.reason, Reason::kNotCanonical);
    EXPECT_EQ(result.outcome.error_code, 0u);
    EXPECT_EQ(result.references, 0u);
  }
}

TEST(WalkGuestRules, LassKeepsTheHalvesApart) {
  constexpr std::uint64_t kUpper = 0xffff'8000'0000'1000, kLower = 0x1000;
  const struct {
    std::uint64_t address;
    bool user, implicit, smap, ac;
    AccessKind kind;
    bool refused;
  } cases[] = {
      {kUpper, true, false, false, false, AccessKind::kRead, true},
      {kUpper, true, false, false, false, AccessKind::kFetch, true},
      {kUpper, true, true, false, false, AccessKind::kRead, false},
      {kLower, true, false, true, false, AccessKind::kWrite, false},
      {kUpper, false, false, true, false, AccessKind::kWrite, false},
      {kLower, false, false, false, false, AccessKind::kRead, false},
      {kLower, false, false, true, false, AccessKind::kRead, true},
      {kLower, false, false, true, true, AccessKind::kRead, false},
      {kLower, false, true, true, true, AccessKind::kRead, true},
      {kLower, true, true, true, true, AccessKind::kRead, true},
      {kLower, false, false, false, false, AccessKind::kFetch, true},
      {kLower, false, false, true, true, AccessKind::kFetch, true},
      {kLower, true, false, true, false, AccessKind::kFetch, false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(testing::Message() << "case " << (&c - cases));
    WalkTables tables(4, 0);
    tables.map(c.address);
    tables.context.cr4 |= kLass | (c.smap ? kSmap : 0);
    tables.context.rflags_ac = c.ac;
    Request request = access(c.kind, c.address, c.user);
    request.implicit = c.implicit;
    const TranslateResult result = tables.run(request);
    EXPECT_EQ(result.outcome.kind == OutcomeKind::kGeneralProtection, c.refused)
        << describe(result.outcome);
    if (c.refused) {
      EXPECT_EQ(result.outcome.reason, Reason::kLass);
      EXPECT_EQ(result.references, 0u);
    }
  }
}

TEST(WalkGuestRules, GlobalPagesNeedTheirControl) {
  Guest guest;
  guest.set(1, 1u << 8);
  EXPECT_FALSE(guest.run(AccessKind::kRead, false).global);
  guest.tables.context.cr4 |= kPge;
  EXPECT_TRUE(guest.run(AccessKind::kRead, false).global);
}

TEST(WalkGuestRules, AGuestFaultComesBeforeTheEptsOnTheFinalPage) {
  WalkTables tables(4, 4);
  const PageAddress page = tables.map(kGva);
  tables.memory.put(tables.ept_entry(page.gpa, 1), kW);  // misconfigured
  tables.clear(tables.guest_entry(kGva, 1), kU);
  expect_fault(tables.run(access(AccessKind::kRead, kGva, true)).outcome, eP | eU,
               Reason::kGuestSupervisorPage);
  tables.set(tables.guest_entry(kGva, 1), kU);
  EXPECT_EQ(tables.run(access(AccessKind::kRead, kGva, true)).outcome.kind,
            OutcomeKind::kEptMisconfiguration);
}

TEST(WalkGuestRules, AReservedGuestAddressBitIsNoMatterForTheEpt) {
  // An address beyond MAXPHYADDR is the guest's fault even where a 4-level EPT could not reach it.
  WalkTables tables(4, 4);
  tables.map(kGva);
  tables.set(tables.guest_entry(kGva, 1), 1ull << 49);
  expect_fault(tables.run(access(AccessKind::kRead, kGva)).outcome, eP | eR,
               Reason::kGuestReservedBit);
}

}  // namespace
}  // namespace eptsim::mmu::test
