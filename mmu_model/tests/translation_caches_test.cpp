#include "mmu_model/caches/translation_caches.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "mmu_model/tests/walk_tables.hpp"

/// What a logical processor remembers, access by access: what is answered without a walk, what a
/// walk leaves behind, and what a fault takes away.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGva = 0x0000'5678'9abc'd010;

CacheSettings all_caches() {
  CacheSettings settings;
  settings.l1i = settings.l1d = {.unified = {.entries = 16, .ways = 4}, .hit_cycles = 1};
  settings.l2 = {.unified = {.entries = 64, .ways = 4}, .hit_cycles = 8};
  for (unsigned level = 2; level <= 5; ++level) {
    settings.combined[level] = settings.ept[level] = {.entries = 16, .ways = 4};
  }
  settings.nested_tlb = {.entries = 64, .ways = 4};
  return settings;
}

/// One vCPU over tables that the test writes.
class Machine {
 public:
  explicit Machine(unsigned guest_levels = 4, unsigned ept_levels = 4,
                   const CacheSettings& settings = all_caches())
      : tables(guest_levels, ept_levels), caches(settings) {}

  TranslationCaches::Answer run(const Request& request) {
    const WalkContext where(tables.context);
    NoRecording nothing;
    return caches.translate(where, request, tables.memory, nothing);
  }
  TranslationCaches::Answer run(AccessKind kind, std::uint64_t address, bool user = false) {
    return run(access(kind, address, user));
  }
  CurrentTags tags() const { return current_tags(WalkContext(tables.context)); }
  std::uint64_t ept_root() const { return *tags().ept_root; }
  bool remembers(LookupKind kind, std::uint64_t address) {
    const WalkContext where(tables.context);
    return caches.structures().lookup(kind, address, where) != nullptr;
  }

  WalkTables tables;
  TranslationCaches caches;
};

TEST(TranslationCaches, TheSecondAccessToAPageNeedsNoWalk) {
  Machine machine;
  machine.tables.map(kGva);
  const auto walked = machine.run(AccessKind::kRead, kGva);
  EXPECT_FALSE(walked.tlb_hit);
  EXPECT_EQ(walked.references, 24u);
  const auto hit = machine.run(AccessKind::kRead, kGva);
  EXPECT_TRUE(hit.tlb_hit);
  EXPECT_EQ(hit.references, 0u);
  EXPECT_EQ(describe(hit.outcome), describe(walked.outcome));
}

TEST(TranslationCaches, AHitSaysWhatTheWalkSaidWhateverThePageSizes) {
  for (const unsigned ept_levels : {0u, 4u, 5u}) {
    for (const PageSize guest : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
      for (const PageSize ept : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
        Machine machine(5, ept_levels);
        machine.tables.map(kGva, guest, ept);
        const auto walked = machine.run(AccessKind::kWrite, kGva);
        const auto hit = machine.run(AccessKind::kRead, kGva);
        EXPECT_TRUE(hit.tlb_hit);
        EXPECT_EQ(describe(hit.outcome), describe(walked.outcome));
      }
    }
  }
}

TEST(TranslationCaches, WithoutPagingInEitherDimensionAHitSaysThatToo) {
  for (const unsigned ept_levels : {0u, 4u}) {
    Machine machine(0, ept_levels);
    machine.tables.map(0x12345);
    const auto walked = machine.run(AccessKind::kWrite, 0x12345);
    const auto hit = machine.run(AccessKind::kRead, 0x12345);
    EXPECT_TRUE(hit.tlb_hit);
    EXPECT_EQ(describe(hit.outcome), describe(walked.outcome));
    EXPECT_FALSE(machine.remembers(LookupKind::kCombined, 0x12345));
  }
}

TEST(TranslationCaches, ANeighbouringPageReadsOnlyItsLastEntries) {
  Machine machine;
  machine.tables.map(kGva);
  machine.tables.map(kGva + 0x1000);
  machine.run(AccessKind::kRead, kGva);
  // The combined PDE leads to the guest's leaf; its page lies elsewhere in guest-physical memory.
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva + 0x1000).references, 5u);
  EXPECT_EQ(machine.caches.structures().combined(2).hits, 1u);
  EXPECT_EQ(machine.caches.structures().combined(2).misses, 1u);
  EXPECT_EQ(machine.caches.structures().combined(3).accesses, 1u) << "asked no further after a hit";
}

