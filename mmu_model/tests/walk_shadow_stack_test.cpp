#include <gtest/gtest.h>

#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Shadow-stack accesses: what guest paging makes a shadow-stack page, and what the EPT has to say
// with supervisor shadow-stack control.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x7123'4567'89a8;
constexpr std::uint64_t kCet = 1u << 23, kSmap = 1u << 21, kPke = 1u << 22, kPks = 1u << 24;
constexpr std::uint64_t kSss = 1ull << 60;  // EPT leaf
constexpr auto kSsRead = AccessKind::kShadowStackRead;
constexpr auto kSsWrite = AccessKind::kShadowStackWrite;
// Error code bits.
constexpr std::uint32_t eP = 1, eW = 2, eU = 4, eR = 8, eK = 32, eS = 64;

/// A guest whose page at kGva is a shadow-stack page: read-only and dirty.
WalkTables with_shadow_stack(bool user, unsigned ept_levels = 4) {
  WalkTables tables(4, ept_levels);
  tables.context.cr4 |= kCet;
  tables.map(kGva);
  tables.clear(tables.guest_entry(kGva, 1), kGuestW | (user ? 0 : kU));
  tables.set(tables.guest_entry(kGva, 1), kD);
  return tables;
}

void expect_fault(const TranslateResult& result, std::uint32_t code, Reason reason) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kPageFault) << describe(result.outcome);
  EXPECT_EQ(result.outcome.error_code, code);
  EXPECT_EQ(result.outcome.reason, reason);
}
void expect_ok(const TranslateResult& result) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kTranslated) << describe(result.outcome);
}
void expect_violation(const TranslateResult& result, std::uint64_t qualification, Reason reason) {
  EXPECT_EQ(result.outcome.kind, OutcomeKind::kEptViolation) << describe(result.outcome);
  EXPECT_EQ(result.outcome.qualification, qualification);
  EXPECT_EQ(result.outcome.reason, reason);
}

TEST(WalkShadowStack, OnlyAReadOnlyDirtyPageOfTheSameModeTakesShadowStackAccesses) {
  for (const bool user : {false, true}) {
    for (const AccessKind kind : {kSsRead, kSsWrite}) {
      for (unsigned bits = 0; bits < 16; ++bits) {
        WalkTables tables = with_shadow_stack(user, 0);
        const std::uint64_t leaf = tables.guest_entry(kGva, 1);
        const bool writable = (bits & 1) != 0, dirty = (bits & 2) != 0, user_page = (bits & 4) != 0;
        const bool upper_read_only = (bits & 8) != 0;
        tables.clear(leaf, kGuestW | kD | kU);
        tables.set(leaf, (writable ? kGuestW : 0) | (dirty ? kD : 0) | (user_page ? kU : 0));
        if (upper_read_only) tables.clear(tables.guest_entry(kGva, 3), kGuestW);
        const TranslateResult result = tables.run(access(kind, kGva, user));
        const std::uint32_t code = eP | eS | (kind == kSsWrite ? eW : 0) | (user ? eU : 0);
        if (user && !user_page) {
          expect_fault(result, code, Reason::kGuestSupervisorPage);
        } else if (user != user_page || writable || !dirty || upper_read_only) {
          expect_fault(result, code, Reason::kGuestShadowStack);
        } else {
          expect_ok(result);
          EXPECT_TRUE(result.outcome.shadow_stack);
        }
        EXPECT_EQ(tables.recording.writes.size(), 4u) << "accessed flags, and never a dirty one";
      }
    }
  }
}

TEST(WalkShadowStack, OtherAccessesSeeAReadOnlyPage) {
  for (const bool user : {false, true}) {
    WalkTables tables = with_shadow_stack(user);
    const TranslateResult read = tables.run(access(AccessKind::kRead, kGva, user));
    expect_ok(read);
    EXPECT_TRUE(read.outcome.shadow_stack);
    expect_fault(tables.run(access(AccessKind::kWrite, kGva, user)), eP | eW | (user ? eU : 0),
                 Reason::kGuestNotWritable);
  }
}

TEST(WalkShadowStack, FaultsBeforeTheRightsTellTheKindOfAccessToo) {
  WalkTables tables = with_shadow_stack(true);
  tables.memory.put(tables.guest_entry(kGva, 2), 0);
  expect_fault(tables.run(access(kSsWrite, kGva, true)), eW | eU | eS, Reason::kGuestNotPresent);
  tables.memory.put(tables.guest_entry(kGva, 2), kP | 1ull << 50);
  expect_fault(tables.run(access(kSsRead, kGva)), eP | eS | eR, Reason::kGuestReservedBit);
}

