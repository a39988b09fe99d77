#include "mmu_model/tlb/tlb_hierarchy.hpp"

#include <gtest/gtest.h>

#include <cstdint>

/// What the TLBs hold, for whom, and what takes it away: section by section of SDM 31.4.
namespace eptsim::mmu {
namespace {

using arch::AccessKind;
using arch::PageSize;

constexpr std::uint64_t k4K = 1u << 12;
constexpr std::uint64_t k2M = 1u << 21;
constexpr std::uint64_t k1G = 1u << 30;
constexpr std::uint64_t kAddress = 0x7f12'3456'7000;
/// Exit qualification: the guest-physical address was the translation of the linear one.
constexpr std::uint64_t kFinal = 0x180;

constexpr TlbSettings kFirst{.unified = {.entries = 16, .ways = 4}, .hit_cycles = 1};
constexpr TlbSettings kSecond{.unified = {.entries = 64, .ways = 8}, .hit_cycles = 8};

Context guest() {
  Context context;
  context.ept_enabled = true;
  context.eptp = 0x10'001e;
  context.cr0 = 0x8001'0001;
  context.cr3 = 0x5000;
  context.cr4 = 0x2'00a0;  // PAE, PGE, PCIDE
  context.efer = 0xd00;
  return context;
}

Request read(std::uint64_t address) { return {.address = address, .user = true}; }
Request write(std::uint64_t address) {
  return {.address = address, .access = AccessKind::kWrite, .user = true};
}
Request fetch(std::uint64_t address) {
  return {.address = address, .access = AccessKind::kFetch, .user = true};
}

/// A translation to where every address bit shows: gpa and hpa are the address plus 1 and 2 TiB.
Outcome translated(std::uint64_t address, PageSize guest_page = PageSize::k4K,
                   PageSize ept_page = PageSize::k4K) {
  const std::uint64_t low = address & ((1ull << 39) - 1);
  return {.gpa = low + (1ull << 40),
          .hpa = low + (1ull << 41),
          .guest_page_size = guest_page,
          .ept_page_size = ept_page,
          .page_size = arch::smaller(guest_page, ept_page),
          .dirty = true};
}

class Tlbs : public testing::Test {
 protected:
  Tlbs() { tlbs.use(context); }
  /// A walk of `request` in `where` that ended so.
  void walked(const Request& request, const Outcome& outcome) {
    tlbs.take(context, request, outcome);
  }
  bool hits(const Request& request) { return static_cast<bool>(tlbs.lookup(request)); }
  TlbHitLevel level(const Request& request) { return tlbs.lookup(request).level; }

