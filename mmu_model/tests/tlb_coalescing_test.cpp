#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <set>

#include "mmu_model/tests/random.hpp"
#include "mmu_model/tests/tlb_bench.hpp"

/// Entries that hold several pages, and arrays that hold several sizes.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kGroup = 0x7f12'3456'4000;  // aligned to 16 KiB

TlbSettings coalescing(unsigned pages, TlbGeometry geometry) {
  return {.unified = geometry, .coalesce = pages};
}

/// A first level of two entries of `pages` pages, and no second.
class Coalescing : public testing::Test {
 protected:
  explicit Coalescing(unsigned pages = 4)
      : tlbs({}, coalescing(pages, {.entries = 2, .ways = 2}), {}, 1) {
    tlbs.use(context);
  }
  void walked(std::uint64_t address, Outcome outcome) {
    tlbs.take(context, read(address), outcome);
  }
  void walked(std::uint64_t address) { walked(address, translated(address)); }
  bool hits(std::uint64_t address) { return static_cast<bool>(tlbs.lookup(read(address))); }

  WalkContext context{guest()};
  TlbHierarchy tlbs;
};

TEST_F(Coalescing, PagesOfAGroupThatFollowOneAnotherShareAnEntry) {
  for (std::uint64_t i = 0; i < 4; ++i) walked(kGroup + i * k4K);
  walked(kGroup + 100 * k4K);  // the second entry
  for (std::uint64_t i = 0; i < 4; ++i) {
    const std::uint64_t address = kGroup + i * k4K + 0x123;
    const TlbHit hit = tlbs.lookup(read(address));
    ASSERT_TRUE(hit) << i;
    EXPECT_EQ(hit.entry->hpa_of(address), translated(address).hpa);
    EXPECT_EQ(hit.entry->gpa_of(address), translated(address).gpa);
  }
  EXPECT_TRUE(hits(kGroup + 100 * k4K));
}

TEST_F(Coalescing, APageIsThereOnlyOnceItWasWalked) {
  walked(kGroup + 2 * k4K);
  EXPECT_FALSE(hits(kGroup));
  EXPECT_FALSE(hits(kGroup + k4K));
  EXPECT_TRUE(hits(kGroup + 2 * k4K));
  EXPECT_FALSE(hits(kGroup + 3 * k4K));
}

TEST_F(Coalescing, AGroupEndsAtItsAlignedBoundary) {
  walked(kGroup + 3 * k4K);
  walked(kGroup + 4 * k4K);
  walked(kGroup + 100 * k4K);
  EXPECT_FALSE(hits(kGroup + 3 * k4K)) << "the least recently used of three groups";
  EXPECT_TRUE(hits(kGroup + 4 * k4K));
}

TEST_F(Coalescing, PagesElsewhereInHostOrGuestMemoryHaveEntriesOfTheirOwn) {
  Outcome host = translated(kGroup + k4K);
  host.hpa += 0x10'0000;
  Outcome gpa = translated(kGroup + 2 * k4K);
  gpa.gpa += 0x10'0000;
  walked(kGroup);
  walked(kGroup + k4K, host);
  walked(kGroup + 2 * k4K, gpa);
  EXPECT_FALSE(hits(kGroup)) << "three entries are one too many";
  ASSERT_TRUE(hits(kGroup + k4K));
  EXPECT_EQ(tlbs.lookup(read(kGroup + k4K)).entry->hpa_of(kGroup + k4K), host.hpa);
  EXPECT_TRUE(hits(kGroup + 2 * k4K));
}

TEST_F(Coalescing, AGroupMustBeAlignedInPhysicalMemoryToo) {
  for (std::uint64_t i = 0; i < 3; ++i) {
    Outcome outcome = translated(kGroup + i * k4K);
    outcome.hpa += k4K;
    walked(kGroup + i * k4K, outcome);
  }
  EXPECT_FALSE(hits(kGroup));
}

TEST_F(Coalescing, PagesWithOtherRightsOrFlagsHaveEntriesOfTheirOwn) {
  for (int difference = 0; difference < 5; ++difference) {
    tlbs.invalidate({});
    Outcome other = translated(kGroup + k4K);
    switch (difference) {
      case 0: other.guest_rights.write = false; break;
      case 1: other.ept_rights.execute = false; break;
      case 2: other.dirty = false; break;
      case 3: other.memory_type = arch::MemoryType::kUC; break;
      case 4: other.protection_key = 3; break;
    }
    walked(kGroup);
    walked(kGroup + k4K, other);
    walked(kGroup + 100 * k4K);
    EXPECT_FALSE(hits(kGroup)) << difference;
    EXPECT_TRUE(hits(kGroup + k4K)) << difference;
  }
}

