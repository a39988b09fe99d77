#include "mmu_model/tests/tlb_bench.hpp"

#include <gtest/gtest.h>

#include <cstdint>

/// What takes entries away, and what stays (SDM 31.4.3).
namespace eptsim::mmu::test {
namespace {

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

}  // namespace
}  // namespace eptsim::mmu::test
