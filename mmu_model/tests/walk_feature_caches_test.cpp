#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "mmu_model/tests/walk_tables.hpp"
#include "mmu_model/tests/walk_toy_caches.hpp"

// Every optional feature at once, in random mixes: walks that may ask caches against walks that may
// not. Outcomes, stores and the PML index must be the same.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kLog = 0x1000, kInfo = 0x2000, kSppRoot = 0x3000;  // of host memory

struct Machine {
  WalkTables tables;
  std::vector<std::uint64_t> pages;  ///< linear addresses that are mapped
};

PageSize any_size(Random& random) {
  const PageSize sizes[] = {PageSize::k4K, PageSize::k4K, PageSize::k4K, PageSize::k2M};
  return sizes[random.next() % 4];
}

void switch_features_on(Random& random, Context& context) {
  Controls& controls = context.controls;
  context.cr4 |= 1u << 23;  // CET
  for (const unsigned bit : {7u, 20u, 21u, 22u, 24u}) {
    if (random.one_in(8)) context.cr4 |= 1ull << bit;
  }
  context.cr0 |= 1u << 16;
  if (!random.one_in(3)) context.eptp |= 1u << 6;
  context.cpu.supervisor_shadow_stack = true;
  if (random.one_in(2)) context.eptp |= 1u << 7;
  context.cpu.advanced_exit_info = random.one_in(2);
  controls.mode_based_execute = random.one_in(3);
  controls.pml = random.one_in(2);
  controls.paging_write = !random.one_in(3);
  controls.guest_paging_verification = random.one_in(2);
  controls.hlat = random.one_in(2);
  controls.sub_page_permission = !random.one_in(4);
  controls.ept_violation_ve = random.one_in(3);
  context.hlat_prefix_size = random.one_in(2);
  context.pml_address = kLog;
  context.ve_info_address = kInfo;
  context.sppt_pointer = kSppRoot;
  context.pkru = static_cast<std::uint32_t>(random.next() & random.next() & random.next());
}

