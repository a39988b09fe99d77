#include <gtest/gtest.h>

#include <string>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

// Bits of an error code.
constexpr std::uint32_t kPresent = 1, kWrite = 2, kUser = 4, kReserved = 8, kFetch = 16, kKey = 32;

// Bits of CR4.
constexpr std::uint64_t kSmep = 1 << 20, kSmap = 1 << 21, kPke = 1 << 22, kPks = 1 << 24,
                        kLass = 1 << 27, kLa57 = 1 << 12;
constexpr std::uint64_t kWp = 1 << 16, kNxe = 1 << 11;

class GuestFault : public NestedTables {
 protected:
  static constexpr std::uint32_t kNone = ~0u;

  /// The error code of a walk's page fault, or kNone if it translated.
  std::uint32_t fault(AccessKind access, bool user, bool implicit = false) {
    request.user = user;
    request.implicit = implicit;
    const FinishedWalk walked = walk(access);
    if (walked.outcome().kind == OutcomeKind::kTranslated) return kNone;
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPageFault);
    EXPECT_NE(walked.outcome().reason, Reason::kNone);
    return walked.outcome().error_code;
  }
  void clear_in(unsigned level, std::uint64_t bits) { guest(level) &= ~bits; }
};

TEST_F(GuestFault, AnEntryThatIsNotPresentEndsTheWalkAtEveryLevel) {
  for (unsigned level = 1; level <= 4; ++level) {
    const std::uint64_t whole = guest(level);
    guest(level) = whole & ~kP;
    guest(level) |= kNx | 0xfull << 48 | kLarge;  // reserved bits of an absent entry don't count
    const FinishedWalk walked = walk(AccessKind::kWrite);
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPageFault);
    EXPECT_EQ(walked.outcome().error_code, kWrite | kUser);
    EXPECT_EQ(walked.outcome().reason, Reason::kGuestNotPresent);
    EXPECT_EQ(walked.outcome().place, (Place{static_cast<std::uint8_t>(level), 0}));
    EXPECT_EQ(walked.outcome().entry_address, guest_entry(level));
    EXPECT_EQ(walked.outcome().entry, guest(level));
    EXPECT_EQ(walked.response.references, 5 * (5 - level));
    EXPECT_TRUE(walked.swaps().empty());
    guest(level) = whole;
  }
}