TEST_F(Coalescing, AnInvalidatedPageTakesItsEntryAlongAndNoOther) {
  for (std::uint64_t i = 0; i < 3; ++i) walked(kGroup + i * k4K);
  walked(kGroup + 4 * k4K);
  tlbs.invalidate({.vpid = 1, .pcid = 0, .linear = kGroup + 3 * k4K});  // wasn't walked
  EXPECT_TRUE(hits(kGroup));
  tlbs.invalidate({.vpid = 1, .pcid = 0, .linear = kGroup + k4K + 0x777});
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_FALSE(hits(kGroup + i * k4K)) << i;
  EXPECT_TRUE(hits(kGroup + 4 * k4K));
}

TEST_F(Coalescing, PiecesOfALargeGuestPageGoWithIt) {
  for (std::uint64_t i = 0; i < 2; ++i) {
    walked(kGroup + i * k4K, translated(kGroup + i * k4K, PageSize::k2M, PageSize::k4K));
  }
  tlbs.invalidate({.vpid = 1, .pcid = 0, .linear = kGroup + 77 * k4K});
  EXPECT_FALSE(hits(kGroup));
  EXPECT_FALSE(hits(kGroup + k4K));
}

TEST_F(Coalescing, APageThatIsHeldInSmallPiecesBringsItsWholeGroup) {
  TlbHierarchy small({}, {.split = true, .k4 = {.entries = 2, .ways = 2}, .coalesce = 4}, {}, 1);
  small.use(context);
  small.take(context, read(kGroup), translated(kGroup, PageSize::k2M, PageSize::k2M));
  EXPECT_TRUE(small.lookup(read(kGroup + 3 * k4K)));
  EXPECT_FALSE(small.lookup(read(kGroup + 4 * k4K)));
}

TEST_F(Coalescing, LevelsThatCoalesceDifferentlyGiveEachOtherWhatFits) {
  const TlbSettings one{.unified = {.entries = 1, .ways = 1}};
  TlbHierarchy levels(coalescing(8, {.entries = 2, .ways = 2}), one,
                      coalescing(4, {.entries = 4, .ways = 4}), 1);
  levels.use(context);
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t address = kGroup + i * k4K;
    levels.take(context, read(address), translated(address));
  }
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t address = kGroup + i * k4K + 0x42;
    const TlbHit hit = levels.lookup(read(address));
    ASSERT_TRUE(hit) << i;
    EXPECT_EQ(hit.entry->hpa_of(address), translated(address).hpa) << i;
  }
  // A first level of wider groups than the second takes four pages at a time.
  EXPECT_EQ(levels.lookup(fetch(kGroup)).level, TlbHitLevel::kSecond);
  EXPECT_EQ(levels.lookup(fetch(kGroup + 3 * k4K)).level, TlbHitLevel::kFirst);
  EXPECT_EQ(levels.lookup(fetch(kGroup + 4 * k4K)).level, TlbHitLevel::kSecond);
  const TlbHit hit = levels.lookup(fetch(kGroup + 7 * k4K));
  EXPECT_EQ(hit.level, TlbHitLevel::kFirst);
  EXPECT_EQ(hit.entry->hpa_of(kGroup + 7 * k4K), translated(kGroup + 7 * k4K).hpa);
}

/// The definition: entries are sets of pages, in lists with the least recently used in front.
class Reference {
 public:
  struct Page {
    std::uint64_t hpa = 0;
    bool dirty = false;
  };
  Reference(unsigned sets, unsigned ways, unsigned group)
      : sets_(sets), ways_(ways), group_(group) {}

  const Page* find(std::uint64_t page) {
    auto& set = set_of(page);
    for (auto entry = set.begin(); entry != set.end(); ++entry) {
      const auto found = entry->find(page);
      if (found == entry->end()) continue;
      set.splice(set.end(), set, entry);
      return &found->second;
    }
    return nullptr;
  }
  void fill(std::uint64_t page, Page what) {
    auto& set = set_of(page);
    const auto joins = [&](const Entry& entry) {
      const auto& [first, there] = *entry.begin();
      return first / group_ == page / group_ && there.dirty == what.dirty &&
             there.hpa - first == what.hpa - page && what.hpa % group_ == page % group_;
    };
    const auto joined = std::find_if(set.begin(), set.end(), joins);
    if (joined != set.end()) {
      // Nobody else has the page any more.
      for (auto entry = set.begin(); entry != set.end();) {
        entry = entry != joined && entry->contains(page) ? set.erase(entry) : std::next(entry);
      }
      (*joined)[page] = what;
      set.splice(set.end(), set, joined);
      return;
    }
    remove(page);
    if (set.size() == ways_) set.pop_front();
    set.push_back({{page, what}});
  }
  void remove(std::uint64_t page) {
    set_of(page).remove_if([&](const Entry& entry) { return entry.contains(page); });
  }

