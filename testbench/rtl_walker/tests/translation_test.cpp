#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

using arch::AccessKind;
using arch::MemoryType;
using arch::PageSize;

class Translation : public NestedTables {
 protected:
  /// Rewrites the tables for other page sizes, given as levels of the leaf. Returns the
  /// host-physical address that the access must come to.
  std::uint64_t lay(unsigned guest_leaf, unsigned ept_leaf_level) {
    auto& memory = bench.memory;
    std::uint64_t data = guest_page(kDataPage) + kOffset;
    if (guest_leaf > 1) {
      const std::uint64_t offset_mask = (std::uint64_t{1} << (12 + 9 * (guest_leaf - 1))) - 1;
      data = (kGuestBase & ~offset_mask) | (kLinear & offset_mask);
      // Bit 12 is the PAT's, not the address's.
      guest(guest_leaf) = (data & ~offset_mask) | kGuestUsed | kD | kLarge | 1 << 12;
    }
    // A second EPT page table, for a data page outside the first one's 2 MiB.
    memory[kEptRoot + 0x2000 + kIndex[2] * 8] = (kEptRoot + 0x4000) | kRwx;
    memory[kEptRoot + 0x4000 + kIndex[1] * 8] = 0x3f00'1234'5000 | kRwx | kWbType;
    if (ept_leaf_level == 2) {
      memory[kEptRoot + 0x2000 + kIndex[2] * 8] = 0x3abb'bbc0'0000 | kRwx | kWbType | kLarge;
      memory[ept_entry(2)] = 0x3555'5540'0000 | kRwx | kWbType | kLarge;
    } else if (ept_leaf_level == 3) {
      memory[ept_entry(3)] = 0x3ea2'4000'0000 | kRwx | kWbType | kLarge;
    }
    for (unsigned level = guest_leaf; level <= 5; ++level) {
      const std::uint64_t entry = guest(level);
      memory[host(guest_entry_gpa(level), ept_leaf_level)] = entry;
    }
    return host(data, ept_leaf_level);
  }

