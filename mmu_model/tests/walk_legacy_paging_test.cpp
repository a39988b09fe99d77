#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"
#include "mmu_model/word_access.hpp"

// 32-bit paging, with its entries of four bytes and its pages of 4 MiB; and PAE paging, which
// starts from PDPTE registers.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint32_t kPse = 1u << 4, kPae = 1u << 5, kSmep = 1u << 20;
constexpr std::uint64_t kNxe = 1u << 11;
constexpr std::uint32_t kGva = 0xdead'b123;
constexpr std::uint64_t kPdIndex = kGva >> 22, kPtIndex = kGva >> 12 & 1023;

// Guest-physical addresses of the tables; with EPT on, host-physical ones are kHost further up.
constexpr std::uint64_t kPd = 0x2000, kPt = 0x3000, kPage = 0x7654'3000, kHost = 0x40'0000'0000;

/// A guest of 32-bit or PAE paging that maps one page, kGva, with all rights.
class LegacyGuest {
 public:
  LegacyGuest(bool pae, bool ept) : tables(0, ept ? 4 : 0), host_(ept ? kHost : 0), pae_(pae) {
    Context& context = tables.context;
    context.cr0 = 0x8001'0001;
    context.cr4 = pae ? kPae : kPse;
    context.cr3 = kPd | 0x18;
    if (ept) {
      for (const std::uint64_t gpa : {kPd, kPt, kPage}) {
        tables.map_ept(gpa, gpa + kHost, PageSize::k4K);
      }
    }
    if (pae) {
      if (ept) {
        context.pdptes = {{0, 0, 0, kPd | kP}};
      } else {
        context.cr3 = 0x5e0 | 0x1f;  // the four stand at 5E0H; bits 4:0 do not matter
        tables.memory.put(0x5f8, kPd | kP);
      }
    }
    set_table(kPt | kP | kGuestW | kU);
    put(leaf_gpa(), kPage | kP | kGuestW | kU);
  }

  std::uint64_t table_gpa() const {
    return pae_ ? kPd + (kGva >> 21 & 511) * 8 : kPd + kPdIndex * 4;
  }
  std::uint64_t leaf_gpa() const {
    return pae_ ? kPt + (kGva >> 12 & 511) * 8 : kPt + kPtIndex * 4;
  }
  /// The entry of the page directory.
  void set_table(std::uint64_t entry) { put(table_gpa(), entry); }
  void put(std::uint64_t gpa, std::uint64_t entry) {
    write(tables.memory, arch::Hpa(gpa + host_), pae_ ? 8 : 4, entry);
  }
  std::uint64_t at(std::uint64_t gpa) const {
    return read(tables.memory, arch::Hpa(gpa + host_), pae_ ? 8 : 4);
  }
  TranslateResult run(AccessKind kind = AccessKind::kRead, bool user = false) {
    return tables.run(access(kind, kGva, user));
  }
  std::uint64_t host() const { return host_; }

  WalkTables tables;

 private:
  std::uint64_t host_;
  bool pae_;
};

void expect_fault(const Outcome& outcome, std::uint32_t code, Reason reason) {
  EXPECT_EQ(outcome.kind, OutcomeKind::kPageFault) << describe(outcome);
  EXPECT_EQ(outcome.error_code, code);
  EXPECT_EQ(outcome.reason, reason);
}

TEST(WalkLegacyPaging, TwoEntriesAreReadInEitherMode) {
  for (const bool pae : {false, true}) {
    for (const bool ept : {false, true}) {
      LegacyGuest guest(pae, ept);
      const TranslateResult result = guest.run();
      EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
      EXPECT_EQ(result.outcome.gpa, kPage | 0x123);
      EXPECT_EQ(result.outcome.hpa, (kPage | 0x123) + guest.host());
      EXPECT_EQ(result.outcome.guest_page_size, PageSize::k4K);
      EXPECT_EQ(result.references, ept ? 14u : 2u);
    }
  }
}