  WalkContext context{guest()};
  TlbHierarchy tlbs{kFirst, kFirst, kSecond, 1};
};

TEST_F(Tlbs, AMissAHitAndTheirCycles) {
  const TlbHit miss = tlbs.lookup(read(kAddress));
  EXPECT_EQ(miss.level, TlbHitLevel::kMiss);
  EXPECT_EQ(miss.entry, nullptr);
  EXPECT_EQ(miss.cycles, 8u);
  walked(read(kAddress), translated(kAddress));
  const TlbHit hit = tlbs.lookup(read(kAddress + 0x123));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.cycles, 1u);
  ASSERT_NE(hit.entry, nullptr);
  EXPECT_EQ(hit.entry->hpa_of(kAddress + 0x123), translated(kAddress).hpa + 0x123);
  EXPECT_EQ(hit.entry->gpa_of(kAddress + 0x123), translated(kAddress).gpa + 0x123);
  EXPECT_EQ(tlbs.l1d().accesses, 2u);
  EXPECT_EQ(tlbs.l1d().hits, 1u);
  EXPECT_EQ(tlbs.l1d().misses, 1u);
  EXPECT_EQ(tlbs.l2().accesses, 1u);
  EXPECT_EQ(tlbs.l2().misses, 1u);
  EXPECT_EQ(tlbs.l1i().accesses, 0u);
}

TEST_F(Tlbs, ASecondLevelHitFillsTheFirst) {
  walked(read(kAddress), translated(kAddress));
  // Four more pages of the same first-level set.
  for (std::uint64_t i = 1; i <= 4; ++i) {
    walked(read(kAddress + i * 4 * k4K), translated(kAddress + i * 4 * k4K));
  }
  const TlbHit hit = tlbs.lookup(read(kAddress));
  EXPECT_EQ(hit.level, TlbHitLevel::kSecond);
  EXPECT_EQ(hit.cycles, 8u);
  EXPECT_EQ(hit.entry->hpa_of(kAddress), translated(kAddress).hpa);
  EXPECT_EQ(level(read(kAddress)), TlbHitLevel::kFirst);
}

TEST_F(Tlbs, FetchesHaveAFirstLevelOfTheirOwnAndShareTheSecond) {
  walked(read(kAddress), translated(kAddress));
  EXPECT_EQ(level(fetch(kAddress)), TlbHitLevel::kSecond);
  EXPECT_EQ(level(fetch(kAddress)), TlbHitLevel::kFirst);
  EXPECT_EQ(tlbs.l1i().accesses, 2u);
  EXPECT_EQ(tlbs.l1d().accesses, 0u);
}

TEST_F(Tlbs, AnEntryCoversTheSmallerOfGuestAndEptPage) {
  struct Case {
    PageSize guest, ept;
    std::uint64_t covers;
  };
  for (const Case& c : {Case{PageSize::k4K, PageSize::k1G, k4K},
                        {PageSize::k2M, PageSize::k4K, k4K},
                        {PageSize::k2M, PageSize::k2M, k2M},
                        {PageSize::k1G, PageSize::k2M, k2M},
                        {PageSize::k1G, PageSize::k1G, k1G}}) {
    tlbs.invalidate({});
    walked(read(kAddress), translated(kAddress, c.guest, c.ept));
    const std::uint64_t first = kAddress & ~(c.covers - 1);
    for (const std::uint64_t address : {first, first + c.covers - 1}) {
      const TlbHit hit = tlbs.lookup(read(address));
      ASSERT_TRUE(hit) << arch::name(c.guest) << " on " << arch::name(c.ept);
      EXPECT_EQ(hit.entry->hpa_of(address), translated(address).hpa);
      EXPECT_EQ(hit.entry->gpa_of(address), translated(address).gpa);
    }
    EXPECT_FALSE(hits(read(first - 1)));
    EXPECT_FALSE(hits(read(first + c.covers)));
  }
}

TEST_F(Tlbs, APageTooLargeForTheArraysIsHeldInPieces) {
  const TlbSettings split{
      .split = true, .k4 = {.entries = 16, .ways = 4}, .m2 = {.entries = 8, .ways = 4}};
  const TlbSettings small{.split = true, .k4 = {.entries = 16, .ways = 16}};
  TlbHierarchy hierarchy(small, split, kSecond, 1);
  hierarchy.use(context);
  hierarchy.take(context, read(kAddress), translated(kAddress, PageSize::k1G, PageSize::k1G));
  TlbHit hit = hierarchy.lookup(read(kAddress + 8));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.entry->size, PageSize::k2M);
  EXPECT_EQ(hit.entry->hpa_of(kAddress + 8), translated(kAddress + 8).hpa);
  EXPECT_EQ(hierarchy.lookup(read(kAddress + k2M)).level, TlbHitLevel::kSecond);
  EXPECT_EQ(hierarchy.lookup(fetch(kAddress + k2M)).level, TlbHitLevel::kSecond);
  hit = hierarchy.lookup(fetch(kAddress + k2M + 8));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.entry->size, PageSize::k4K);
  EXPECT_EQ(hit.entry->gpa_of(kAddress + k2M + 8), translated(kAddress + k2M + 8).gpa);
}