TEST(WalkShadowStack, ProtectionKeysApplyAsToDataAccessesAndSmapDoesNot) {
  WalkTables user = with_shadow_stack(true);
  user.context.cr4 |= kPke | kSmap;
  user.set(user.guest_entry(kGva, 1), 5ull << 59);
  user.context.pkru = 2u << 10;  // key 5: no writes
  expect_ok(user.run(access(kSsRead, kGva, true)));
  expect_fault(user.run(access(kSsWrite, kGva, true)), eP | eW | eU | eS | eK,
               Reason::kGuestProtectionKey);
  user.context.pkru = 1u << 10;  // no access
  expect_fault(user.run(access(kSsRead, kGva, true)), eP | eU | eS | eK,
               Reason::kGuestProtectionKey);
  // The key tells even where the page is of the wrong mode.
  expect_fault(user.run(access(kSsRead, kGva, false)), eP | eS | eK, Reason::kGuestProtectionKey);

  WalkTables supervisor = with_shadow_stack(false);
  supervisor.context.cr4 |= kPks | kSmap;
  supervisor.context.pkrs = 2;  // key 0
  expect_ok(supervisor.run(access(kSsRead, kGva)));
  expect_fault(supervisor.run(access(kSsWrite, kGva)), eP | eW | eS | eK,
               Reason::kGuestProtectionKey);
}

TEST(WalkShadowStack, AnImplicitAccessIsOneOfTheSupervisor) {
  WalkTables tables = with_shadow_stack(false);
  Request request = access(kSsRead, kGva, true);
  request.implicit = true;
  expect_ok(tables.run(request));
}

// --- The EPT -------------------------------------------------------------------------------------

/// The EPT leaf of the page of a guest with a shadow stack, and its tables.
struct Nested {
  explicit Nested(bool user, bool control)
      : tables(with_shadow_stack(user)),
        gpa(tables.run(access(AccessKind::kRead, kGva)).outcome.gpa) {
    tables.context.cpu.supervisor_shadow_stack = true;
    if (control) tables.context.eptp |= 1u << 7;
    leaf = tables.ept_entry(gpa, 1);
  }
  TranslateResult run(AccessKind kind, bool user = false) {
    return tables.run(access(kind, kGva, user));
  }
  WalkTables tables;
  std::uint64_t gpa;
  std::uint64_t leaf = 0;
};

TEST(WalkShadowStack, WithoutTheControlTheEptSeesReadsAndWrites) {
  for (const bool user : {false, true}) {
    Nested nested(user, false);
    expect_ok(nested.run(kSsRead, user));
    expect_ok(nested.run(kSsWrite, user));
    nested.tables.clear(nested.leaf, kW);
    nested.tables.set(nested.leaf, kSss);
    expect_ok(nested.run(kSsRead, user));
    // Bit 13 tells of shadow stacks; bit 14 is of the control.
    expect_violation(nested.run(kSsWrite, user), 0x21aa, Reason::kEptNotWritable);
    nested.tables.memory.put(nested.leaf, 0);
    expect_violation(nested.run(kSsRead, user), 0x2181, Reason::kEptNotPresent);
  }
}

TEST(WalkShadowStack, WithTheControlTheLeafsOwnBitDecidesForTheSupervisor) {
  for (const AccessKind kind : {kSsRead, kSsWrite}) {
    const std::uint64_t bit = kind == kSsRead ? 1 : 2;
    Nested nested(false, true);
    // RWX without bit 60.
    expect_violation(nested.run(kind), 0x21b8 | bit, Reason::kEptShadowStack);
    nested.tables.set(nested.leaf, kSss);
    expect_ok(nested.run(kind));
    nested.tables.clear(nested.leaf, kW);
    const TranslateResult read_only = nested.run(kind);
    expect_ok(read_only);
    EXPECT_TRUE(read_only.outcome.ept_rights.supervisor_shadow_stack);
    EXPECT_FALSE(read_only.outcome.ept_rights.write);
    nested.tables.clear(nested.leaf, kR);  // executable alone
    expect_violation(nested.run(kind), 0x61a0 | bit, Reason::kEptShadowStack);
  }
}

TEST(WalkShadowStack, EntriesAboveTheLeafMustAllowReadsAndWrites) {
  for (unsigned level = 2; level <= 4; ++level) {
    for (const AccessKind kind : {kSsRead, kSsWrite}) {
      const std::uint64_t bit = kind == kSsRead ? 1 : 2;
      Nested nested(false, true);
      nested.tables.set(nested.leaf, kSss);
      const std::uint64_t entry = nested.tables.ept_entry(nested.gpa, level);
      nested.tables.set(entry, kSss);  // bit 60 means nothing here
      nested.tables.clear(entry, kW);
      TranslateResult result = nested.run(kind);
      expect_violation(result, 0x61a8 | bit, Reason::kEptShadowStack);
      EXPECT_EQ(result.outcome.place, (Place{0, static_cast<std::uint8_t>(level)}));
      nested.tables.clear(entry, kR);
      expect_violation(nested.run(kind), 0x61a0 | bit, Reason::kEptShadowStack);
    }
  }
}