TEST(WalkLegacyPaging, EntriesOfFourBytesAreReadAndMarkedAlone) {
  LegacyGuest guest(false, false);
  // The neighbours in the same words.
  guest.put(guest.table_gpa() ^ 4, 0xffff'ffff);
  guest.put(guest.leaf_gpa() ^ 4, 0x1234'5678);
  guest.run(AccessKind::kWrite);
  const std::vector<Reference> references = {{{2, 0}, guest.table_gpa(), kPt | kP | kGuestW | kU},
                                             {{1, 0}, guest.leaf_gpa(), kPage | kP | kGuestW | kU}};
  const std::vector<MemoryWrite> writes = {
      {guest.table_gpa(), 4, kPt | kP | kGuestW | kU | kA},
      {guest.leaf_gpa(), 4, kPage | kP | kGuestW | kU | kA},
      {guest.leaf_gpa(), 4, kPage | kP | kGuestW | kU | kA | kD}};
  EXPECT_TRUE(guest.tables.recording.references == references);
  EXPECT_TRUE(guest.tables.recording.writes == writes);
  EXPECT_EQ(guest.at(guest.table_gpa() ^ 4), 0xffff'ffffu);
  EXPECT_EQ(guest.at(guest.leaf_gpa() ^ 4), 0x1234'5678u);
}

TEST(WalkLegacyPaging, AFourMegabytePageTakesItsUpperAddressBitsFromTheMiddleOfItsEntry) {
  for (const bool ept : {false, true}) {
    LegacyGuest guest(false, ept);
    const std::uint64_t frame = 0xa5'1240'0000;
    guest.set_table(0x1240'0000 | 0xa5u << 13 | kLarge | kP | kGuestW | kU);
    const std::uint64_t gpa = frame | (kGva & 0x3f'ffff);
    if (ept) guest.tables.map_ept(gpa, gpa + 0x40'0000, PageSize::k1G);
    const TranslateResult result = guest.run();
    EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
    EXPECT_EQ(result.outcome.gpa, gpa);
    EXPECT_EQ(result.outcome.guest_page_size, PageSize::k4M);
    EXPECT_EQ(result.outcome.page_size, PageSize::k4M);
    EXPECT_EQ(result.references, ept ? 5u + 2u : 1u);
  }
  LegacyGuest guest(false, true);
  guest.set_table(0x1240'0000 | kLarge | kP | kGuestW | kU);
  guest.tables.map_ept(0x1240'0000 | (kGva & 0x3f'ffff), 0x80'0000'0000, PageSize::k2M);
  EXPECT_EQ(guest.run().outcome.page_size, PageSize::k2M) << "what one TLB entry covers";
}

TEST(WalkLegacyPaging, WithoutPseBit7OfADirectoryEntryIsIgnored) {
  LegacyGuest guest(false, false);
  guest.tables.context.cr4 = 0;
  guest.set_table(kPt | kLarge | kP | kGuestW | kU);
  const TranslateResult result = guest.run();
  EXPECT_EQ(result.outcome.gpa, kPage | 0x123);
  EXPECT_EQ(result.references, 2u);
}

TEST(WalkLegacyPaging, ReservedBitsOfFourMegabytePagesFollowTheAddressWidth) {
  for (const unsigned width : {32u, 33u, 36u, 39u, 40u, 46u, 52u}) {
    for (unsigned bit = 12; bit < 22; ++bit) {
      LegacyGuest guest(false, false);
      guest.tables.context.cpu.maxphyaddr = width;
      guest.set_table(1u << bit | 0x1240'0000 | kLarge | kP | kGuestW | kU);
      const Outcome outcome = guest.run(AccessKind::kWrite, true).outcome;
      // Bit 13 is address bit 32, and so on up to bit 39; bit 12 is the PAT's.
      const bool reserved = bit == 21 || (bit >= 13 && bit + 19 >= width);
      if (reserved) {
        expect_fault(outcome, 0xf, Reason::kGuestReservedBit);
      } else {
        EXPECT_EQ(outcome.kind, OutcomeKind::kTranslated) << width << ' ' << bit;
        EXPECT_EQ(outcome.gpa >> 32, bit == 12 ? 0u : 1u << (bit - 13));
      }
    }
  }
}

TEST(WalkLegacyPaging, EntriesThatLeadToFourKilobytePagesHaveNoReservedBits) {
  LegacyGuest guest(false, false);
  guest.tables.context.cpu.maxphyaddr = 32;
  guest.set_table(kPt | 0xf58 | kP | kGuestW | kU);
  guest.put(guest.leaf_gpa(), 0xffff'ffff);
  EXPECT_EQ(guest.run().outcome.gpa, 0xffff'f123u);
}

TEST(WalkLegacyPaging, ExecuteDisableDoesNotExistIn32BitPaging) {
  LegacyGuest guest(false, false);
  guest.tables.context.efer = kNxe;
  EXPECT_TRUE(guest.run(AccessKind::kFetch).outcome.guest_rights.execute);
  guest.put(guest.leaf_gpa(), 0);
  expect_fault(guest.run(AccessKind::kFetch).outcome, 0, Reason::kGuestNotPresent);
  guest.tables.context.cr4 |= kSmep;
  expect_fault(guest.run(AccessKind::kFetch).outcome, 0x10, Reason::kGuestNotPresent);
}

TEST(WalkLegacyPaging, RightsAreTheAndOfBothLevels) {
  for (const bool pae : {false, true}) {
    LegacyGuest guest(pae, false);
    guest.set_table(kPt | kP | kU);
    expect_fault(guest.run(AccessKind::kWrite, true).outcome, 7, Reason::kGuestNotWritable);
    guest.set_table(kPt | kP | kGuestW);
    expect_fault(guest.run(AccessKind::kRead, true).outcome, 5, Reason::kGuestSupervisorPage);
    EXPECT_EQ(guest.run(AccessKind::kWrite).outcome.kind, OutcomeKind::kTranslated);
  }
}

TEST(WalkLegacyPaging, AFourByteEntryThatChangesUnderItsSwapIsJudgedAsFound) {
  LegacyGuest guest(false, false);
  const WalkContext context(guest.tables.context);
  Walk walk(context, access(AccessKind::kRead, kGva), Walk::Lookups::kOff);
  walk.next({});
  const Step swap = walk.next({.value = kPt | kP | kGuestW | kU});
  EXPECT_EQ(swap.kind, StepKind::kCompareExchange);
  EXPECT_EQ(swap.size, 4);
  const Step next = walk.next({.value = 0x9000 | kP | kU | kA});
  EXPECT_EQ(next.kind, StepKind::kRead);
  EXPECT_EQ(next.address, 0x9000 + kPtIndex * 4);
  EXPECT_EQ(next.size, 4);
  EXPECT_EQ(walk.next({.value = 0}).kind, StepKind::kDone);
  expect_fault(walk.outcome(), 0, Reason::kGuestNotPresent);
}

TEST(WalkLegacyPaging, Bits31And30ChooseThePdpteRegister) {
  for (unsigned chosen = 0; chosen < 4; ++chosen) {
    LegacyGuest guest(true, true);
    guest.tables.context.pdptes = {{0, 0, 0, 0}};
    (*guest.tables.context.pdptes)[chosen] = kPd | kP;
    for (unsigned index = 0; index < 4; ++index) {
      const TranslateResult result =
          guest.tables.run(access(AccessKind::kWrite, (kGva & 0x3fff'ffff) | index << 30, true));
      if (index == chosen) {
        EXPECT_EQ(result.outcome.gpa, kPage | 0x123);
        EXPECT_TRUE(result.outcome.guest_rights.write) << "a PDPTE holds no rights";
      } else {
        expect_fault(result.outcome, 6, Reason::kGuestNotPresent);
        EXPECT_EQ(result.outcome.place, (Place{3, 0}));
        EXPECT_EQ(result.references, 0u);
        EXPECT_TRUE(guest.tables.recording.references.empty());
      }
    }
  }
}

TEST(WalkLegacyPaging, WithEptOffPdptesComeFromMemoryAndAreNoReferences) {
  LegacyGuest guest(true, false);
  EXPECT_EQ(guest.run().references, 2u);
  guest.tables.memory.put(0x5f8, kPd);
  const TranslateResult result = guest.run(AccessKind::kRead, true);
  expect_fault(result.outcome, 4, Reason::kGuestNotPresent);
  EXPECT_EQ(result.references, 0u);
}

TEST(WalkLegacyPaging, AReservedBitOfAPresentPdpteInMemoryIsRefused) {
  for (unsigned bit = 1; bit < 64; ++bit) {
    LegacyGuest guest(true, false);
    WalkContext context(guest.tables.context);
    guest.tables.memory.put(0x5e8, kP | 1ull << bit);
    const auto error = load_pdptes(context, guest.tables.memory);
    const bool reserved = bit <= 2 || (bit >= 5 && bit <= 8) || bit >= 46;
    EXPECT_EQ(error.has_value(), reserved) << bit;
    EXPECT_EQ(context.pdptes[3], reserved ? 0 : kPd | kP);
    guest.tables.memory.put(0x5e8, 1ull << bit);
    EXPECT_FALSE(load_pdptes(context, guest.tables.memory)) << "not present: not checked";
  }
}

TEST(WalkLegacyPaging, WithEptOnThePdpteRegistersAreTheContexts) {
  LegacyGuest guest(true, true);
  WalkContext context(guest.tables.context);
  guest.tables.context.cr3 = 0x5e0;
  guest.tables.memory.put(0x5f8, 0xdead'0000 | kP);
  EXPECT_FALSE(load_pdptes(context, guest.tables.memory));
  EXPECT_EQ(context.pdptes[3], kPd | kP);
}

TEST(WalkLegacyPaging, ReservedBitsOfPaeEntries) {
  for (const bool nxe : {false, true}) {
    for (unsigned bit = 12; bit < 64; ++bit) {
      const bool high = (bit >= 46 && bit < 63) || (bit == 63 && !nxe);
      const auto check_entry = [&](std::uint64_t entry, bool leaf, bool reserved) {
        LegacyGuest guest(true, false);
        guest.tables.context.efer = nxe ? kNxe : 0;
        guest.put(leaf ? guest.leaf_gpa() : guest.table_gpa(), entry | 1ull << bit);
        const Outcome outcome = guest.run().outcome;
        EXPECT_EQ(outcome.reason == Reason::kGuestReservedBit, reserved)
            << bit << ' ' << describe(outcome);
      };
      check_entry(kPage | kP, true, high);
      check_entry(kPt | kP, false, high);
      check_entry(0x1240'0000 | kLarge | kP, false, high || (bit >= 13 && bit <= 20));
    }
  }
}

TEST(WalkLegacyPaging, PaeHasPagesOfTwoMegabytesWhateverPseSays) {
  LegacyGuest guest(true, true);
  guest.set_table(0x1260'0000 | kLarge | kP | kU);
  guest.tables.map_ept(0x1260'0000 | (kGva & 0x1f'ffff), 0x80'0000'0000, PageSize::k4K);
  const TranslateResult result = guest.run();
  EXPECT_EQ(result.outcome.gpa, 0x1260'0000u | (kGva & 0x1f'ffff));
  EXPECT_EQ(result.outcome.guest_page_size, PageSize::k2M);
  EXPECT_EQ(result.references, 9u);
}

TEST(WalkLegacyPaging, PaeKnowsExecuteDisable) {
  LegacyGuest guest(true, false);
  guest.tables.context.efer = kNxe;
  guest.put(guest.leaf_gpa(), kNx | kPage | kP | kU);
  expect_fault(guest.run(AccessKind::kFetch, true).outcome, 0x15, Reason::kGuestExecuteDisable);
}

TEST(WalkLegacyPaging, ACombinedEntryLeadsToThePageTable) {
  for (const bool pae : {false, true}) {
    LegacyGuest guest(pae, true);
    ToyCaches caches;
    run_cached(guest.tables, access(AccessKind::kRead, kGva), caches);
    caches.admit = [](const CachedEntry& entry) { return entry.kind == LookupKind::kCombined; };
    // From the other half of what the directory's entry covers, too.
    for (const std::uint32_t page : {0u, 0x1000u, pae ? 0x2000u : 0x20'0000u}) {
      const std::uint32_t gva = kGva ^ page;
      const std::uint64_t entry =
          pae ? kPt + (gva >> 12 & 511) * 8ull : kPt + (gva >> 12 & 1023) * 4ull;
      guest.put(entry, kPage | kP | kU);
      const CachedResult result = run_cached(guest.tables, access(AccessKind::kRead, gva), caches);
      EXPECT_EQ(result.outcome.gpa, kPage | 0x123) << page;
      EXPECT_EQ(result.references, 5u);
    }
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
