#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// PAE paging and 32-bit paging (SDM 5.3, 5.4).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using arch::PageSize;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

/// The third PDPTE register refers to the page directory of the nested tables.
class Pae : public NestedTables {
 protected:
  Pae() {
    context.efer = 1 << 11;  // NXE
    context.pdptes = {0x8'0000, 0x9'0000, guest_page(table_page(2)) | kP, 0xa'0000};
    request.address = 2ull << 30 | kIndex[2] << 21 | kIndex[1] << 12 | kOffset;
  }
};

TEST_F(Pae, AWalkBeginsAtThePageDirectoryThatItsRegisterRefersTo) {
  const FinishedWalk walked = walk();
  ASSERT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(walked.outcome().hpa, host_page(kDataPage) + kOffset);
  EXPECT_EQ(walked.response.references, 14u);
  EXPECT_EQ(walked.transfers[0].request.place, (Place{2, 4}));
  EXPECT_EQ(walked.transfers[4].request.address, guest_entry(2));
  EXPECT_EQ(walked.transfers[4].request.size, 8u);
  EXPECT_EQ(walked.outcome().guest_rights,
            (mmu::GuestRights{.write = true, .user = true, .execute = true}));
}

TEST_F(Pae, ARegisterThatIsNotPresentIsAPageFaultWithoutAReference) {
  for (std::uint64_t index : {0ull, 1ull, 3ull}) {
    request.address = index << 30 | kOffset;
    const FinishedWalk walked = walk(AccessKind::kFetch);
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPageFault);
    EXPECT_EQ(walked.outcome().reason, Reason::kGuestNotPresent);
    EXPECT_EQ(walked.outcome().error_code, 0x14u) << "user, fetch";
    EXPECT_EQ(walked.outcome().place, (Place{3, 0}));
    EXPECT_EQ(walked.outcome().entry, (*context.pdptes)[index]);
    EXPECT_EQ(walked.outcome().entry_address, 0u);
    EXPECT_TRUE(walked.transfers.empty());
    EXPECT_EQ(walked.response.cycles, 1u);
  }
}

TEST_F(Pae, EntriesReserveWhatKeysAndIgnoredBitsAreInLongMode) {
  for (unsigned level : {1u, 2u}) {
    for (unsigned bit = 52; bit < 64; ++bit) {
      const std::uint64_t whole = guest(level);
      guest(level) |= 1ull << bit;
      const bool refused = bit != 63;
      EXPECT_EQ(walk().outcome().kind, refused ? OutcomeKind::kPageFault : OutcomeKind::kTranslated)
          << bit;
      guest(level) = whole;
    }
  }
  context.efer = 0;
  guest(1) |= kNx;
  EXPECT_EQ(walk().outcome().error_code, 0xdu) << "user, present, reserved";
}

TEST_F(Pae, ADirectoryEntryMapsTwoMebibytesWhateverPse) {
  guest(2) = kGuestBase | kGuestUsed | kD | kLarge;
  for (std::uint64_t pse : {0, 1 << 4}) {
    context.cr4 = (context.cr4 & ~0x10ull) | pse;
    const FinishedWalk walked = walk();
    EXPECT_EQ(walked.outcome().hpa, host_page(kIndex[1]) + kOffset);
    EXPECT_EQ(walked.outcome().guest_page_size, PageSize::k2M);
  }
  guest(2) |= 1 << 13;
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestReservedBit);
}

/// Without EPT: the directory at 0x7000, a page table at 0x9000.
class ThirtyTwoBit : public NestedTables {
 protected:
  static constexpr std::uint64_t kDirectoryEntry = 0x7000 + 0x302 * 4;
  static constexpr std::uint64_t kTableEntry = 0x9000 + 0x1 * 4;