 private:
  static std::uint64_t host(std::uint64_t gpa, unsigned ept_leaf_level) {
    const bool first = (gpa >> 21 & 511) == (kGuestBase >> 21 & 511);
    switch (ept_leaf_level) {
      case 3: return 0x3ea2'4000'0000 | (gpa & 0x3fff'ffff);
      case 2: return (first ? 0x3555'5540'0000 : 0x3abb'bbc0'0000) | (gpa & 0x1f'ffff);
      default: return (first ? host_page(gpa >> 12 & 511) : 0x3f00'1234'5000) | (gpa & 0xfff);
    }
  }
};

TEST_F(Translation, EveryPairOfPageSizesAndLevelsTakesItsNumberOfReferences) {
  const auto tables = bench.memory;
  for (unsigned guest_levels = 4; guest_levels <= 5; ++guest_levels) {
    for (unsigned ept_levels = 4; ept_levels <= 5; ++ept_levels) {
      for (unsigned guest_leaf = 1; guest_leaf <= 3; ++guest_leaf) {
        for (unsigned leaf = 1; leaf <= 3; ++leaf) {
          SCOPED_TRACE(std::to_string(guest_levels) + "/" + std::to_string(ept_levels) +
                       " leaves " + std::to_string(guest_leaf) + "/" + std::to_string(leaf));
          bench.memory = tables;
          const std::uint64_t hpa = lay(guest_leaf, leaf);
          const bool la57 = guest_levels == 5;
          context.cr4 = 1 << 5 | (la57 ? 1 << 12 : 0);
          context.cr3 = guest_page(table_page(guest_levels));
          request.address = la57 ? kLinear57 : kLinear;
          context.eptp = ept_levels == 5 ? kEptPml5 | 4 << 3 | 6 : kEptRoot | 3 << 3 | 6;
          const FinishedWalk walked = walk();
          ASSERT_EQ(walked.outcome().kind, mmu::OutcomeKind::kTranslated);
          EXPECT_EQ(walked.outcome().hpa, hpa);
          const unsigned g = guest_levels - guest_leaf + 1;
          const unsigned h = ept_levels - leaf + 1;
          EXPECT_EQ(walked.response.references, (g + 1) * (h + 1) - 1);
          EXPECT_EQ(walked.response.references, walked.transfers.size());
          EXPECT_EQ(walked.outcome().guest_page_size, arch::page_of_level(guest_leaf));
          EXPECT_EQ(walked.outcome().ept_page_size, arch::page_of_level(leaf));
          EXPECT_EQ(walked.outcome().page_size, arch::page_of_level(std::min(guest_leaf, leaf)));
        }
      }
    }
  }
}

TEST_F(Translation, WithoutEptGuestPhysicalIsHostPhysical) {
  context.ept_enabled = false;
  context.cr3 = 0x5000;
  bench.memory[0x5000 + kIndex[4] * 8] = 0x6000 | kGuestUsed;
  bench.memory[0x6000 + kIndex[3] * 8] = 0x7000 | kGuestUsed;
  bench.memory[0x7000 + kIndex[2] * 8] = 0x3fff'ffe0'0000 | kGuestUsed | kLarge;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().kind, mmu::OutcomeKind::kTranslated);
  EXPECT_EQ(walked.response.references, 3u);
  EXPECT_EQ(walked.outcome().hpa, 0x3fff'ffe0'0000 + (kLinear & 0x1f'ffff));
  EXPECT_EQ(walked.outcome().gpa, walked.outcome().hpa);
  EXPECT_EQ(walked.outcome().guest_page_size, PageSize::k2M);
  EXPECT_EQ(walked.outcome().page_size, PageSize::k2M);
  EXPECT_FALSE(walked.outcome().ept_page_size.has_value());
  EXPECT_EQ(walked.outcome().ept_rights, mmu::EptRights{});
  EXPECT_FALSE(walked.outcome().dirty);
  bench.memory[0x7000 + kIndex[2] * 8] |= kD;
  context.eptp |= 1 << 6;
  EXPECT_TRUE(walk().outcome().dirty) << "what the EPTP says is not in use";
}

TEST_F(Translation, WithoutPagingTheLinearAddressIsGuestPhysical) {
  context.cr0 = 1;
  context.efer = 0;
  bench.memory[kEptRoot] = (kEptRoot + 0x1000) | kRwx;
  bench.memory[kEptRoot + 0x1000 + 3 * 8] = 0xc000'0000 | kRwx | kLarge | 5 << 3;
  request.address = 0xfedc'ba98;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.response.references, 2u);
  EXPECT_EQ(walked.outcome().gpa, 0xfedc'ba98u);
  EXPECT_EQ(walked.outcome().hpa, 0xfedc'ba98u);
  EXPECT_FALSE(walked.outcome().guest_page_size.has_value());
  EXPECT_EQ(walked.outcome().page_size, PageSize::k1G);
  EXPECT_EQ(walked.outcome().guest_rights, mmu::GuestRights{});
  EXPECT_EQ(walked.outcome().memory_type, MemoryType::kWP);
  EXPECT_TRUE(walked.outcome().dirty);
}

TEST_F(Translation, WithoutPagingAndEptNoMemoryIsAsked) {
  context.cr0 = 1;
  context.efer = 0;
  context.ept_enabled = false;
  request.address = 0x8765'4321;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.transfers.size(), 0u);
  EXPECT_EQ(walked.response_valid, walked.request_taken + 2);
  EXPECT_EQ(walked.response.cycles, 1u);
  EXPECT_EQ(walked.outcome().hpa, 0x8765'4321u);
  EXPECT_EQ(walked.outcome().page_size, PageSize::k4K);
  EXPECT_EQ(walked.outcome().memory_type, MemoryType::kWB);
}

TEST_F(Translation, AGuestPhysicalRequestWalksOnlyTheEpt) {
  walk();  // Of a walk before, through the guest's tables, nothing may be left.
  request.linear = false;
  request.user = false;
  request.address = guest_page(11) + 0x123;
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.response.references, 4u);
  EXPECT_EQ(walked.outcome().hpa, host_page(11) + 0x123);
  EXPECT_EQ(walked.transfers[3].request.place, (mmu::Place{0, 1}));
  EXPECT_FALSE(walked.outcome().guest_page_size.has_value());
  context.ept_enabled = false;
  walked = walk();
  EXPECT_EQ(walked.response.references, 0u);
  EXPECT_EQ(walked.outcome().hpa, guest_page(11) + 0x123);
}

TEST_F(Translation, AFifthEptLevelTranslatesTheHighestAddressBits) {
  context.cpu.maxphyaddr = 52;
  context.eptp = kEptPml5 | 4 << 3 | 6;
  request.linear = false;
  request.user = false;
  request.address = 0xb'0000'0000'0000 | guest_page(11) | 0x123;
  bench.memory[kEptPml5 + 0xb * 8] = kEptRoot | kRwx;
  bench.memory[ept_entry(1, 11)] = 0xf'edcb'a987'6000 | kRwx | kWbType;
  const FinishedWalk walked = walk();
  EXPECT_EQ(walked.response.references, 5u);
  EXPECT_EQ(walked.outcome().hpa, 0xf'edcb'a987'6123u);
  EXPECT_EQ(walked.outcome().gpa, request.address);
  bench.memory[ept_entry(2)] = 0xf'edcb'a980'0000 | kRwx | kLarge;
  EXPECT_EQ(walk().outcome().hpa, 0xf'edcb'a980'b123u);
  bench.memory[ept_entry(3)] = 0xf'edcb'8000'0000 | kRwx | kLarge;
  EXPECT_EQ(walk().outcome().hpa, 0xf'edcb'80e0'b123u);
}

TEST_F(Translation, TheMemoryTypeCombinesEptAndPat) {
  struct Row {
    unsigned ept;
    unsigned expected[6];  // PAT UC, UC-, WC, WT, WB, WP
  };
  const unsigned columns[6] = {0, 7, 1, 4, 6, 5};
  const Row rows[] = {{0, {0, 0, 1, 0, 0, 0}},
                      {1, {0, 1, 1, 0, 1, 0}},
                      {4, {0, 0, 1, 4, 4, 5}},
                      {6, {0, 0, 1, 4, 6, 5}},
                      {5, {0, 1, 1, 4, 5, 5}}};
  for (const Row& row : rows) {
    for (unsigned column = 0; column < 6; ++column) {
      // Entry 5 of the PAT: bits PAT and PWT of the guest's leaf.
      context.pat = (0x0706'0606'0606'0606 & ~(0xffull << 40)) | std::uint64_t{columns[column]}
                                                                     << 40;
      guest(1) = guest_page(kDataPage) | kGuestUsed | kD | 1 << 7 | 1 << 3;
      ept_leaf() = host_page(kDataPage) | kRwx | row.ept << 3;
      EXPECT_EQ(static_cast<unsigned>(walk().outcome().memory_type), row.expected[column])
          << row.ept << ' ' << column;
    }
  }
  ept_leaf() = host_page(kDataPage) | kRwx | 1 << 6 | 4 << 3;
  EXPECT_EQ(walk().outcome().memory_type, MemoryType::kWT) << "the PAT is ignored";
  context.cr0 |= 1 << 30;
  EXPECT_EQ(walk().outcome().memory_type, MemoryType::kUC) << "caches are disabled";
}

TEST_F(Translation, ThePatIndexOfALargePageHasItsHighBitElsewhere) {
  context.pat = 0x0505'0605'0404'0104;  // entries 7 to 0
  lay(2, 1);                            // sets bit 12: entry 4 and up
  EXPECT_EQ(walk().outcome().memory_type, MemoryType::kWP);
  bench.memory[guest_entry(2)] |= 1 << 3;
  EXPECT_EQ(walk().outcome().memory_type, MemoryType::kWB);
  bench.memory[guest_entry(2)] &= ~(1ull << 12);
  EXPECT_EQ(walk().outcome().memory_type, MemoryType::kWC);
}

TEST_F(Translation, TheResponseCarriesWhatATlbEntryHolds) {
  context.cr4 |= 1 << 7 | 1 << 22;  // PGE, PKE
  request.user = false;
  guest(1) |= 1 << 8 | 0xbull << 59;
  FinishedWalk walked = walk();
  EXPECT_EQ(walked.outcome().guest_rights, mmu::GuestRights{});
  EXPECT_TRUE(walked.outcome().global);
  EXPECT_EQ(walked.outcome().protection_key, 0xb);
  EXPECT_TRUE(walked.outcome().dirty);

  guest(3) &= ~kRw;
  guest(2) &= ~kUs;
  guest(4) |= kNx;
  guest(1) &= ~kD;
  bench.memory[ept_entry(3)] &= ~kW;
  ept_leaf() &= ~kX;
  walked = walk();
  EXPECT_EQ(walked.outcome().guest_rights,
            (mmu::GuestRights{.write = false, .user = false, .execute = false}));
  EXPECT_EQ(walked.outcome().ept_rights, (mmu::EptRights{.read = true,
                                                         .write = false,
                                                         .execute = false,
                                                         .user_execute = false,
                                                         .paging_write = false,
                                                         .supervisor_shadow_stack = false}));
  EXPECT_FALSE(walked.outcome().dirty);

  context.cr4 &= ~(1ull << 7 | 1ull << 22);
  context.controls.mode_based_execute = true;
  ept_leaf() |= kXu;
  walked = walk();
  EXPECT_FALSE(walked.outcome().global);
  EXPECT_EQ(walked.outcome().protection_key, 0xb) << "in use or not";
  EXPECT_FALSE(walked.outcome().ept_rights.user_execute) << "missing in the levels above";
  for (unsigned level = 2; level <= 4; ++level) bench.memory[ept_entry(level)] |= kXu;
  EXPECT_TRUE(walk().outcome().ept_rights.user_execute);
}

TEST_F(Translation, IgnoredBitsAreIgnored) {
  const std::uint64_t ignored = 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 0xfffull << 52;
  for (unsigned level = 2; level <= 4; ++level) bench.memory[ept_entry(level)] |= ignored;
  ept_leaf() |= ignored | 1 << 7;
  for (unsigned level = 1; level <= 4; ++level) {
    guest(level) |= 0x7ffull << 52 | 7 << 9 | 1 << 8;
  }
  guest(2) |= kD;
  EXPECT_EQ(walk().outcome().hpa, host_page(kDataPage) + kOffset);
}

}  // namespace
}  // namespace eptsim::tb
