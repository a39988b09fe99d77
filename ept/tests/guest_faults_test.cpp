// The guest's own faults, as the probe finds them: native tables written by hand.

#include <gtest/gtest.h>

#include "ept/probe.hpp"
#include "ept/tests/test_memory.hpp"

namespace eptsim::ept::test {
namespace {

using arch::AccessKind;
using arch::Gva;
using arch::Hpa;

constexpr std::uint64_t kSmep = 1 << 20;
constexpr std::uint64_t kSmap = 1 << 21;
constexpr std::uint64_t kPke = 1 << 22;
constexpr std::uint64_t kPks = 1 << 24;
constexpr std::uint64_t kLass = 1 << 27;
constexpr std::uint64_t kOk = ~std::uint64_t{0};
constexpr std::uint64_t kNx = std::uint64_t{1} << 63;

/// A 4-level guest with one 4 KiB page at 0x5000, whose PTE each test writes.
class GuestFaults : public testing::Test {
 protected:
  GuestFaults() {
    write(0x1000, 0x2027);
    write(0x2000, 0x3027);
    write(0x3000, 0x4027);
    pte(0x9067);
  }
  void write(std::uint64_t address, std::uint64_t value) { memory_.write64(Hpa(address), value); }
  void pte(std::uint64_t entry) { write(0x4028, entry); }
  /// The error code, or kOk.
  std::uint64_t access(const Access& access, std::uint64_t gva = 0x5123) const {
    const auto outcome = Probe(memory_, std::nullopt, {}).gva_to_hpa(guest_, Gva(gva), access);
    if (const auto* fault = std::get_if<PageFault>(&outcome)) return fault->error_code;
    return std::holds_alternative<Translated>(outcome) ? kOk : kOk - 1;
  }
  bool is_general_protection(std::uint64_t gva, const Access& access = {}) const {
    const auto outcome = Probe(memory_, std::nullopt, {}).gva_to_hpa(guest_, Gva(gva), access);
    return std::holds_alternative<GeneralProtection>(outcome);
  }

  static constexpr Access kRead{};
  static constexpr Access kWrite{.kind = AccessKind::kWrite};
  static constexpr Access kFetch{.kind = AccessKind::kFetch};
  static constexpr Access kUserRead{.user = true};
  static constexpr Access kUserWrite{.kind = AccessKind::kWrite, .user = true};
  static constexpr Access kUserFetch{.kind = AccessKind::kFetch, .user = true};