  ThirtyTwoBit() {
    context.ept_enabled = false;
    context.efer = 0;
    context.cr4 = 1 << 4;  // PSE
    context.cr3 = 0x5'0000'7abc;
    request.address = 0xc080'1abc;
    entry(kDirectoryEntry, 0x9000 | kGuestUsed);
    entry(kTableEntry, 0xfedc'b000 | kGuestUsed | kD);
  }
  void entry(std::uint64_t address, std::uint32_t value) {
    std::uint64_t& word = bench.memory[address & ~7ull];
    const unsigned shift = 8 * (address & 7);
    word = (word & ~(0xffff'ffffull << shift)) | std::uint64_t{value} << shift;
  }
};

TEST_F(ThirtyTwoBit, EntriesAreFourBytesAtTheirOwnAddresses) {
  const FinishedWalk walked = walk();
  ASSERT_EQ(walked.transfers.size(), 2u);
  EXPECT_EQ(walked.transfers[0].request.address, kDirectoryEntry);
  EXPECT_EQ(walked.transfers[0].request.size, 4u);
  EXPECT_EQ(walked.transfers[0].request.place, (Place{2, 0}));
  EXPECT_EQ(walked.transfers[1].request.address, kTableEntry);
  EXPECT_EQ(walked.outcome().hpa, 0xfedc'babcu);
  EXPECT_EQ(walked.outcome().guest_page_size, PageSize::k4K);
  EXPECT_TRUE(walked.outcome().guest_rights.execute) << "there is no execute-disable";
}

TEST_F(ThirtyTwoBit, AFlagIsSwappedInItsOwnHalfOfTheWord) {
  entry(kTableEntry - 4, 0x1111'1111);
  entry(kTableEntry, 0xfedc'b000 | kP | kRw | kUs);
  const FinishedWalk walked = walk(AccessKind::kWrite);
  const auto swaps = walked.swaps();
  ASSERT_EQ(swaps.size(), 2u);
  EXPECT_EQ(swaps[0].request.address, kTableEntry);
  EXPECT_EQ(swaps[0].request.size, 4u);
  EXPECT_EQ(swaps[0].request.expected, 0xfedc'b007u);
  EXPECT_EQ(swaps[0].request.desired, 0xfedc'b027u);
  EXPECT_EQ(swaps[1].request.desired, 0xfedc'b067u);
  EXPECT_EQ(bench.memory[kTableEntry & ~7ull], 0xfedc'b067'1111'1111);
}

TEST_F(ThirtyTwoBit, ALargePageHasEightMoreAddressBitsInItsEntry) {
  entry(kDirectoryEntry, 0x8140'0000 | 0xa5 << 13 | kGuestUsed | kD | kLarge);
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().hpa, 0xa5'8140'0000 + (request.address & 0x3f'ffff));
  EXPECT_EQ(walked.outcome().guest_page_size, PageSize::k4M);
  EXPECT_EQ(walked.outcome().page_size, PageSize::k4M);
  EXPECT_EQ(walked.response.references, 1u);

  context.cr4 = 0;
  entry(kDirectoryEntry, 0x9000 | kGuestUsed | kLarge);
  walked = walk();
  EXPECT_EQ(walked.outcome().hpa, 0xfedc'babcu) << "without PSE the bit is ignored";
}

TEST_F(ThirtyTwoBit, ALargePageReservesWhatNoAddressHas) {
  const auto refused = [&](unsigned bit) {
    entry(kDirectoryEntry, static_cast<std::uint32_t>(1u << bit | kGuestUsed | kD | kLarge));
    return walk().outcome().kind == OutcomeKind::kPageFault;
  };
  for (unsigned width : {32u, 36u, 39u, 40u, 46u, 52u}) {
    context.cpu.maxphyaddr = width;
    context.cr3 = 0x7000;
    for (unsigned bit = 12; bit < 32; ++bit) {
      const bool reserved = bit <= 21 && bit >= (width < 40 ? width : 40) - 19;
      EXPECT_EQ(refused(bit), reserved) << bit << " of " << width;
    }
  }
}

TEST_F(ThirtyTwoBit, ThePageOfATlbEntryIsTheSmallerOfGuestAndEpt) {
  entry(kDirectoryEntry, 0x0040'0000 | kGuestUsed | kD | kLarge);
  context.ept_enabled = true;
  bench.memory[kEptRoot] = (kEptRoot + 0x1000) | kRwx;
  std::uint64_t& pdpte = bench.memory[kEptRoot + 0x1000];
  pdpte = 0x7'4000'0000 | kRwx | kLarge | kWbType;
  bench.memory[0x7'4000'0000 + kDirectoryEntry - (kDirectoryEntry & 7)] =
      bench.memory[kDirectoryEntry & ~7ull];
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().hpa, 0x7'4040'0000 + (request.address & 0x3f'ffff));
  EXPECT_EQ(walked.outcome().page_size, PageSize::k4M);
  EXPECT_EQ(walked.outcome().ept_page_size, PageSize::k1G);

  pdpte = (kEptRoot + 0x2000) | kRwx;
  bench.memory[kEptRoot + 0x2000] = 0x7'4000'0000 | kRwx | kLarge | kWbType;
  bench.memory[kEptRoot + 0x2000 + 2 * 8] = 0x7'4040'0000 | kRwx | kLarge | kWbType;
  walked = walk();
  EXPECT_EQ(walked.outcome().page_size, PageSize::k2M);
}

TEST_F(ThirtyTwoBit, EveryLinearAddressIsCanonical) {
  context.cr4 |= 1 << 12;  // LA57 means nothing here
  request.address = 0xffff'ffff;
  EXPECT_EQ(walk().outcome().kind, OutcomeKind::kPageFault);
  EXPECT_EQ(walk().outcome().place, (Place{2, 0}));
}

}  // namespace
}  // namespace eptsim::tb