TEST_F(Tlbs, APageOf4MiBIsHeldAsTwoHalvesAndLeavesAsOne) {
  Context native = guest();
  native.ept_enabled = false;
  const WalkContext where(native);
  tlbs.use(where);
  constexpr std::uint64_t kBase = 0x1240'0000;
  tlbs.take(where, read(kBase + k2M + 5),
            translated(kBase + k2M + 5, PageSize::k4M, PageSize::k4M));
  EXPECT_TRUE(hits(read(kBase + k2M)));
  EXPECT_FALSE(hits(read(kBase)));
  tlbs.take(where, read(kBase), translated(kBase, PageSize::k4M, PageSize::k4M));
  tlbs.invalidate({.vpid = 1, .linear = kBase + 3 * k4K});
  EXPECT_FALSE(hits(read(kBase + k2M)));
  EXPECT_FALSE(hits(read(kBase)));
}

TEST_F(Tlbs, AWriteThroughAnEntryThatIsNotDirtyWalksAndThenHits) {
  Outcome clean = translated(kAddress);
  clean.dirty = false;
  walked(read(kAddress), clean);
  EXPECT_TRUE(hits(read(kAddress)));
  EXPECT_FALSE(hits(write(kAddress)));
  EXPECT_FALSE(hits({.address = kAddress, .access = AccessKind::kReadModifyWrite, .user = true}));
  EXPECT_EQ(tlbs.l2().misses, 2u);  // the second level's entry is as clean
  walked(write(kAddress), translated(kAddress));
  EXPECT_EQ(level(write(kAddress)), TlbHitLevel::kFirst);
  EXPECT_TRUE(hits(read(kAddress)));
}

TEST_F(Tlbs, AnAccessThatTheEntryWouldRefuseWalks) {
  Outcome outcome = translated(kAddress);
  outcome.guest_rights = {.write = false, .user = true, .execute = false};
  walked(read(kAddress), outcome);
  EXPECT_TRUE(hits(read(kAddress)));
  EXPECT_FALSE(hits(write(kAddress)));
  EXPECT_FALSE(hits(fetch(kAddress)));
  outcome.guest_rights = {};
  outcome.ept_rights.write = false;
  walked(read(kAddress), outcome);
  EXPECT_FALSE(hits(write(kAddress)));
  EXPECT_TRUE(hits(fetch(kAddress)));
  // Memory allowed the write after all: the walk's entry takes the old one's place.
  walked(write(kAddress), translated(kAddress));
  EXPECT_TRUE(hits(write(kAddress)));
}

TEST_F(Tlbs, ModeBasedExecuteAsksTheBitOfTheAddressNotOfTheLevelOfPrivilege) {
  Context raw = guest();
  raw.controls.mode_based_execute = true;
  const WalkContext where(raw);
  tlbs.use(where);
  Outcome outcome = translated(kAddress);
  outcome.ept_rights.user_execute = false;
  tlbs.take(where, read(kAddress), outcome);
  EXPECT_FALSE(hits(fetch(kAddress)));
  outcome.ept_rights = {.execute = false};
  tlbs.take(where, read(kAddress), outcome);
  EXPECT_TRUE(hits(fetch(kAddress)));
  EXPECT_TRUE(hits({.address = kAddress, .access = AccessKind::kFetch}));  // at CPL 0
}

TEST_F(Tlbs, RightsAreJudgedAnewWhenTheRegistersBehindThemChange) {
  Outcome outcome = translated(kAddress);
  outcome.guest_rights = {.write = false, .user = true, .execute = true};
  const Request supervisor_write{.address = kAddress, .access = AccessKind::kWrite};
  walked(read(kAddress), outcome);
  EXPECT_FALSE(hits(supervisor_write));  // CR0.WP
  Context raw = guest();
  raw.cr0 = 0x8000'0001;
  WalkContext where(raw);
  tlbs.use(where);
  EXPECT_TRUE(hits(supervisor_write));
  EXPECT_TRUE(hits(supervisor_write));
  raw.cr4 |= 1u << 21;  // SMAP, in the same object
  where = WalkContext(raw);
  tlbs.use(where);
  EXPECT_FALSE(hits(supervisor_write));
  raw.rflags_ac = true;
  where = WalkContext(raw);
  tlbs.use(where);
  EXPECT_TRUE(hits(supervisor_write));
  EXPECT_TRUE(hits({.address = kAddress}));
  EXPECT_FALSE(hits({.address = kAddress, .implicit = true}));
  raw.rflags_ac = false;
  where = WalkContext(raw);
  tlbs.use(where);
  EXPECT_FALSE(hits({.address = kAddress}));
  tlbs.use(context);
  EXPECT_FALSE(hits(supervisor_write));
  EXPECT_TRUE(hits(read(kAddress)));
}