  SparseMemory memory_;
  GuestState guest_{.cr0 = 0x8001'0001, .cr3 = 0x1000, .cr4 = 0x20, .efer = 0xd00};
};

TEST_F(GuestFaults, AnAbsentEntryReportsTheAccess) {
  pte(0x9066);
  EXPECT_EQ(access(kRead), 0u);
  EXPECT_EQ(access(kUserWrite), 6u);
  EXPECT_EQ(access(kUserFetch), 0x14u);
  guest_.efer &= ~std::uint64_t{0x800};
  EXPECT_EQ(access(kUserFetch), 4u) << "without NXE and SMEP a fetch is not told apart";
}

TEST_F(GuestFaults, AReservedBitBeatsRightsAndIsTestedLevelByLevel) {
  pte(0x9061 | std::uint64_t{1} << 50);
  EXPECT_EQ(access(kUserWrite), 0xfu);
  write(0x2000, 0x3026);
  EXPECT_EQ(access(kUserWrite), 6u) << "the absent entry above is met first";
  write(0x2000, 0x3027);
  write(0x1000, 0x20a7);
  EXPECT_EQ(access(kRead), 9u) << "bit 7 of a PML4E";
  write(0x1000, 0x2027);
  guest_.efer &= ~std::uint64_t{0x800};
  pte(0x9067 | kNx);
  EXPECT_EQ(access(kRead), 9u) << "bit 63 without NXE";
}

TEST_F(GuestFaults, UserAccessesNeedUserPages) {
  pte(0x9063);
  EXPECT_EQ(access(kUserRead), 5u);
  EXPECT_EQ(access(kRead), kOk);
  EXPECT_EQ(access({.user = true, .implicit = true}), kOk) << "implicitly a supervisor's";
  pte(0x9067);
  EXPECT_EQ(access(kUserRead), kOk);
  write(0x3000, 0x4023);
  EXPECT_EQ(access(kUserRead), 5u) << "every level counts";
}

TEST_F(GuestFaults, WritesNeedWritablePagesUnlessASupervisorHasWriteProtectionOff) {
  pte(0x9065);
  EXPECT_EQ(access(kUserWrite), 7u);
  EXPECT_EQ(access(kWrite), 3u);
  EXPECT_EQ(access({.kind = AccessKind::kReadModifyWrite}), 3u);
  guest_.cr0 &= ~std::uint64_t{1 << 16};
  EXPECT_EQ(access(kWrite), kOk);
  EXPECT_EQ(access(kUserWrite), 7u);
}

TEST_F(GuestFaults, FetchesNeedExecutablePages) {
  pte(0x9067 | kNx);
  EXPECT_EQ(access(kFetch), 0x11u);
  EXPECT_EQ(access(kUserFetch), 0x15u);
  EXPECT_EQ(access(kRead), kOk);
}

TEST_F(GuestFaults, SupervisorsKeepAwayFromUserPagesUnderSmepAndSmap) {
  guest_.cr4 |= kSmep | kSmap;
  EXPECT_EQ(access(kFetch), 0x11u);
  EXPECT_EQ(access(kRead), 1u);
  EXPECT_EQ(access(kUserFetch), kOk);
  guest_.rflags_ac = true;
  EXPECT_EQ(access(kRead), kOk);
  EXPECT_EQ(access({.implicit = true}), 1u);
  EXPECT_EQ(access(kFetch), 0x11u);
}

TEST_F(GuestFaults, ProtectionKeysOfUserPages) {
  guest_.cr4 |= kPke;
  pte(0x9067 | std::uint64_t{3} << 59);
  guest_.pkru = 1u << 6;  // access disabled for key 3
  EXPECT_EQ(access(kUserRead), 0x25u);
  EXPECT_EQ(access(kRead), 0x21u);
  EXPECT_EQ(access(kUserFetch), kOk) << "fetches are exempt";
  guest_.pkru = 2u << 6;  // writes disabled
  EXPECT_EQ(access(kUserRead), kOk);
  EXPECT_EQ(access(kUserWrite), 0x27u);
  EXPECT_EQ(access(kWrite), 0x23u);
  guest_.cr0 &= ~std::uint64_t{1 << 16};
  EXPECT_EQ(access(kWrite), kOk);
  EXPECT_EQ(access(kUserWrite), 0x27u);
  pte(0x9065 | std::uint64_t{3} << 59);
  EXPECT_EQ(access(kUserWrite), 0x27u) << "PK is set though the page is not writable either";
}

TEST_F(GuestFaults, ProtectionKeysOfSupervisorPages) {
  guest_.cr4 |= kPks;
  pte(0x9063 | std::uint64_t{2} << 59);
  guest_.pkrs = 2u << 4;
  EXPECT_EQ(access(kRead), kOk);
  EXPECT_EQ(access(kWrite), 0x23u);
  guest_.pkrs = 1u << 4;
  EXPECT_EQ(access(kRead), 0x21u);
  EXPECT_EQ(access(kUserRead), 0x25u);
  guest_.pkrs = 2u << 4;
  guest_.cr0 &= ~std::uint64_t{1 << 16};
  EXPECT_EQ(access(kWrite), kOk);
  EXPECT_EQ(access(kUserWrite), 7u) << "without write protection the key has no part in it";
}

TEST_F(GuestFaults, LargePagesOf32BitPagingReserveTheBitsAboveTheirAddress) {
  guest_ = {.cr0 = 0x8001'0001, .cr3 = 0x1000, .cr4 = 0x10};
  const auto code = [&](unsigned maxphyaddr, unsigned bit) {
    write(0x1000, 0xe7 | std::uint64_t{1} << bit);
    const Probe probe(memory_, std::nullopt, {.maxphyaddr = maxphyaddr});
    const auto outcome = probe.gva_to_hpa(guest_, Gva(0x5000));
    const auto* fault = std::get_if<PageFault>(&outcome);
    return fault == nullptr ? kOk : fault->error_code;
  };
  for (unsigned bit = 13; bit <= 21; ++bit) {
    EXPECT_EQ(code(46, bit), bit == 21 ? 9 : kOk) << bit;
    EXPECT_EQ(code(36, bit), bit >= 17 ? 9 : kOk) << bit;
    EXPECT_EQ(code(32, bit), 9u) << bit;
  }
  guest_.cr4 = 0;
  write(0x1000, 0x20e7);
  write(0x2014, 0);
  EXPECT_EQ(access(kRead), 0u) << "without CR4.PSE bit 7 is ignored: the entry leads to a table";
}

TEST_F(GuestFaults, LargePagesReserveTheAddressBitsBelowTheirAlignment) {
  write(0x3000, 0x40'00e7 | 1 << 13);
  EXPECT_EQ(access(kRead), 9u);
  write(0x3000, 0x40'00e7 | 1 << 12);
  EXPECT_EQ(access(kRead), kOk) << "bit 12 is the PAT's";
  write(0x2000, 0x4000'00e7 | 1 << 29);
  EXPECT_EQ(access(kRead), 9u);
  write(0x2000, 0x4000'00e7);
  EXPECT_EQ(access(kRead), kOk);
  guest_.page_1g = false;
  EXPECT_EQ(access(kRead), 9u);
}

TEST_F(GuestFaults, PaePagingReservesBits62To52AndFaultsOnAnAbsentPdpte) {
  guest_ = {.cr0 = 0x8001'0001, .cr4 = 0x20, .efer = 0x800, .pdptes = {0x3001, 0, 0, 0}};
  EXPECT_EQ(access(kRead), kOk);
  EXPECT_EQ(access(kRead, 0x4000'0000), 0u);
  pte(0x9067 | std::uint64_t{1} << 59);
  EXPECT_EQ(access(kRead), 9u);
  pte(0x9067 | kNx);
  EXPECT_EQ(access(kFetch), 0x11u);
}

TEST_F(GuestFaults, ShadowStacksLieInPagesOfTheirOwn) {
  const Access push{.kind = AccessKind::kShadowStackWrite, .user = true};
  EXPECT_EQ(access(push), 0x47u) << "a writable page is none";
  pte(0x9065);
  EXPECT_EQ(access(push), kOk);
  EXPECT_EQ(access({.kind = AccessKind::kShadowStackRead}), 0x41u) << "of a user, not a supervisor";
  pte(0x9025);
  EXPECT_EQ(access(push), 0x47u) << "a page that is not dirty is none";
  pte(0x9065);
  write(0x3000, 0x4025);
  EXPECT_EQ(access(push), 0x47u) << "tables must be writable";
}

TEST_F(GuestFaults, LinearAddressesMustBeCanonical) {
  EXPECT_FALSE(is_general_protection(0x0000'7fff'ffff'ffff));
  EXPECT_TRUE(is_general_protection(0x0000'8000'0000'0000));
  EXPECT_FALSE(is_general_protection(0xffff'8000'0000'0000));
  guest_.cr4 |= 1 << 12;
  EXPECT_FALSE(is_general_protection(0x0000'8000'0000'0000));
  EXPECT_TRUE(is_general_protection(0x0100'0000'0000'0000));
}

TEST_F(GuestFaults, LassKeepsHalvesApartBeforePaging) {
  guest_.cr4 |= kLass | kSmap;
  constexpr std::uint64_t kUpper = 0xffff'8000'0000'0000;
  EXPECT_TRUE(is_general_protection(kUpper, kUserRead));
  EXPECT_FALSE(is_general_protection(kUpper, kRead));
  EXPECT_TRUE(is_general_protection(0x5000, kFetch));
  EXPECT_TRUE(is_general_protection(0x5000, kRead));
  guest_.rflags_ac = true;
  EXPECT_FALSE(is_general_protection(0x5000, kRead));
  EXPECT_FALSE(is_general_protection(0x5000, kUserRead));
}

}  // namespace
}  // namespace eptsim::ept::test