TEST(TranslationCaches, EachStructureCacheSavesWhatItsLevelSays) {
  for (const unsigned levels : {4u, 5u}) {
    for (unsigned level = 2; level <= levels; ++level) {
      CacheSettings settings;
      settings.combined[level] = {.entries = 4, .ways = 1};
      Machine combined(levels, levels, settings);
      combined.tables.map(kGva);
      combined.run(AccessKind::kRead, kGva);
      EXPECT_EQ(combined.run(AccessKind::kRead, kGva).references, (levels + 1) * (level - 1));
      EXPECT_EQ(combined.caches.structures().combined(level).hits, 1u);

      settings = {};
      settings.ept[level] = {.entries = 16, .ways = 16};
      Machine ept(levels, levels, settings);
      ept.tables.map(kGva);
      ept.run(AccessKind::kRead, kGva);
      const std::uint64_t hits = ept.caches.structures().ept(level).hits;
      EXPECT_EQ(ept.run(AccessKind::kRead, kGva).references, levels + (levels + 1) * (level - 1));
      EXPECT_EQ(ept.caches.structures().ept(level).hits - hits, levels + 1);
    }
    CacheSettings settings;
    settings.nested_tlb = {.entries = 16, .ways = 16};
    Machine nested(levels, levels, settings);
    nested.tables.map(kGva);
    nested.run(AccessKind::kRead, kGva);
    EXPECT_EQ(nested.run(AccessKind::kRead, kGva).references, levels);
    EXPECT_EQ(nested.caches.structures().nested_tlb().hits, levels + 1);
  }
}

TEST(TranslationCaches, AGuestPhysicalRequestUsesGuestPhysicalMappingsAlone) {
  Machine machine;
  const PageAddress page = machine.tables.map(kGva);
  machine.run(AccessKind::kRead, kGva);
  const auto answer = machine.run({.address = page.gpa, .linear = false});
  EXPECT_FALSE(answer.tlb_hit);
  EXPECT_EQ(answer.references, 0u) << "the nested TLB";
  EXPECT_EQ(answer.outcome.hpa, page.hpa);
  EXPECT_EQ(machine.caches.tlbs().l1d().accesses, 1u);
  machine.caches.invalidate(invalidation::invept(InveptType::kSingle, machine.ept_root()));
  EXPECT_EQ(machine.run({.address = page.gpa, .linear = false}).references, 4u);
}

TEST(TranslationCaches, AWriteThroughAnEntryFilledByAReadSetsBothDirtyFlagsFirst) {
  Machine machine;
  machine.tables.context.eptp |= 1u << 6;
  const PageAddress page = machine.tables.map(kGva);
  machine.run(AccessKind::kRead, kGva);
  const std::uint64_t guest = machine.tables.guest_entry(kGva, 1);
  const std::uint64_t ept = machine.tables.ept_entry(page.gpa, 1);
  EXPECT_EQ(machine.tables.memory.at(guest) & (kA | kD), kA);
  EXPECT_EQ(machine.tables.memory.at(ept) & (kEptA | kEptD), kEptA);
  const auto write = machine.run(AccessKind::kWrite, kGva);
  EXPECT_FALSE(write.tlb_hit);
  EXPECT_EQ(machine.tables.memory.at(guest) & (kA | kD), kA | kD);
  EXPECT_EQ(machine.tables.memory.at(ept) & (kEptA | kEptD), kEptA | kEptD);
  EXPECT_TRUE(machine.run(AccessKind::kWrite, kGva).tlb_hit);
}

TEST(TranslationCaches, ARightGainedInEitherDimensionIsSeenAfterOneWalk) {
  Machine machine;
  const PageAddress page = machine.tables.map(kGva);
  machine.tables.clear(machine.tables.guest_entry(kGva, 1), kU);
  machine.tables.clear(machine.tables.ept_entry(page.gpa, 3), kW);
  machine.run(AccessKind::kRead, kGva);
  machine.tables.set(machine.tables.guest_entry(kGva, 1), kU);
  machine.tables.set(machine.tables.ept_entry(page.gpa, 3), kW);
  EXPECT_EQ(machine.run(AccessKind::kWrite, kGva, true).outcome.kind, OutcomeKind::kTranslated);
  EXPECT_TRUE(machine.run(AccessKind::kWrite, kGva, true).tlb_hit);
}

TEST(TranslationCaches, ARightLostIsSeenAfterItsInvalidationAndNotBefore) {
  Machine machine;
  const PageAddress page = machine.tables.map(kGva);
  machine.run(AccessKind::kWrite, kGva);
  machine.tables.clear(machine.tables.ept_entry(page.gpa, 1), kW);
  EXPECT_TRUE(machine.run(AccessKind::kWrite, kGva).tlb_hit) << "stale";
  machine.caches.invalidate(invalidation::invlpg(machine.tags(), kGva));
  EXPECT_EQ(machine.run(AccessKind::kWrite, kGva).outcome.kind, OutcomeKind::kTranslated)
      << "stale still: the nested TLB holds no linear address";
  machine.caches.invalidate(invalidation::invept(InveptType::kSingle, machine.ept_root()));
  EXPECT_EQ(machine.run(AccessKind::kWrite, kGva).outcome.kind, OutcomeKind::kEptViolation);

  machine.tables.set(machine.tables.ept_entry(page.gpa, 1), kW);
  machine.run(AccessKind::kWrite, kGva);
  machine.tables.clear(machine.tables.guest_entry(kGva, 2), kP);
  EXPECT_TRUE(machine.run(AccessKind::kWrite, kGva).tlb_hit) << "stale";
  machine.caches.invalidate(invalidation::invlpg(machine.tags(), kGva));
  EXPECT_EQ(machine.run(AccessKind::kWrite, kGva).outcome.kind, OutcomeKind::kPageFault);
}