TEST_F(Tlbs, ProtectionKeysAreLookedAtOnEachHit) {
  Outcome outcome = translated(kAddress);
  outcome.protection_key = 5;
  walked(read(kAddress), outcome);
  Context raw = guest();
  raw.cr4 |= 1u << 22;  // PKE
  for (const auto& [pkru, reads, writes] : {std::tuple{0u, true, true},
                                            {1u << 10, false, false},
                                            {2u << 10, true, false},
                                            {3u << 8, true, true}}) {
    raw.pkru = pkru;
    const WalkContext where(raw);
    tlbs.use(where);
    EXPECT_EQ(hits(read(kAddress)), reads) << pkru;
    EXPECT_EQ(hits(write(kAddress)), writes) << pkru;
  }
}

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

TEST_F(Tlbs, InvalidatingAnAddressDropsEveryPieceOfItsGuestPage) {
  const std::uint64_t first = kAddress & ~(k2M - 1);
  for (std::uint64_t i = 0; i < 8; ++i) {
    walked(read(first + i * k4K), translated(first + i * k4K, PageSize::k2M, PageSize::k4K));
  }
  walked(read(first + k2M), translated(first + k2M, PageSize::k2M, PageSize::k4K));
  walked(read(first - k4K), translated(first - k4K));
  tlbs.invalidate({.vpid = 1, .pcid = 0, .linear = first + 100 * k4K});
  for (std::uint64_t i = 0; i < 8; ++i) EXPECT_FALSE(hits(read(first + i * k4K))) << i;
  EXPECT_TRUE(hits(read(first + k2M)));
  EXPECT_TRUE(hits(read(first - k4K)));
}

/// Entries of two VPIDs, PCIDs and EPT roots, one of them global, for one page each.
class Scopes : public Tlbs {
 protected:
  Scopes() {
    for (unsigned i = 0; i < 16; ++i) {
      Outcome outcome = translated(address(i));
      outcome.global = (i & 8) != 0;
      WalkContext where(of(i));
      tlbs.take(where, read(address(i)), outcome);
    }
    Context native = guest();
    native.ept_enabled = false;
    linear = WalkContext(native);
    tlbs.take(linear, read(address(16)), translated(address(16)));
  }
  static std::uint64_t address(unsigned i) { return kAddress + i * k4K; }
  static WalkContext of(unsigned i) {
    Context raw = guest();
    raw.vpid = (i & 1) != 0 ? 2 : 1;
    raw.cr3 |= (i & 2) != 0 ? 9 : 0;
    raw.eptp = (i & 4) != 0 ? 0x20'001e : 0x10'001e;
    return WalkContext(raw);
  }
  /// Bit i: entry i is there.
  unsigned left() {
    unsigned found = 0;
    for (unsigned i = 0; i <= 16; ++i) {
      const WalkContext where = i == 16 ? linear : of(i);
      tlbs.use(where);
      if (hits(read(address(i)))) found |= 1u << i;
    }
    tlbs.use(context);
    return found;
  }
  static constexpr unsigned kVpid2 = 0xaaaa, kPcid9 = 0xcccc, kOtherEpt = 0xf0f0, kGlobal = 0xff00;
  static constexpr unsigned kAll = 0x1ffff;
  WalkContext linear{guest()};
};

TEST_F(Scopes, AllAreThereToBeginWith) { EXPECT_EQ(left(), kAll); }