/// Maps a page, sometimes as a shadow stack, and gives it sub-page permissions.
void map_page(Random& random, WalkTables& tables, std::uint64_t gva, PageSize size) {
  const PageSize ept_size = any_size(random);
  const PageAddress page = tables.map(gva, size, ept_size);
  if (random.one_in(3)) tables.clear(tables.ept_entry(page.gpa, arch::leaf_level(ept_size)), kW);
  // One table for each level of the sub-page permissions; a random vector for each page.
  const auto entry = [&](unsigned level) {
    return kSppRoot + (4 - level) * 0x1000 + (page.gpa >> (12 + 9 * (level - 1)) & 511) * 8;
  };
  for (unsigned level = 4; level >= 2; --level) {
    tables.memory.put(entry(level), random.one_in(12) ? 0 : (kSppRoot + (5 - level) * 0x1000) | 1);
  }
  tables.memory.put(entry(1), random.next() & 0x5555'5555'5555'5555);
  if (tables.guest_levels() == 0 || !random.one_in(3)) return;
  const std::uint64_t leaf = tables.guest_entry(gva, arch::leaf_level(size));
  tables.clear(leaf, kGuestW | (random.one_in(2) ? kU : 0));
  tables.set(leaf, kD);
}

/// Maps an address, and a neighbour of a small page, in CR3's tables and mostly in the HLAT tables.
void map_pages(Random& random, Machine& machine, std::uint64_t gva) {
  WalkTables& tables = machine.tables;
  for (const bool hlat : {false, true}) {
    if (hlat && (tables.guest_levels() == 0 || random.one_in(4))) return;
    if (hlat) std::swap(tables.context.cr3, tables.context.hlat_pointer);
    const PageSize size = any_size(random);
    map_page(random, tables, gva, size);
    if (size == PageSize::k4K) map_page(random, tables, gva ^ 0x1000, size);
    if (hlat) std::swap(tables.context.cr3, tables.context.hlat_pointer);
  }
}

/// Bits that mean something to some feature, in a few entries of whatever dimension.
void plant_bits(Random& random, WalkTables& tables) {
  const unsigned read_only = random.one_in(2) ? 60 : 8;
  const unsigned broken = random.one_in(2) ? 1000 : 120;
  for (auto& [address, value] : tables.memory.words) {
    if (address < 0x8000 || value == 0) continue;
    if (!random.one_in(4)) value |= 1ull << 58;  // paging-write access
    if (random.one_in(3)) value |= 1ull << 57;   // verify guest paging
    if (random.one_in(2)) value |= 1ull << 60;   // supervisor shadow stack
    if (!random.one_in(4)) value |= 1ull << 61;  // sub-page permissions
    if (random.one_in(2)) value |= 1ull << 63;   // suppress #VE
    if (random.one_in(8)) value |= 1ull << 11;   // HLAT restart
    if (random.one_in(read_only)) value &= ~kW;
    if (random.one_in(broken)) value &= ~kX;  // the guest's U/S
    if (random.one_in(broken)) value &= ~(kR | kW);
    if (random.one_in(broken)) value |= 1ull << 48;
    if (random.one_in(broken)) value = random.next() & (1ull << 63);
  }
}

TEST(WalkFeatureCaches, AnyMixOfHonestHitsGivesTheOutcomeOfNone) {
  std::array<unsigned, 8> ends{};
  unsigned fewer = 0, logged = 0, rescued = 0, restarted = 0, verified = 0, stacks = 0;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    Random random(seed);
    const unsigned guest_levels = random.one_in(8) ? 0 : random.one_in(3) ? 5 : 4;
    Machine machine{WalkTables(guest_levels, random.one_in(3) ? 5 : 4, seed), {}};
    WalkTables& tables = machine.tables;
    const std::uint64_t half = guest_levels != 0 && random.one_in(2) ? 0xffff'8000'0000'0000 : 0;
    for (unsigned i = 0; i < 6; ++i) {
      const std::uint64_t gva =
          half | (i / 3 * 0x4000'0000ull + i * 0x40'0000 + (random.next() & 0x1'eff8));
      map_pages(random, machine, gva);
      machine.pages.push_back(gva);
      machine.pages.push_back(gva ^ 0x1000);
    }
    switch_features_on(random, tables.context);
    plant_bits(random, tables);

    WalkTables uncached = tables;
    ToyCaches caches;
    const unsigned one_refused_in = 2 + static_cast<unsigned>(random.next() % 6);
    caches.admit = [&](const CachedEntry&) { return !random.one_in(one_refused_in); };
    for (unsigned i = 0; i < 40; ++i) {
      const AccessKind kinds[] = {AccessKind::kRead,
                                  AccessKind::kWrite,
                                  AccessKind::kWrite,
                                  AccessKind::kFetch,
                                  AccessKind::kReadModifyWrite,
                                  AccessKind::kShadowStackRead,
                                  AccessKind::kShadowStackWrite};
      Request request =
          access(kinds[random.next() % std::size(kinds)],
                 machine.pages[random.next() % machine.pages.size()], random.one_in(2));
      request.address ^= random.next() & 0x780;  // another sub-page
      const std::uint64_t room = 0x1000 - (request.address & 0xfff);
      request.size =
          static_cast<std::uint8_t>(1 + random.next() % std::min<std::uint64_t>(room, 64));
      if (random.one_in(8) && guest_levels == 0) {
        request.linear = false;
        request.user = false;
      }
      const std::uint64_t index = random.next() % 6 == 0 ? 0xffff : random.next() & 511;
      tables.context.pml_index = uncached.context.pml_index = static_cast<std::uint16_t>(index);
      if (!random.one_in(4)) {  // the guest is ready for another exception
        tables.memory.put(kInfo, 0);
        uncached.memory.put(kInfo, 0);
      }
      const TranslateResult expected = uncached.run(request);
      const CachedResult got = run_cached(tables, request, caches);
      ASSERT_EQ(describe(got.outcome), describe(expected.outcome))
          << "seed " << seed << " access " << i;
      ASSERT_EQ(got.pml_index, expected.pml_index) << "seed " << seed << " access " << i;
      ASSERT_EQ(tables.memory.words, uncached.memory.words) << "seed " << seed << " access " << i;

      ++ends[static_cast<std::size_t>(expected.outcome.kind)];
      fewer += got.references < expected.references;
      logged += expected.pml_index != uncached.context.pml_index;
      verified += expected.outcome.reason == Reason::kEptPagingVerification;
      stacks +=
          expected.outcome.kind == OutcomeKind::kTranslated && is_shadow_stack_access(request);
      bool hlat = false, sub_pages = false, from_cr3 = false;
      for (const Reference& reference : uncached.recording.references) {
        hlat = hlat || reference.place.hlat;
        sub_pages = sub_pages || reference.place.spp_level != 0;
        from_cr3 = from_cr3 || (reference.place.guest_level != 0 && !reference.place.hlat);
      }
      restarted += hlat && from_cr3;
      rescued += sub_pages && expected.outcome.kind == OutcomeKind::kTranslated;
    }
  }
  // The stimulus is worth something only if all of these happen often.
  for (const OutcomeKind kind :
       {OutcomeKind::kTranslated, OutcomeKind::kPageFault, OutcomeKind::kEptViolation,
        OutcomeKind::kEptMisconfiguration, OutcomeKind::kPmlFull, OutcomeKind::kSppEvent,
        OutcomeKind::kVirtualizationException}) {
    EXPECT_GT(ends[static_cast<std::size_t>(kind)], 150u) << name(kind);
  }
  EXPECT_GT(fewer, 5'000u);
  EXPECT_GT(logged, 500u);
  EXPECT_GT(rescued, 200u);
  EXPECT_GT(restarted, 2'000u);
  EXPECT_GT(verified, 150u);
  EXPECT_GT(stacks, 500u);
}

}  // namespace
}  // namespace eptsim::mmu::test
