#include "mmu_model/tests/tlb_bench.hpp"

#include <gtest/gtest.h>

#include <cstdint>

/// Which accesses an entry answers, and which walk: rights, keys, dirty flags (SDM 31.4.2).
namespace eptsim::mmu::test {
namespace {

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

TEST_F(Tlbs, WhatAControlAsksThatTheEntrysWalkWasNotAskedWalks) {
  // No change of these controls calls for an INVEPT.
  walked(fetch(kAddress), translated(kAddress));
  Context raw = guest();
  raw.controls.mode_based_execute = true;
  const WalkContext with_mode(raw);
  tlbs.use(with_mode);
  EXPECT_FALSE(hits(fetch(kAddress))) << "of a user-mode address nothing is known";
  EXPECT_TRUE(hits(read(kAddress)));
  tlbs.take(with_mode, fetch(kAddress), translated(kAddress));
  EXPECT_TRUE(hits(fetch(kAddress)));

  raw = guest();
  raw.controls.paging_write = raw.controls.guest_paging_verification = true;
  const WalkContext verifying(raw);
  tlbs.use(verifying);
  EXPECT_FALSE(hits(read(kAddress)));
  tlbs.take(verifying, read(kAddress), translated(kAddress));
  EXPECT_TRUE(hits(read(kAddress)));
  tlbs.use(context);
  EXPECT_TRUE(hits(fetch(kAddress)));
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

TEST_F(Tlbs, ShadowStackAccessesAlwaysWalk) {
  walked(write(kAddress), translated(kAddress));
  EXPECT_FALSE(hits({.address = kAddress, .access = AccessKind::kShadowStackRead, .user = true}));
  EXPECT_FALSE(hits({.address = kAddress, .access = AccessKind::kShadowStackWrite, .user = true}));
}

}  // namespace
}  // namespace eptsim::mmu::test