TEST_F(Scopes, EverythingGoesWithoutAnyRestriction) {
  tlbs.invalidate({});
  EXPECT_EQ(left(), 0u);
}

TEST_F(Scopes, AVpidGoesWholeOrWithoutItsGlobals) {
  tlbs.invalidate({.vpid = 2, .keep_globals = true});
  EXPECT_EQ(left(), kAll & ~(kVpid2 & ~kGlobal));
  tlbs.invalidate({.vpid = 2});
  EXPECT_EQ(left(), kAll & ~kVpid2);
}

TEST_F(Scopes, APcidGoesWithOrWithoutGlobalsOfAny) {
  tlbs.invalidate({.vpid = 1, .pcid = 9, .keep_globals = true});
  EXPECT_EQ(left(), kAll & ~(~kVpid2 & kPcid9 & ~kGlobal));
  tlbs.invalidate({.vpid = 1, .pcid = 9});
  EXPECT_EQ(left(), kAll & ~(~kVpid2 & (kPcid9 | kGlobal) & 0xffff));
}

TEST_F(Scopes, AnEptRootGoesOfEveryVpidAndPcidButNotWhatIsLinear) {
  tlbs.invalidate({.ept_root = 0x20'0000});
  EXPECT_EQ(left(), kAll & ~kOtherEpt);
  tlbs.invalidate({.ept_root = 0x10'0000});
  EXPECT_EQ(left(), kAll & ~0xffffu);
}

TEST_F(Scopes, LinearMappingsHaveNoEptRootNotEvenZero) {
  tlbs.invalidate({.ept_root = 0});
  EXPECT_EQ(left(), kAll);
}

TEST_F(Scopes, AnAddressGoesInItsVpidForEveryEptRoot) {
  tlbs.invalidate({.vpid = 2, .linear = address(1)});
  EXPECT_EQ(left(), kAll & ~(1u << 1));
  tlbs.invalidate({.vpid = 2, .linear = address(0)});  // of VPID 1
  EXPECT_EQ(left(), kAll & ~(1u << 1));
  tlbs.invalidate({.vpid = 2, .linear = address(5)});
  EXPECT_EQ(left(), kAll & ~(1u << 1 | 1u << 5));
}

TEST_F(Scopes, APageFaultDropsItsPageInEveryEptRoot) {
  const WalkContext where = of(4);
  tlbs.take(where, read(address(0)), {.kind = OutcomeKind::kPageFault});
  EXPECT_EQ(left(), kAll & ~1u);
}

TEST_F(Scopes, AnEptViolationDropsItsPageInItsEptRootAlone) {
  tlbs.take(of(4), read(address(0)), {.kind = OutcomeKind::kEptViolation, .qualification = kFinal});
  EXPECT_EQ(left(), kAll);
  tlbs.take(of(0), read(address(0)), {.kind = OutcomeKind::kEptViolation, .qualification = kFinal});
  EXPECT_EQ(left(), kAll & ~1u);
}

TEST_F(Scopes, AnEptViolationOfAGuestTableDropsNothing) {
  tlbs.take(of(0), read(address(0)), {.kind = OutcomeKind::kEptViolation, .qualification = 0x80});
  EXPECT_EQ(left(), kAll);
}

TEST_F(Scopes, LinearAndCombinedMappingsGoApart) {
  tlbs.invalidate({.linear_mappings = false, .vpid = 1});
  EXPECT_EQ(left(), kAll & (kVpid2 | 1u << 16));
  tlbs.invalidate({.combined_mappings = false});
  EXPECT_EQ(left(), kVpid2 & 0xffffu);
}

TEST_F(Scopes, EveryVpidButZeroGoes) {
  Context raw = guest();
  raw.vpid = 0;
  const WalkContext root(raw);
  tlbs.take(root, read(address(17)), translated(address(17)));
  tlbs.invalidate({.keep_vpid_zero = true});
  EXPECT_EQ(left(), 0u);
  tlbs.use(root);
  EXPECT_TRUE(hits(read(address(17))));
}

TEST_F(Scopes, OutcomesThatNothingCachedComesFromDropNothing) {
  for (const OutcomeKind kind : {OutcomeKind::kEptMisconfiguration, OutcomeKind::kPmlFull,
                                 OutcomeKind::kGeneralProtection, OutcomeKind::kSppEvent}) {
    tlbs.take(of(0), read(address(0)), {.kind = kind});
  }
  EXPECT_EQ(left(), kAll);
}

TEST_F(Tlbs, AnEptViolationOfOnePieceLeavesTheOtherPiecesAndAPageFaultTakesAll) {
  const std::uint64_t other = kAddress + k4K;
  walked(read(kAddress), translated(kAddress, PageSize::k2M, PageSize::k4K));
  walked(read(other), translated(other, PageSize::k2M, PageSize::k4K));
  tlbs.take(context, write(kAddress),
            {.kind = OutcomeKind::kEptViolation, .qualification = kFinal});
  EXPECT_FALSE(hits(read(kAddress)));
  EXPECT_TRUE(hits(read(other)));
  tlbs.take(context, write(kAddress), {.kind = OutcomeKind::kPageFault});
  EXPECT_FALSE(hits(read(other)));
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

TEST_F(Tlbs, NothingIsHeldWithCachesOffAndAHitIsUncacheableThen) {
  walked(read(kAddress), translated(kAddress));
  Context raw = guest();
  raw.cr0 |= 1u << 30;
  const WalkContext where(raw);
  tlbs.use(where);
  const TlbHit hit = tlbs.lookup(read(kAddress));
  ASSERT_TRUE(hit);
  EXPECT_EQ(outcome_of(context, *hit.entry, kAddress).memory_type, arch::MemoryType::kWB);
  EXPECT_EQ(outcome_of(where, *hit.entry, kAddress).memory_type, arch::MemoryType::kUC);
  tlbs.take(where, read(kAddress + k4K), translated(kAddress + k4K));
  EXPECT_FALSE(hits(read(kAddress + k4K)));
}

TEST_F(Tlbs, AnEntryOfAnotherSizeForTheAddressGivesWay) {
  Outcome clean = translated(kAddress);
  clean.dirty = false;
  walked(read(kAddress), clean);
  walked(write(kAddress), translated(kAddress, PageSize::k2M, PageSize::k2M));
  EXPECT_TRUE(hits(write(kAddress)));
}

TEST_F(Tlbs, APageWalkedAgainTakesNoSecondPlace) {
  for (std::uint64_t i = 1; i < 4; ++i) {
    walked(read(kAddress + i * 4 * k4K), translated(kAddress + i * 4 * k4K));
  }
  for (int i = 0; i < 4; ++i) walked(read(kAddress), translated(kAddress));
  for (std::uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(level(read(kAddress + i * 4 * k4K)), TlbHitLevel::kFirst) << i;
  }
}

TEST_F(Tlbs, ALevelThatIsOffNeitherHoldsNorCounts) {
  TlbHierarchy one_level(kFirst, kFirst, {}, 1);
  one_level.use(context);
  const TlbHit miss = one_level.lookup(read(kAddress));
  EXPECT_EQ(miss.cycles, 1u);
  one_level.take(context, read(kAddress), translated(kAddress));
  EXPECT_TRUE(one_level.lookup(read(kAddress)));
  EXPECT_EQ(one_level.l2().accesses, 0u);
  EXPECT_EQ(one_level.l1d().hits, 1u);
}

TEST_F(Tlbs, ShadowStackAccessesAlwaysWalk) {
  walked(write(kAddress), translated(kAddress));
  EXPECT_FALSE(hits({.address = kAddress, .access = AccessKind::kShadowStackRead, .user = true}));
  EXPECT_FALSE(hits({.address = kAddress, .access = AccessKind::kShadowStackWrite, .user = true}));
}

}  // namespace
}  // namespace eptsim::mmu