TEST(TranslationCaches, ATableThatMovedIsFollowedToItsOldPlaceUntilTheInvalidation) {
  // Guest PDE: the TLB entry goes with another page's invalidation, its structure entries stay.
  Machine machine;
  const PageAddress old_page = machine.tables.map(kGva);
  machine.tables.map(kGva + 0x1000);
  machine.run(AccessKind::kRead, kGva + 0x1000);
  machine.tables.memory.put(machine.tables.guest_entry(kGva, 2), 0);
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.hpa, old_page.hpa) << "stale";
  machine.caches.invalidate(
      invalidation::invpcid(machine.tags(), InvpcidType::kSingle, machine.tags().pcid, 0));
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.kind, OutcomeKind::kPageFault);
}

TEST(TranslationCaches, APageFaultRemovesTheStructureEntriesThatLedToIt) {
  // Software makes a table elsewhere and forgets INVLPG. The stale PDE leads to a page fault once.
  Machine machine;
  machine.tables.map(kGva + 0x1000);
  machine.run(AccessKind::kRead, kGva + 0x1000);
  const std::uint64_t pde = machine.tables.guest_entry(kGva, 2);
  machine.tables.memory.put(pde, 0);
  const PageAddress page = machine.tables.map(kGva);
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.kind, OutcomeKind::kPageFault);
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.hpa, page.hpa);
}

TEST(TranslationCaches, AnEptViolationRemovesWhatLedToIt) {
  // The same in the EPT: a page table replaced without INVEPT.
  Machine machine(0, 4);
  const PageAddress old_page = machine.tables.map(0x5000);
  machine.run(AccessKind::kRead, 0x5000);
  const std::uint64_t pde = machine.tables.ept_entry(0x5000, 2);
  machine.tables.memory.put(pde, 0);
  const PageAddress page = machine.tables.map(0x6000);
  EXPECT_TRUE(machine.remembers(LookupKind::kEptStructure, 0x6000));
  EXPECT_EQ(machine.run(AccessKind::kRead, 0x6000).outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_FALSE(machine.remembers(LookupKind::kEptStructure, 0x6000));
  EXPECT_EQ(machine.run(AccessKind::kRead, 0x6000).outcome.hpa, page.hpa);
  EXPECT_TRUE(machine.remembers(LookupKind::kNestedTlb, 0x5000)) << "another page's";
  EXPECT_EQ(machine.run(AccessKind::kRead, 0x5000).outcome.hpa, old_page.hpa);
}

TEST(TranslationCaches, AnEptViolationOfNoLinearAddressRemovesGuestPhysicalMappingsAlone) {
  Machine machine;
  machine.tables.map(kGva);
  machine.run(AccessKind::kRead, kGva);  // sets the accessed flags
  const std::uint64_t table = machine.tables.guest_entry_gpa(kGva, 1);
  machine.tables.clear(machine.tables.ept_entry(table, 1), kW);
  machine.caches.invalidate(invalidation::reset());
  machine.run(AccessKind::kRead, kGva);
  EXPECT_TRUE(machine.remembers(LookupKind::kNestedTlb, table));
  const Request write{.address = table, .linear = false, .access = AccessKind::kWrite};
  EXPECT_EQ(machine.run(write).outcome.kind, OutcomeKind::kEptViolation);
  EXPECT_FALSE(machine.remembers(LookupKind::kNestedTlb, table));
  EXPECT_TRUE(machine.run(AccessKind::kRead, kGva).tlb_hit);
  EXPECT_TRUE(machine.remembers(LookupKind::kCombined, kGva));
}

TEST(TranslationCaches, AWalkThatFaultsLeavesNoTranslationOfItsAddress) {
  // The EPT leaf is not present; is misconfigured: writable and not readable; a reserved bit.
  for (unsigned fault = 0; fault < 3; ++fault) {
    Machine machine;
    const PageAddress page = machine.tables.map(kGva);
    const std::uint64_t leaf = machine.tables.ept_entry(page.gpa, 1);
    const std::uint64_t good = machine.tables.memory.at(leaf);
    const std::uint64_t bad[] = {0, good & ~kR, good | 1ull << 51};
    machine.tables.memory.put(leaf, bad[fault]);
    EXPECT_NE(machine.run(AccessKind::kRead, kGva).outcome.kind, OutcomeKind::kTranslated);
    EXPECT_FALSE(machine.remembers(LookupKind::kCombined, kGva));
    EXPECT_FALSE(machine.remembers(LookupKind::kNestedTlb, page.gpa));
    machine.tables.memory.put(leaf, good);
    EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.hpa, page.hpa);
  }
}