TEST_F(GuestFault, EachLevelHasItsReservedBits) {
  const auto expect = [&](unsigned level, std::uint64_t bits, bool refused) {
    const std::uint64_t whole = guest(level);
    guest(level) |= bits;
    const FinishedWalk walked = walk(AccessKind::kRead);
    EXPECT_EQ(walked.outcome().reason == Reason::kGuestReservedBit, refused)
        << "level " << level << " bits " << std::hex << bits;
    if (refused) {
      EXPECT_EQ(walked.outcome().error_code, kPresent | kReserved | kUser);
    }
    guest(level) = whole;
  };
  for (unsigned level = 1; level <= 4; ++level) {
    for (unsigned bit = 46; bit <= 51; ++bit) expect(level, 1ull << bit, true);
    for (unsigned bit = 52; bit <= 62; ++bit) expect(level, 1ull << bit, false);
    expect(level, kNx, false);
    context.efer &= ~kNxe;
    expect(level, kNx, true);
    context.efer |= kNxe;
  }
  expect(4, kLarge, true);
  expect(1, kLarge, false);
  // Frames of large pages: reserved up to the page's size, but for the PAT's bit 12. The frames
  // that the tables hold have bits of their own there.
  for (const unsigned level : {2u, 3u}) {
    const std::uint64_t whole = guest(level);
    guest(level) = (level == 2 ? kGuestBase : kGuestBase & ~0x3fff'ffffull) | kGuestUsed | kLarge;
    for (unsigned bit = 12; bit < (level == 2 ? 21u : 30u); ++bit) {
      expect(level, 1ull << bit, bit != 12);
    }
    if (level == 3) {
      context.cpu.guest_page_1g = false;
      expect(level, 0, true);
      context.cpu.guest_page_1g = true;
    }
    guest(level) = whole;
  }
  context.cr4 |= kLa57;
  context.cr3 = guest_page(table_page(5));
  request.address = kLinear57;
  expect(5, kLarge, true);
  expect(5, 1ull << 46, true);
  expect(5, 1ull << 52, false);
}

TEST_F(GuestFault, TheFirstEntryAtFaultDecides) {
  clear_in(1, kP);
  guest(2) |= 1ull << 50;
  EXPECT_EQ(fault(AccessKind::kRead, true), kPresent | kReserved | kUser);
  clear_in(3, kP);
  EXPECT_EQ(fault(AccessKind::kRead, true), kUser);
}

TEST_F(GuestFault, AUserAccessNeedsTheUserBitOfEveryLevel) {
  for (unsigned level = 1; level <= 4; ++level) {
    clear_in(level, kUs);
    EXPECT_EQ(fault(AccessKind::kRead, true), kPresent | kUser);
    EXPECT_EQ(fault(AccessKind::kFetch, true), kPresent | kUser | kFetch);
    EXPECT_EQ(fault(AccessKind::kRead, false), kNone);
    EXPECT_EQ(fault(AccessKind::kRead, true, true), kNone) << "implicit accesses are supervisor's";
    guest(level) |= kUs;
  }
}

TEST_F(GuestFault, WritesNeedTheWritableBitOfEveryLevelUnlessWpIsClear) {
  for (unsigned level = 1; level <= 4; ++level) {
    clear_in(level, kRw);
    for (const AccessKind access : {AccessKind::kWrite, AccessKind::kReadModifyWrite}) {
      EXPECT_EQ(fault(access, true), kPresent | kUser | kWrite);
      EXPECT_EQ(fault(access, false), kPresent | kWrite);
      context.cr0 &= ~kWp;
      EXPECT_EQ(fault(access, true), kPresent | kUser | kWrite);
      EXPECT_EQ(fault(access, false), kNone);
      context.cr0 |= kWp;
    }
    EXPECT_EQ(fault(AccessKind::kRead, true), kNone);
    guest(level) |= kRw;
  }
}

TEST_F(GuestFault, FetchesNeedExecuteDisableClearInEveryLevel) {
  for (unsigned level = 1; level <= 4; ++level) {
    guest(level) |= kNx;
    EXPECT_EQ(fault(AccessKind::kFetch, true), kPresent | kUser | kFetch);
    EXPECT_EQ(fault(AccessKind::kFetch, false), kPresent | kFetch);
    EXPECT_EQ(fault(AccessKind::kRead, true), kNone);
    clear_in(level, kNx);
  }
}

TEST_F(GuestFault, TheFetchBitNeedsExecuteDisableOrSmep) {
  clear_in(1, kP);
  EXPECT_EQ(fault(AccessKind::kFetch, true), kUser | kFetch);
  context.efer &= ~kNxe;
  EXPECT_EQ(fault(AccessKind::kFetch, true), kUser);
  context.cr4 |= kSmep;
  EXPECT_EQ(fault(AccessKind::kFetch, true), kUser | kFetch);
}

TEST_F(GuestFault, SmepKeepsSupervisorFetchesFromUserPages) {
  context.cr4 |= kSmep;
  EXPECT_EQ(fault(AccessKind::kFetch, false), kPresent | kFetch);
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestSmep);
  EXPECT_EQ(fault(AccessKind::kFetch, true), kNone);
  EXPECT_EQ(fault(AccessKind::kRead, false), kNone);
  clear_in(3, kUs);
  EXPECT_EQ(fault(AccessKind::kFetch, false), kNone);
}

