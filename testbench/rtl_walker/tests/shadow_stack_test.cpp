#include <gtest/gtest.h>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

/// Shadow-stack accesses: the guest's rules (SDM 5.6), and supervisor shadow-stack control of the
/// EPT (SDM 31.3.3.2).
namespace eptsim::tb {
namespace {

using arch::AccessKind;
using mmu::OutcomeKind;
using mmu::Place;
using mmu::Reason;

constexpr std::uint64_t kControl = 1 << 7;  // of the EPTP
constexpr std::uint64_t kSss = 1ull << 60;  // of an EPT leaf
constexpr std::uint32_t kPresent = 1, kWrite = 2, kUser = 4, kKey = 32, kShadow = 64;

class ShadowStack : public NestedTables {
 protected:
  ShadowStack() {
    context.cr4 |= 1 << 23;  // CET
    context.cpu.supervisor_shadow_stack = true;
    guest(1) &= ~kRw;
  }
  void supervisor() {
    request.user = false;
    for (unsigned level = 1; level <= 4; ++level) guest(level) &= ~kUs;
  }
  std::uint32_t fault(AccessKind access) {
    const FinishedWalk walked = walk(access);
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kPageFault);
    return walked.outcome().error_code;
  }
};

TEST_F(ShadowStack, AReadOnlyDirtyPageUnderWritableEntriesIsOne) {
  for (AccessKind access : {AccessKind::kShadowStackRead, AccessKind::kShadowStackWrite}) {
    const FinishedWalk walked = walk(access);
    EXPECT_EQ(walked.outcome().kind, OutcomeKind::kTranslated);
    EXPECT_TRUE(walked.outcome().shadow_stack);
    EXPECT_TRUE(walked.swaps().empty());
  }
  EXPECT_TRUE(walk(AccessKind::kRead).outcome().shadow_stack);
  EXPECT_EQ(fault(AccessKind::kWrite), kPresent | kWrite | kUser);
}

TEST_F(ShadowStack, AnyOtherPageRefusesIt) {
  guest(1) |= kRw;
  EXPECT_EQ(fault(AccessKind::kShadowStackRead), kPresent | kUser | kShadow);
  EXPECT_EQ(fault(AccessKind::kShadowStackWrite), kPresent | kWrite | kUser | kShadow);
  guest(1) &= ~(kRw | kD);
  const FinishedWalk walked = walk(AccessKind::kShadowStackWrite);
  EXPECT_EQ(walked.outcome().reason, Reason::kGuestShadowStack);
  EXPECT_TRUE(walked.swaps().empty()) << "no dirty flag makes it one";
  guest(1) |= kD;
  for (unsigned level = 2; level <= 4; ++level) {
    guest(level) &= ~kRw;
    EXPECT_EQ(fault(AccessKind::kShadowStackRead), kPresent | kUser | kShadow) << level;
    EXPECT_FALSE(walk(AccessKind::kRead).outcome().shadow_stack);
    guest(level) |= kRw;
  }
  guest(2) = 0;
  EXPECT_EQ(fault(AccessKind::kShadowStackRead), kUser | kShadow);
}

TEST_F(ShadowStack, ThePageBelongsToTheModeOfTheAccess) {
  request.user = false;
  EXPECT_EQ(fault(AccessKind::kShadowStackRead), kPresent | kShadow);
  EXPECT_EQ(walk().outcome().reason, Reason::kGuestShadowStack);
  guest(3) &= ~kUs;
  EXPECT_EQ(walk().outcome().kind, OutcomeKind::kTranslated);
  request.user = true;
  EXPECT_EQ(fault(AccessKind::kShadowStackRead), kPresent | kUser | kShadow);
  EXPECT_EQ(walk().outcome().place, (Place{3, 0}));
}

TEST_F(ShadowStack, ProtectionKeysApplyAndSmapDoesNot) {
  context.cr4 |= 1 << 22 | 1 << 21;  // PKE, SMAP
  guest(1) |= 3ull << 59;
  EXPECT_EQ(walk(AccessKind::kShadowStackWrite).outcome().kind, OutcomeKind::kTranslated);
  context.pkru = 2 << 6;
  EXPECT_EQ(fault(AccessKind::kShadowStackWrite), kPresent | kWrite | kUser | kKey | kShadow);
  EXPECT_EQ(walk(AccessKind::kShadowStackRead).outcome().kind, OutcomeKind::kTranslated);
  supervisor();
  EXPECT_EQ(walk(AccessKind::kShadowStackWrite).outcome().kind, OutcomeKind::kTranslated);
}

TEST_F(ShadowStack, WithoutTheControlItIsADataAccessToTheEpt) {
  supervisor();
  ept_leaf() |= kSss;
  ept_leaf() &= ~kW;
  EXPECT_EQ(walk(AccessKind::kShadowStackRead).outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(walk(AccessKind::kShadowStackWrite).outcome().qualification, 0x21aau);
}

TEST_F(ShadowStack, WithTheControlTheLeafsOwnBitDecides) {
  supervisor();
  context.eptp |= kControl;
  const FinishedWalk walked = walk(AccessKind::kShadowStackRead);
  EXPECT_EQ(walked.outcome().kind, OutcomeKind::kEptViolation);
  EXPECT_EQ(walked.outcome().qualification, 0x21b9u);
  EXPECT_EQ(walked.outcome().reason, Reason::kEptShadowStack);
  EXPECT_EQ(walked.outcome().place, (Place{0, 1}));
  ept_leaf() |= kSss;
  ept_leaf() &= ~kW;
  for (AccessKind access : {AccessKind::kShadowStackRead, AccessKind::kShadowStackWrite}) {
    EXPECT_EQ(walk(access).outcome().kind, OutcomeKind::kTranslated);
    EXPECT_TRUE(walk(access).outcome().ept_rights.supervisor_shadow_stack);
  }
  bench.memory[ept_entry(3)] &= ~kW;
  const FinishedWalk above = walk(AccessKind::kShadowStackRead);
  EXPECT_EQ(above.outcome().qualification, 0x61a9u);
  EXPECT_EQ(above.outcome().place, (Place{0, 3}));
  EXPECT_EQ(above.outcome().entry_address, ept_entry(3));
}

TEST_F(ShadowStack, UserShadowStacksAndOrdinaryAccessesDoNotLookAtTheLeafsBit) {
  context.eptp |= kControl;
  EXPECT_EQ(walk(AccessKind::kShadowStackWrite).outcome().kind, OutcomeKind::kTranslated);
  EXPECT_EQ(walk(AccessKind::kRead).outcome().kind, OutcomeKind::kTranslated);
  ept_leaf() &= ~kW;
  EXPECT_EQ(walk(AccessKind::kShadowStackWrite).outcome().qualification, 0x21aau);
  guest(1) |= kRw;
  ept_leaf() |= kSss;
  EXPECT_EQ(walk(AccessKind::kWrite).outcome().qualification, 0x41aau)
      << "an ordinary write to a shadow-stack page of the EPT needs its write access";
}

TEST_F(ShadowStack, TheQualificationHasTheLeafsBitWhereALeafWasReached) {
  ept_leaf() = (ept_leaf() | kSss) & ~kX;
  EXPECT_EQ(walk(AccessKind::kFetch).outcome().qualification, 0x19cu) << "without the control";
  context.eptp |= kControl;
  EXPECT_EQ(walk(AccessKind::kFetch).outcome().qualification, 0x419cu);
  ept_leaf() &= ~kSss;
  EXPECT_EQ(walk(AccessKind::kFetch).outcome().qualification, 0x19cu);
  ept_leaf() = kSss;
  EXPECT_EQ(walk(AccessKind::kFetch).outcome().qualification, 0x184u) << "no leaf";
}

}  // namespace
}  // namespace eptsim::tb