TEST(TranslationCaches, AFlagUpdateThatFailsLeavesNothingOfTheEntryAsItWas) {
  // Between the walk's read of the EPT leaf and its flag update, software moves the page.
  Machine machine;
  machine.tables.context.eptp |= 1u << 6;
  const PageAddress page = machine.tables.map(kGva);
  const std::uint64_t leaf = machine.tables.ept_entry(page.gpa, 1);
  const std::uint64_t moved = (machine.tables.memory.at(leaf) & 0xfff) | 0x1234'5000;
  machine.tables.memory.before_swap = [&](std::uint64_t address) {
    if (address == leaf) machine.tables.memory.words[leaf] = moved;
  };
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.hpa, 0x1234'5010u);
  EXPECT_EQ(machine.run(AccessKind::kRead, kGva).outcome.hpa, 0x1234'5010u);
  EXPECT_EQ(machine.run({.address = page.gpa, .linear = false}).outcome.hpa, 0x1234'5010u);
}

TEST(TranslationCaches, AnEptLevelThatTheWalkDoesNotHaveNeverAnswers) {
  // One root used with 5 levels and then, after a forgotten INVEPT, with 4.
  Machine machine(0, 5);
  machine.tables.map(0x5000);
  machine.run(AccessKind::kRead, 0x5000);
  const std::uint64_t elsewhere = 1ull << 39;
  EXPECT_TRUE(machine.remembers(LookupKind::kEptStructure, elsewhere));
  machine.tables.context.eptp ^= 0x18 ^ 0x20;
  EXPECT_FALSE(machine.remembers(LookupKind::kEptStructure, elsewhere));
}

TEST(TranslationCaches, ANestedEntryOfAnotherSizeGivesWay) {
  for (const bool grows : {false, true}) {
    CacheSettings settings;
    settings.nested_tlb = {.entries = 8, .ways = 8};
    Machine machine(0, 4, settings);
    const std::uint64_t small = 0x20'3000, region = 0x20'0000;
    const auto map = [&](bool large) {
      machine.tables.memory.put(machine.tables.ept_entry(region, 2), 0);
      if (large) {
        machine.tables.map_ept(region, 0x8000'0000, PageSize::k2M);
      } else {
        machine.tables.map_ept(small, 0x9000'0000, PageSize::k4K);
      }
    };
    machine.tables.map(small, PageSize::k4K, grows ? PageSize::k4K : PageSize::k2M);
    machine.run(AccessKind::kRead, small);
    // Rights that the old entry lacks make a walk; what it finds is all that answers afterwards.
    const std::uint64_t entry = machine.tables.ept_entry(small, grows ? 1 : 2);
    machine.caches.invalidate(invalidation::reset());
    machine.tables.clear(entry, kW);
    machine.run(AccessKind::kRead, small);
    map(grows);
    const std::uint64_t hpa = grows ? 0x8000'3000 : 0x9000'0000;
    EXPECT_NE(machine.run(AccessKind::kRead, small).outcome.hpa, hpa) << "stale";
    EXPECT_EQ(machine.run(AccessKind::kWrite, small).outcome.hpa, hpa);
    EXPECT_EQ(machine.run(AccessKind::kRead, small).outcome.hpa, hpa);
  }
}

TEST(TranslationCaches, WithoutAnyCacheEveryAccessIsAWholeWalk) {
  Machine machine(4, 4, {});
  machine.tables.map(kGva);
  for (int i = 0; i < 3; ++i) {
    const auto answer = machine.run(AccessKind::kRead, kGva);
    EXPECT_FALSE(answer.tlb_hit);
    EXPECT_EQ(answer.references, 24u);
  }
}

TEST(TranslationCaches, AFaultRemovesEverythingIfEveryInvalidationDoes) {
  for (const bool over : {false, true}) {
    CacheSettings settings = all_caches();
    settings.over_invalidate = over;
    Machine machine(4, 4, settings);
    machine.tables.map(kGva);
    machine.run(AccessKind::kRead, kGva);
    EXPECT_EQ(machine.run(AccessKind::kRead, kGva + (1ull << 40)).outcome.kind,
              OutcomeKind::kPageFault);
    EXPECT_EQ(machine.run(AccessKind::kRead, kGva).tlb_hit, !over);
  }
}

}  // namespace
}  // namespace eptsim::mmu::test
