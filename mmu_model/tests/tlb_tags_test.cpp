#include "mmu_model/tests/tlb_bench.hpp"

#include <gtest/gtest.h>

#include <cstdint>

/// Whose entries answer: VPIDs, PCIDs, EPT roots and global pages (SDM 31.4.1, 31.4.2).
namespace eptsim::mmu::test {
namespace {

TEST_F(Tlbs, EntriesBelongToOneVpidPcidAndEptRoot) {
  walked(read(kAddress), translated(kAddress));
  const auto hits_with = [&](auto change) {
    Context raw = guest();
    change(raw);
    const WalkContext where(raw);
    tlbs.use(where);
    return hits(read(kAddress));
  };
  EXPECT_TRUE(hits_with([](Context&) {}));
  EXPECT_FALSE(hits_with([](Context& c) { c.vpid = 2; }));
  EXPECT_FALSE(hits_with([](Context& c) { c.vpid = 0x8001; }));
  EXPECT_FALSE(hits_with([](Context& c) { c.cr3 |= 0x800; }));
  EXPECT_FALSE(hits_with([](Context& c) { c.eptp = 0x11'001e; }));
  EXPECT_FALSE(hits_with([](Context& c) { c.eptp |= 1ull << 45; }));
  EXPECT_FALSE(hits_with([](Context& c) { c.ept_enabled = false; }));
  // Not tags: the EPTP's low bits, and CR3's address.
  EXPECT_TRUE(hits_with([](Context& c) { c.eptp |= 0x40; }));
  EXPECT_TRUE(hits_with([](Context& c) { c.cr3 = 0x9000; }));
}

TEST_F(Tlbs, WithoutPcidsCr3sLowBitsAreNoTag) {
  Context raw = guest();
  raw.cr4 = 0xa0;
  WalkContext where(raw);
  tlbs.use(where);
  tlbs.take(where, read(kAddress), translated(kAddress));
  raw.cr3 |= 0x18;
  where = WalkContext(raw);
  tlbs.use(where);
  EXPECT_TRUE(hits(read(kAddress)));
}

TEST_F(Tlbs, AGlobalEntryServesEveryPcidOfItsVpidAndEptRoot) {
  Outcome outcome = translated(kAddress);
  outcome.global = true;
  walked(read(kAddress), outcome);
  Context raw = guest();
  raw.cr3 |= 7;
  const WalkContext other_pcid(raw);
  tlbs.use(other_pcid);
  EXPECT_TRUE(hits(read(kAddress)));
  raw.eptp = 0x11'001e;
  const WalkContext other_ept(raw);
  tlbs.use(other_ept);
  EXPECT_FALSE(hits(read(kAddress)));
  raw = guest();
  raw.vpid = 2;
  const WalkContext other_vpid(raw);
  tlbs.use(other_vpid);
  EXPECT_FALSE(hits(read(kAddress)));
}

TEST_F(Tlbs, AddressesThatDifferInOneBitAreDifferent) {
  walked(read(kAddress), translated(kAddress));
  for (unsigned bit = 12; bit < 64; ++bit) {
    EXPECT_FALSE(hits(read(kAddress ^ (1ull << bit)))) << bit;
  }
  walked(read(~0xfffull), translated(~0xfffull));
  EXPECT_TRUE(hits({.address = ~0ull}));
  EXPECT_FALSE(hits({.address = ~0ull >> 1}));
}

/// Two PCIDs map one page, one of them globally: whichever was filled last answers where both
/// could.
TEST_F(Tlbs, AGlobalEntryAndAnotherOfItsPageNeverAnswerForOnePcid) {
  Context raw = guest();
  raw.cr3 |= 7;
  const WalkContext seven(raw);
  const auto hpa = [&](const WalkContext& where) -> std::uint64_t {
    tlbs.use(where);
    const TlbHit hit = tlbs.lookup(read(kAddress));
    return hit ? hit.entry->hpa_of(kAddress) : 0;
  };
  Outcome own = translated(kAddress);
  own.hpa = 0x1000;
  Outcome global = translated(kAddress);
  global.hpa = 0x2000;
  global.global = true;

  tlbs.take(seven, read(kAddress), own);
  tlbs.take(context, read(kAddress), global);
  EXPECT_EQ(hpa(seven), 0x2000u);
  EXPECT_EQ(hpa(context), 0x2000u);
  tlbs.take(seven, read(kAddress), own);
  EXPECT_EQ(hpa(seven), 0x1000u);
  EXPECT_EQ(hpa(context), 0u);

  tlbs.take(context, read(kAddress), global);
  global.page_size = PageSize::k2M;
  global.guest_page_size = PageSize::k2M;
  tlbs.take(context, read(kAddress), global);
  EXPECT_EQ(hpa(seven), kAddress & (k2M - 1));
  tlbs.invalidate({.vpid = 1, .pcid = 7, .linear = kAddress});
  EXPECT_EQ(hpa(seven), 0u);
  EXPECT_EQ(hpa(context), 0u);
}

}  // namespace
}  // namespace eptsim::mmu::test