TEST_F(GuestFault, SmapKeepsSupervisorDataAccessesFromUserPages) {
  context.cr4 |= kSmap;
  EXPECT_EQ(fault(AccessKind::kRead, false), kPresent);
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestSmap);
  EXPECT_EQ(fault(AccessKind::kWrite, false), kPresent | kWrite);
  EXPECT_EQ(fault(AccessKind::kRead, true, true), kPresent);
  EXPECT_EQ(fault(AccessKind::kRead, true), kNone);
  EXPECT_EQ(fault(AccessKind::kFetch, false), kNone);
  context.rflags_ac = true;
  EXPECT_EQ(fault(AccessKind::kRead, false), kNone);
  EXPECT_EQ(fault(AccessKind::kRead, false, true), kPresent) << "implicit: whatever AC says";
  context.rflags_ac = false;
  clear_in(1, kUs);
  EXPECT_EQ(fault(AccessKind::kRead, false, true), kNone);
}

TEST_F(GuestFault, ProtectionKeysOfUserPages) {
  guest(1) |= 0x9ull << 59;
  context.pkru = 1u << 18;  // key 9: no access
  EXPECT_EQ(fault(AccessKind::kRead, true), kNone) << "CR4.PKE is clear";
  context.cr4 |= kPke;
  EXPECT_EQ(fault(AccessKind::kRead, true), kPresent | kUser | kKey);
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestProtectionKey);
  EXPECT_EQ(fault(AccessKind::kRead, false), kPresent | kKey);
  EXPECT_EQ(fault(AccessKind::kFetch, true), kNone);
  context.pkru = 2u << 18;  // no writes
  EXPECT_EQ(fault(AccessKind::kRead, true), kNone);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite | kKey);
  EXPECT_EQ(fault(AccessKind::kReadModifyWrite, false), kPresent | kWrite | kKey);
  context.cr0 &= ~kWp;
  EXPECT_EQ(fault(AccessKind::kWrite, false), kNone);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite | kKey);
  context.pkru = ~(3u << 18);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kNone) << "every key but this one";
  clear_in(2, kUs);
  context.pkru = ~0u;
  EXPECT_EQ(fault(AccessKind::kRead, false), kNone) << "supervisor page";
}

TEST_F(GuestFault, ProtectionKeysOfSupervisorPages) {
  guest(1) |= 0x6ull << 59;
  clear_in(3, kUs);
  context.cr4 |= kPks;
  context.pkrs = 1u << 12;
  context.pkru = 0;
  EXPECT_EQ(fault(AccessKind::kRead, false), kPresent | kKey);
  EXPECT_EQ(fault(AccessKind::kFetch, false), kNone);
  EXPECT_EQ(fault(AccessKind::kRead, true), kPresent | kUser | kKey);
  context.pkrs = 2u << 12;
  EXPECT_EQ(fault(AccessKind::kWrite, false), kPresent | kWrite | kKey);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite | kKey);
  context.cr0 &= ~kWp;
  EXPECT_EQ(fault(AccessKind::kWrite, false), kNone);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite);
  context.pkrs = ~0u;
  guest(3) |= kUs;
  EXPECT_EQ(fault(AccessKind::kRead, false), kNone) << "user page";
}

TEST_F(GuestFault, TheKeyBitIsReportedBesideAnotherReasonButNotForAbsentPages) {
  guest(1) |= 0x9ull << 59;
  context.cr4 |= kPke;
  context.pkru = 1u << 18;
  clear_in(1, kRw);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite | kKey);
  guest(1) |= 1ull << 50;
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite | kReserved);
  clear_in(1, kP);
  EXPECT_EQ(fault(AccessKind::kWrite, true), kUser | kWrite);
}

TEST_F(GuestFault, AMissingRightIsThatOfTheUppermostEntryThatLacksIt) {
  for (unsigned upper = 4; upper >= 1; --upper) {
    for (unsigned lower = upper; lower >= 1; --lower) {
      guest(upper) &= ~kUs;
      guest(lower) &= ~(kUs | kRw | kA);
      FinishedWalk walked = walk(AccessKind::kRead);
      EXPECT_EQ(walked.outcome().reason, Reason::kGuestSupervisorPage);
      EXPECT_EQ(walked.outcome().place, (Place{static_cast<std::uint8_t>(upper), 0}));
      EXPECT_EQ(walked.outcome().entry_address, guest_entry(upper));
      EXPECT_EQ(walked.outcome().entry, guest(upper)) << "with the flag that has been set";
      walked = walk(AccessKind::kWrite);
      EXPECT_EQ(walked.outcome().reason, Reason::kGuestNotWritable) << "it comes first";
      EXPECT_EQ(walked.outcome().place, (Place{static_cast<std::uint8_t>(lower), 0}));
      EXPECT_EQ(walked.outcome().entry_address, guest_entry(lower));
      for (unsigned level : {upper, lower}) guest(level) |= kUs | kRw | kA;
    }
  }
}