TEST(WalkShadowStack, TheControlLeavesUserShadowStacksAlone) {
  Nested nested(true, true);
  expect_ok(nested.run(kSsWrite, true));
  nested.tables.clear(nested.leaf, kW);
  nested.tables.set(nested.leaf, kSss);
  expect_ok(nested.run(kSsRead, true));
  expect_violation(nested.run(kSsWrite, true), 0x61aa, Reason::kEptNotWritable);
}

TEST(WalkShadowStack, AnOrdinaryWriteToAShadowStackPageOfTheEptIsAViolation) {
  Nested nested(false, true);
  nested.tables.clear(nested.tables.guest_entry(kGva, 1), kD);
  nested.tables.set(nested.tables.guest_entry(kGva, 1), kGuestW);
  nested.tables.clear(nested.leaf, kW);
  nested.tables.set(nested.leaf, kSss);
  expect_violation(nested.run(AccessKind::kWrite), 0x41aa, Reason::kEptNotWritable);
}

TEST(WalkShadowStack, Bit14IsOfTheLeafOfWhateverPageTheViolationIsAbout) {
  Nested nested(false, true);
  const std::uint64_t table = nested.tables.guest_entry_gpa(kGva, 1);
  const std::uint64_t leaf = nested.tables.ept_entry(table, 1);
  nested.tables.clear(leaf, kR | kW);
  nested.tables.set(leaf, kSss);
  expect_violation(nested.run(kSsRead), 0x40a1, Reason::kEptNotReadable);
  nested.tables.memory.put(leaf, kSss);  // not present: no leaf was reached
  expect_violation(nested.run(kSsRead), 0x81, Reason::kEptNotPresent);
}

TEST(WalkShadowStack, AWriteMarksTheEptPageDirty) {
  Nested nested(false, true);
  nested.tables.context.eptp |= 1u << 6;
  nested.tables.clear(nested.leaf, kW);
  nested.tables.set(nested.leaf, kSss);
  expect_ok(nested.run(kSsRead));
  EXPECT_EQ(nested.tables.memory.at(nested.leaf) & (kEptA | kEptD), kEptA);
  expect_ok(nested.run(kSsWrite));
  EXPECT_EQ(nested.tables.memory.at(nested.leaf) & (kEptA | kEptD), kEptA | kEptD);
}

TEST(WalkShadowStack, WithoutPagingTheEptAloneDecides) {
  for (const bool linear : {true, false}) {
    WalkTables tables(0, 4);
    tables.context.cr0 |= 1u << 16;
    tables.context.cr4 |= kCet;
    tables.context.cpu.supervisor_shadow_stack = true;
    tables.context.eptp |= 1u << 7;
    const PageAddress page = tables.map(0x1234'5678);
    Request request = access(kSsWrite, page.gva);
    request.linear = linear;
    expect_violation(tables.run(request), linear ? 0x21ba : 0x203a, Reason::kEptShadowStack);
    tables.set(tables.ept_entry(page.gpa, 1), kSss);
    expect_ok(tables.run(request));
  }
}

TEST(WalkShadowStack, APageThatChangesUnderItsSwapIsJudgedAnew) {
  WalkTables guest = with_shadow_stack(false);
  const std::uint64_t leaf = guest.guest_entry(kGva, 1);
  guest.memory.before_swap = [&](std::uint64_t address) {
    if (address == leaf) guest.clear(leaf, kD);
  };
  expect_fault(guest.run(access(kSsWrite, kGva)), eP | eW | eS, Reason::kGuestShadowStack);

  Nested nested(false, true);
  nested.tables.context.eptp |= 1u << 6;
  nested.tables.set(nested.leaf, kSss);
  nested.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == nested.leaf) nested.tables.clear(nested.leaf, kSss);
  };
  expect_violation(nested.run(kSsRead), 0x21b9, Reason::kEptShadowStack);
}

TEST(WalkShadowStack, AHitCarriesWhatTheSkippedEntriesAllow) {
  // Level 3 of the EPT forbids writes, and with them supervisor shadow stacks; a data read caches
  // everything.
  for (const bool allowed : {true, false}) {
    Nested nested(false, true);
    nested.tables.set(nested.leaf, kSss);
    nested.tables.clear(nested.leaf, kW);
    if (!allowed) nested.tables.clear(nested.tables.ept_entry(nested.gpa, 3), kW);
    ToyCaches caches;
    run_cached(nested.tables, access(AccessKind::kRead, kGva), caches);
    for (const LookupKind only : {LookupKind::kNestedTlb, LookupKind::kEptStructure}) {
      caches.admit = [only](const CachedEntry& entry) { return entry.kind == only; };
      const CachedResult result = run_cached(nested.tables, access(kSsRead, kGva), caches);
      EXPECT_EQ(result.outcome.kind,
                allowed ? OutcomeKind::kTranslated : OutcomeKind::kEptViolation);
      if (allowed) {
        EXPECT_LT(result.references, 24u);
      } else {
        EXPECT_EQ(result.outcome.qualification, 0x61a9u);
        EXPECT_GT(result.references, 24u) << "asked again, without the caches";
      }
    }
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