 private:
  using Entry = std::map<std::uint64_t, Page>;
  std::list<Entry>& set_of(std::uint64_t page) { return lists_[page / group_ % sets_]; }
  std::uint64_t sets_;
  std::size_t ways_;
  std::uint64_t group_;
  std::map<std::uint64_t, std::list<Entry>> lists_;
};

class AgainstTheDefinition : public testing::TestWithParam<unsigned> {};

TEST_P(AgainstTheDefinition, TheSamePagesAreThereAfterAnyFillsAndInvalidations) {
  constexpr unsigned kSets = 4, kWays = 3;
  constexpr std::uint64_t kPages = 128;
  const unsigned group = GetParam();
  TlbHierarchy tlbs({}, coalescing(group, {.entries = kSets * kWays, .ways = kWays}), {}, 1);
  const WalkContext context(guest());
  tlbs.use(context);
  Reference reference(kSets, kWays, group);
  Random random(group);
  // Mostly where the linear address says, so that neighbours follow one another.
  std::map<std::uint64_t, Reference::Page> memory;
  for (std::uint64_t page = 0; page < kPages; ++page) memory[page] = {.hpa = page + 0x1000};

  unsigned hits = 0, misses = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::uint64_t page = random.below(kPages);
    const std::uint64_t address = page * k4K;
    if (random.one_in(40)) {
      const std::uint64_t offset = random.one_in(3) ? random.below(3) * 0x1001 : 0;
      memory[page] = {.hpa = page + 0x1000 + offset};
      tlbs.invalidate({.vpid = context.raw.vpid, .linear = address});
      reference.remove(page);
    }
    const bool is_write = random.one_in(4);
    const Request request = is_write ? write(address) : read(address);
    const Reference::Page* expected = reference.find(page);
    // An entry that a write may not use is found all the same, and isn't a use.
    const TlbHit hit = tlbs.lookup(request);
    if (expected != nullptr && !(is_write && !expected->dirty)) {
      ASSERT_TRUE(hit) << "step " << i << " page " << page;
      ASSERT_EQ(hit.entry->hpa_of(address), expected->hpa * k4K) << "step " << i;
      ++hits;
      continue;
    }
    ASSERT_FALSE(hit) << "step " << i << " page " << page;
    ++misses;
    memory[page].dirty |= is_write;
    Outcome outcome{.gpa = memory[page].hpa * k4K, .hpa = memory[page].hpa * k4K};
    outcome.guest_page_size = PageSize::k4K;
    outcome.dirty = memory[page].dirty;
    tlbs.take(context, request, outcome);
    reference.fill(page, memory[page]);
  }
  EXPECT_GT(hits, 2'000u);
  EXPECT_GT(misses, 5'000u);
}

INSTANTIATE_TEST_SUITE_P(PagesOfAnEntry, AgainstTheDefinition, testing::Values(1u, 2u, 4u, 8u));

TEST(SharedArrays, HoldSmallAndMiddlePagesTogetherAndLargeOnesApart) {
  const WalkContext context(guest());
  const TlbSettings shared{.split = true,
                           .shares_4k_2m = true,
                           .k4_m2 = {.entries = 2, .ways = 2},
                           .g1 = {.entries = 1, .ways = 1}};
  TlbHierarchy tlbs({}, shared, {}, 1);
  tlbs.use(context);
  const auto walked = [&](std::uint64_t address, PageSize size) {
    tlbs.take(context, read(address), translated(address, size, size));
  };
  const auto hits = [&](std::uint64_t address) {
    return static_cast<bool>(tlbs.lookup(read(address)));
  };
  const std::uint64_t large = kAddress & ~(k1G - 1);
  walked(kAddress + 4 * k1G, PageSize::k1G);
  walked(large, PageSize::k2M);
  walked(large + 8 * k2M, PageSize::k4K);
  EXPECT_TRUE(hits(kAddress + 4 * k1G));
  EXPECT_TRUE(hits(large + k2M - 1));
  EXPECT_TRUE(hits(large + 8 * k2M));
  walked(large + 9 * k2M, PageSize::k4K);
  EXPECT_FALSE(hits(large)) << "2 MiB and 4 KiB pages have two entries in all";
  EXPECT_TRUE(hits(kAddress + 4 * k1G));
}

}  // namespace
}  // namespace eptsim::mmu::test