TEST_F(GuestFault, TheGuestsRightsComeBeforeTheEptOfTheData) {
  clear_in(1, kRw);
  ept_leaf() = 0;
  EXPECT_EQ(fault(AccessKind::kWrite, true), kPresent | kUser | kWrite);
}

TEST_F(GuestFault, AddressesThatAreNotCanonicalAreGeneralProtection) {
  for (const std::uint64_t address :
       {0x0000'8000'0000'0000ull, 0x0001'0000'0000'0000ull, 0xffff'7fff'ffff'ffffull,
        0x8000'0000'0000'0000ull, 0xfffe'ffff'ffff'ffffull}) {
    request.address = address;
    const FinishedWalk walked = walk();
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kGeneralProtection);
    EXPECT_EQ(walked.outcome().reason, Reason::kNotCanonical);
    EXPECT_EQ(walked.outcome().error_code, 0u);
    EXPECT_EQ(walked.transfers.size(), 0u);
    EXPECT_EQ(walked.response_valid, walked.request_taken + 2);
    EXPECT_EQ(walked.response.cycles, 1u);
  }
  for (const std::uint64_t address : {0x0000'7fff'ffff'ffffull, 0xffff'8000'0000'0000ull}) {
    request.address = address;
    EXPECT_EQ(walk().outcome().reason, Reason::kGuestNotPresent);
  }
  context.cr4 |= kLa57;
  for (const std::uint64_t address : {0x00ff'ffff'ffff'ffffull, 0xff00'0000'0000'0000ull}) {
    request.address = address;
    EXPECT_NE(walk().outcome().kind, OutcomeKind::kGeneralProtection);
  }
  for (const std::uint64_t address : {0x0100'0000'0000'0000ull, 0xfeff'ffff'ffff'ffffull}) {
    request.address = address;
    EXPECT_EQ(walk().outcome().kind, OutcomeKind::kGeneralProtection);
  }
  request.linear = false;
  request.user = false;
  request.address = 0x0000'8000'0000'0000;
  EXPECT_NE(walk().outcome().kind, OutcomeKind::kGeneralProtection);
}

TEST_F(GuestFault, LinearAddressSpaceSeparation) {
  const auto refused = [&](std::uint64_t address, AccessKind access, bool user,
                           bool implicit = false) {
    request.address = address;
    request.user = user;
    request.implicit = implicit;
    return walk(access).outcome().reason == Reason::kLass;
  };
  constexpr std::uint64_t kUpper = 0xffff'8000'0000'0000, kLower = kLinear;
  EXPECT_FALSE(refused(kUpper, AccessKind::kRead, true)) << "CR4.LASS is clear";
  context.cr4 |= kLass;
  for (const AccessKind access : {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch}) {
    EXPECT_TRUE(refused(kUpper, access, true));
    EXPECT_FALSE(refused(kUpper, access, false));
    EXPECT_FALSE(refused(kLower, access, true));
    EXPECT_EQ(refused(kLower, access, false), access == AccessKind::kFetch);
  }
  context.cr4 |= kSmap;
  EXPECT_TRUE(refused(kLower, AccessKind::kRead, false));
  EXPECT_TRUE(refused(kLower, AccessKind::kReadModifyWrite, true, true));
  EXPECT_FALSE(refused(kUpper, AccessKind::kRead, true, true));
  context.rflags_ac = true;
  EXPECT_FALSE(refused(kLower, AccessKind::kRead, false));
  EXPECT_TRUE(refused(kLower, AccessKind::kRead, false, true));
  EXPECT_TRUE(refused(kLower, AccessKind::kFetch, false));
}

}  // namespace
}  // namespace eptsim::tb
