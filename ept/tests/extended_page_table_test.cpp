#include "ept/extended_page_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;
using arch::MemoryType;
using arch::PageSize;
using Kind = ReferenceResult::Kind;

constexpr Settings kWide{.maxphyaddr = 52};

TEST(ExtendedPageTable, MapsAPageOnceAndGivesItBack) {
  Machine m;
  EXPECT_TRUE(m.table.map(Gpa(0x123'4000), Hpa(0x5000), kReadOnly));
  EXPECT_EQ(m.table.map(Gpa(0x123'4000), Hpa(0x6000), kReadOnly).error(), MapError::kDuplicated);
  EXPECT_EQ(m.table.map(Gpa(0x123'4123), Hpa(0x6000), kReadOnly).error(), MapError::kUnaligned);
  EXPECT_EQ(m.table.unmap(Gpa(0x123'5000)).error(), UnmapError::kNotExist);
  const auto unmapped = m.table.unmap(Gpa(0x123'4000));
  ASSERT_TRUE(unmapped);
  EXPECT_EQ(unmapped->page.hpa, Hpa(0x5000));
  EXPECT_EQ(unmapped->page.size, PageSize::k4K);
  ASSERT_EQ(unmapped->pending.ranges().size(), 1u);
  EXPECT_EQ(unmapped->pending.ranges()[0], range_of(Gpa(0x123'4000), 4096));
}

TEST(ExtendedPageTable, KeepsEachOfTheSevenPermissions) {
  for (unsigned bits = 1; bits < 8; ++bits) {
    Machine m;
    const Permission permission = Permission::of(bits);
    const bool objected = (bits & 3) == 2;
    if (objected) {
      EXPECT_EQ(m.table.map(Gpa(0x123'4000), Hpa(0x5000), permission).error(),
                MapError::kBadPermission);
    }
    EXPECT_TRUE(m.table.map(Gpa(0x123'4000), Hpa(0x5000), permission, {.raw = objected})) << bits;
    const auto leaf = m.table.walk(Gpa(0x123'4000));
    ASSERT_TRUE(leaf);
    EXPECT_EQ(leaf->mapping.permission(), permission);
    EXPECT_EQ(m.look(0x123'4abc).kind, objected ? Kind::kMisconfigured : Kind::kMapped);
    EXPECT_TRUE(m.table.unmap(Gpa(0x123'4000)));
    EXPECT_EQ(m.table.walk(Gpa(0x123'4000)).error(), WalkError::kNotExist);
  }
}

void map_and_unmap_addresses_that_differ_in_one_bit(const Settings& settings,
                                                    const std::vector<unsigned>& bits) {
  Machine m(settings);
  std::vector<Gpa> pages{Gpa(0x6eee'ffff'f000)};
  for (const unsigned bit : bits) {
    pages.push_back(Gpa(pages[0].value() ^ std::uint64_t{1} << bit));
  }
  const auto expect_first = [&](std::size_t begin, std::size_t end) {
    for (std::size_t page = 0; page < pages.size(); ++page) {
      const auto leaf = m.table.walk(pages[page]);
      if (page < begin || page >= end) {
        EXPECT_EQ(leaf.error(), WalkError::kNotExist) << page;
      } else {
        ASSERT_TRUE(leaf) << page;
        EXPECT_EQ(leaf->mapping.hpa, Hpa(0x1000 * (page + 1)));
        EXPECT_EQ(m.look(pages[page].value() + 0x123).address, 0x1000 * (page + 1) + 0x123);
      }
    }
  };
  for (std::size_t page = 0; page < pages.size(); ++page) {
    expect_done(m.table.map(pages[page], Hpa(0x1000 * (page + 1)), kAllAccess));
    expect_first(0, page + 1);
  }
  for (std::size_t page = 0; page < pages.size(); ++page) {
    expect_done(m.table.unmap(pages[page]));
    expect_first(page + 1, pages.size());
  }
}

TEST(ExtendedPageTable, TellsAddressesApartThatDifferInOneIndex) {
  map_and_unmap_addresses_that_differ_in_one_bit(kWide, {12, 21, 30, 39});
}

TEST(ExtendedPageTable, TellsAddressesApartThatDifferInTheFifthIndex) {
  map_and_unmap_addresses_that_differ_in_one_bit({.maxphyaddr = 52, .depth = 5},
                                                 {12, 21, 30, 39, 48, 51});
}

TEST(ExtendedPageTable, RefusesInTheOrderOfItsContract) {
  Machine m;
  const Gpa wide(std::uint64_t{1} << 46);
  const Permission write_only{.write = true};
  expect_done(m.table.map(Gpa(0), Hpa(0), kAllAccess));
  // Everything is wrong at first; each step mends one thing more.
  EXPECT_EQ(m.table.map(wide + 1, Hpa(0), write_only).error(), MapError::kUnaligned);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(1), write_only).error(), MapError::kUnaligned);
  EXPECT_EQ(m.table.map(wide, Hpa(0), write_only).error(), MapError::kAddressTooWide);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(wide.value()), write_only).error(), MapError::kAddressTooWide);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), write_only).error(), MapError::kBadPermission);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.memory_type = MemoryType::kUCMinus}).error(),
            MapError::kBadMemoryType);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess).error(), MapError::kDuplicated);
  m.frames.set_limit(0);
  EXPECT_EQ(m.table.map(Gpa(kGiB), Hpa(0), kAllAccess).error(), MapError::kOutOfMemory);
}

TEST(ExtendedPageTable, RefusesAPageWithoutAnyRightEvenRaw) {
  Machine m;
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), {}, {.raw = true}).error(), MapError::kBadPermission);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), {.user_execute = true}, {.raw = true}).error(),
            MapError::kBadPermission);
  Machine mode_based({.mode_based_execute = true});
  EXPECT_TRUE(mode_based.table.map(Gpa(0), Hpa(0), {.user_execute = true}));
  EXPECT_TRUE(mode_based.table.walk(Gpa(0)));
}

TEST(ExtendedPageTable, AsksTheProcessorForExecuteOnlyPagesAndLargePages) {
  const Permission execute_only{.execute = true};
  Machine m({.execute_only = false, .page_2m = false, .page_1g = false});
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), execute_only).error(), MapError::kBadPermission);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k2M}).error(),
            MapError::kPageSizeNotSupported);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k1G}).error(),
            MapError::kPageSizeNotSupported);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k4M}).error(),
            MapError::kPageSizeNotSupported);
  Machine able;
  EXPECT_TRUE(able.table.map(Gpa(0), Hpa(0), execute_only));
}

TEST(ExtendedPageTable, RefusesPagingWriteAccessWithoutReadUnderPagingWriteControl) {
  const MapOptions options{.flags = flag::kPagingWriteAccess};
  Machine m({.paging_write = true});
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), {.execute = true}, options).error(),
            MapError::kBadPermission);
  ASSERT_TRUE(m.table.map(Gpa(0), Hpa(0), kReadOnly, options));
  EXPECT_EQ(m.table.protect(Gpa(0), {.execute = true}).error(), ProtectError::kBadPermission);
  Machine off;
  EXPECT_TRUE(off.table.map(Gpa(0), Hpa(0), {.execute = true}, options));
}

TEST(ExtendedPageTable, WritesTheEntriesThatTheManualShows) {
  Machine m;
  expect_done(m.table.map(Gpa(0x4000'0000), Hpa(0x8000'0000), kReadWrite,
                          {.size = PageSize::k1G, .memory_type = MemoryType::kUC}));
  expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x60'0000), kReadExecute,
                          {.size = PageSize::k2M,
                           .memory_type = MemoryType::kWT,
                           .ignore_pat = true,
                           .flags = flag::kSubpageWritePermission | flag::kSuppressVe}));
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x7000), kReadOnly,
                          {.flags = flag::kSubpageWritePermission | flag::kVerify}));
  EXPECT_EQ(m.table.walk(Gpa(0x4000'0000))->mapping.entry, 0x8000'0083u);
  EXPECT_EQ(m.table.walk(Gpa(0x20'0000))->mapping.entry, 0x8000'0000'0060'04e5u);
  EXPECT_EQ(m.table.walk(Gpa(0x1000))->mapping.entry, 0x2200'0000'0000'7031u);
  const std::uint64_t pml4e = m.memory.read64(m.table.root());
  EXPECT_EQ(pml4e & 0xfff, 0x407u) << "tables have every right, user-execute included";
}

TEST(ExtendedPageTable, NamesItselfInTheEptPointer) {
  EXPECT_EQ(Machine().table.eptp(), 0x1000'001eu);
  EXPECT_EQ(
      Machine({.depth = 5, .accessed_dirty = true, .supervisor_shadow_stack = true}).table.eptp(),
      0x1000'00e6u);
}

TEST(ExtendedPageTable, RefusesSettingsThatNoProcessorHas) {
  SparseMemory memory;
  TestFrames frames(memory);
  for (const Settings& settings : {Settings{.depth = 3}, Settings{.depth = 6},
                                   Settings{.maxphyaddr = 31}, Settings{.maxphyaddr = 53}}) {
    EXPECT_EQ(ExtendedPageTable::create(memory, frames, settings).error(),
              CreateError::kBadSettings);
  }
  frames.set_limit(0);
  EXPECT_EQ(ExtendedPageTable::create(memory, frames, {}).error(), CreateError::kOutOfMemory);
}

TEST(ExtendedPageTable, KeepsLargeAndSmallPagesApart) {
  Machine m;
  const MapOptions large{.size = PageSize::k2M};
  expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x40'0000), kAllAccess, large));
  EXPECT_EQ(m.table.map(Gpa(0x20'3000), Hpa(0), kAllAccess).error(), MapError::kCoveredByLargePage);
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k1G}).error(),
            MapError::kCoversSmallerPages);
  EXPECT_EQ(m.table.unmap(Gpa(0x20'0000)).error(), UnmapError::kWrongPageSize);
  EXPECT_EQ(m.table.unmap(Gpa(0), PageSize::k1G).error(), UnmapError::kWrongPageSize);
  EXPECT_EQ(m.table.unmap(Gpa(0x20'1000), PageSize::k2M).error(), UnmapError::kUnaligned);
  const auto unmapped = m.table.unmap(Gpa(0x20'0000), PageSize::k2M);
  ASSERT_TRUE(unmapped);
  EXPECT_EQ(unmapped->page.size, PageSize::k2M);
  EXPECT_EQ(unmapped->page.hpa, Hpa(0x40'0000));
  EXPECT_EQ(m.table.unmap(Gpa(0), PageSize::k1G).error(), UnmapError::kNotExist)
      << "a table in which nothing is mapped is no smaller page";
}

TEST(ExtendedPageTable, ReplacesAnEmptyTableByALargePageAndOwesItsFrame) {
  Machine m;
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x1000), kAllAccess));
  expect_done(m.table.map(Gpa(0x20'0000), Hpa(0x1000), kAllAccess));
  EXPECT_EQ(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k2M}).error(),
            MapError::kCoversSmallerPages);
  expect_done(m.table.unmap(Gpa(0x1000)));
  const std::size_t tables = m.frames.in_use().size();
  auto pending = m.table.map(Gpa(0), Hpa(0x80'0000), kAllAccess, {.size = PageSize::k2M});
  ASSERT_TRUE(pending);
  EXPECT_TRUE(pending->needs_invept());
  EXPECT_EQ(pending->frames().size(), 1u);
  EXPECT_EQ(m.frames.in_use().size(), tables) << "a processor may still walk the old table";
  m.table.complete(std::move(*pending));
  EXPECT_EQ(m.frames.in_use().size(), tables - 1);
  EXPECT_EQ(m.look(0x12345).address, 0x81'2345u);
  EXPECT_EQ(m.look(0x20'0000).address, 0x1000u);
}

TEST(ExtendedPageTable, ReplacesAWholeEmptyTreeByAHugePage) {
  Machine m;
  for (const std::uint64_t gpa : {std::uint64_t{0}, 2 * kMiB, 4 * kMiB}) {
    expect_done(m.table.map(Gpa(gpa), Hpa(0), kAllAccess));
    expect_done(m.table.unmap(Gpa(gpa)));
  }
  auto pending = m.table.map(Gpa(0), Hpa(kGiB), kAllAccess, {.size = PageSize::k1G});
  ASSERT_TRUE(pending);
  EXPECT_EQ(pending->frames().size(), 4u);
  m.table.complete(std::move(*pending));
  EXPECT_EQ(m.frames.in_use().size(), 2u);
  EXPECT_EQ(m.look(kGiB - 1).address, 2 * kGiB - 1);
}

TEST(ExtendedPageTable, CleansUpTablesInWhichNothingIsMapped) {
  Machine m(kWide);
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x1000), kAllAccess));
  expect_done(m.table.map(Gpa(512 * kGiB), Hpa(0x1000), kAllAccess));
  expect_done(m.table.map(Gpa(513 * kGiB), Hpa(0x1000), kAllAccess));
  EXPECT_EQ(m.frames.in_use().size(), 9u);
  EXPECT_FALSE(m.table.clean_up().needs_invept());
  expect_done(m.table.unmap(Gpa(0x1000)));
  expect_done(m.table.unmap(Gpa(513 * kGiB)));
  PendingInvalidation pending = m.table.clean_up();
  EXPECT_EQ(pending.frames().size(), 5u);
  ASSERT_EQ(pending.ranges().size(), 2u);
  EXPECT_EQ(pending.ranges()[0], range_of(Gpa(0), 512 * kGiB));
  EXPECT_EQ(pending.ranges()[1], range_of(Gpa(513 * kGiB), kGiB));
  m.table.complete(std::move(pending));
  EXPECT_EQ(m.frames.in_use().size(), 4u);
  EXPECT_EQ(m.look(512 * kGiB).address, 0x1000u);
}

TEST(ExtendedPageTable, CleansUpNoFurtherThanItIsAsked) {
  Machine m;
  for (const std::uint64_t gpa : {std::uint64_t{0}, 2 * kMiB, 4 * kMiB}) {
    expect_done(m.table.map(Gpa(gpa), Hpa(0x1000), kAllAccess));
    if (gpa != 4 * kMiB) expect_done(m.table.unmap(Gpa(gpa)));
  }
  PendingInvalidation pending = m.table.clean_up(range_of(Gpa(2 * kMiB), 2 * kMiB));
  EXPECT_EQ(pending.frames().size(), 1u);
  ASSERT_EQ(pending.ranges().size(), 1u);
  EXPECT_EQ(pending.ranges()[0], range_of(Gpa(2 * kMiB), 2 * kMiB));
  m.table.complete(std::move(pending));
  EXPECT_EQ(m.table.clean_up(range_of(Gpa(4 * kMiB), 2 * kMiB)).frames().size(), 0u);
  pending = m.table.clean_up();
  EXPECT_EQ(pending.frames().size(), 1u) << "the first piece's";
  m.table.complete(std::move(pending));
}

TEST(ExtendedPageTable, GivesItsTablesBackWithItself) {
  SparseMemory memory;
  TestFrames frames(memory);
  {
    auto table = ExtendedPageTable::create(memory, frames, {}).value();
    expect_done(table.map(Gpa(0), Hpa(0), kAllAccess));
    expect_done(table.map(Gpa(5 * kGiB), Hpa(0), kAllAccess, {.size = PageSize::k2M}));
    ExtendedPageTable moved = std::move(table);
    EXPECT_TRUE(moved.walk(Gpa(0)));
    table = ExtendedPageTable::create(memory, frames, {}).value();
    EXPECT_EQ(table.walk(Gpa(0)).error(), WalkError::kNotExist);
  }
  EXPECT_TRUE(frames.in_use().empty());
  EXPECT_EQ(frames.bad_frees(), 0u);
}

TEST(ExtendedPageTable, OwesAnInveptOnlyForRightsTakenAway) {
  Machine m;
  expect_done(m.table.map(Gpa(0), Hpa(0x5000), kReadOnly));
  EXPECT_FALSE(m.table.protect(Gpa(0), kReadWrite)->needs_invept());
  EXPECT_FALSE(m.table.protect(Gpa(0), kAllAccess)->needs_invept());
  EXPECT_FALSE(m.table.protect(Gpa(0), {true, true, true, false})->needs_invept())
      << "user-execute does not count here";
  EXPECT_TRUE(m.table.protect(Gpa(0), kReadWrite)->needs_invept());
  EXPECT_EQ(m.look(0).rights, 3u);
  Machine mode_based({.mode_based_execute = true});
  expect_done(mode_based.table.map(Gpa(0), Hpa(0x5000), kAllAccess));
  EXPECT_TRUE(mode_based.table.protect(Gpa(0), {true, true, true, false})->needs_invept());
}

TEST(ExtendedPageTable, RefusesToProtectWithRightsThatHardwareObjectsTo) {
  Machine m;
  expect_done(m.table.map(Gpa(0), Hpa(0x5000), kReadOnly));
  EXPECT_EQ(m.table.protect(Gpa(0), {}).error(), ProtectError::kBadPermission);
  EXPECT_EQ(m.table.protect(Gpa(0), {.write = true}).error(), ProtectError::kBadPermission);
  EXPECT_TRUE(m.table.protect(Gpa(0), {.write = true}, PageSize::k4K, true));
  EXPECT_EQ(m.look(0).kind, Kind::kMisconfigured);
  EXPECT_EQ(m.table.protect(Gpa(0x1000), kReadOnly).error(), ProtectError::kNotExist);
  EXPECT_EQ(m.table.protect(Gpa(0), kReadOnly, PageSize::k2M).error(),
            ProtectError::kWrongPageSize);
}

TEST(ExtendedPageTable, LeadsAPageElsewhere) {
  Machine m;
  expect_done(m.table.map(Gpa(0), Hpa(0x5000), kReadOnly));
  m.table.walk(Gpa(0))->entry.store(0x5331);
  EXPECT_FALSE(m.table.remap(Gpa(0), Hpa(0x5000))->needs_invept());
  EXPECT_EQ(m.table.walk(Gpa(0))->mapping.entry, 0x5331u);
  EXPECT_TRUE(m.table.remap(Gpa(0), Hpa(0x6000))->needs_invept());
  EXPECT_EQ(m.table.walk(Gpa(0))->mapping.entry, 0x6031u) << "the new page is clean";
  EXPECT_EQ(m.table.remap(Gpa(0), Hpa(0x6001)).error(), RemapError::kUnaligned);
  EXPECT_EQ(m.table.remap(Gpa(0), Hpa(kWide.address_mask())).error(), RemapError::kAddressTooWide);
  EXPECT_EQ(m.table.remap(Gpa(kGiB), Hpa(0x6000)).error(), RemapError::kNotExist);
}

TEST(ExtendedPageTable, ChangesTheMemoryType) {
  Machine m;
  expect_done(m.table.map(Gpa(0), Hpa(0x5000), kReadOnly));
  EXPECT_FALSE(m.table.set_memory_type(Gpa(0), MemoryType::kWB, false)->needs_invept());
  EXPECT_TRUE(m.table.set_memory_type(Gpa(0), MemoryType::kWB, true)->needs_invept());
  EXPECT_TRUE(m.table.set_memory_type(Gpa(0), MemoryType::kWC, true)->needs_invept());
  EXPECT_EQ(m.table.walk(Gpa(0))->mapping.entry, 0x5049u);
  EXPECT_EQ(m.table.set_memory_type(Gpa(0), MemoryType::kUCMinus, true).error(),
            MemoryTypeError::kBadMemoryType);
}

TEST(ExtendedPageTable, SplitsALargePageIntoPagesWithTheSameAttributes) {
  Machine m;
  expect_done(m.table.map(Gpa(kGiB), Hpa(4 * kGiB), kReadOnly,
                          {.size = PageSize::k1G, .memory_type = MemoryType::kWT}));
  auto leaf = m.table.walk(Gpa(kGiB));
  leaf->entry.store(leaf->entry.load() | 0x2000'0000'0000'0300);
  auto pending = m.table.split(Gpa(kGiB + 5 * kMiB));
  ASSERT_TRUE(pending);
  ASSERT_EQ(pending->ranges().size(), 1u);
  EXPECT_EQ(pending->ranges()[0], range_of(Gpa(kGiB), kGiB));
  EXPECT_EQ(m.table.walk(Gpa(kGiB + 6 * kMiB))->mapping.entry,
            0x2000'0000'0000'03a1 + 4 * kGiB + 6 * kMiB);
  expect_done(m.table.split(Gpa(kGiB + 6 * kMiB)));
  EXPECT_EQ(m.table.walk(Gpa(kGiB + 6 * kMiB + 0x5000))->mapping.entry,
            0x321 + 4 * kGiB + 6 * kMiB + 0x5000)
      << "bit 61 means nothing in a PDE and much in a PTE; bit 7 the other way round";
  for (std::uint64_t offset = 0; offset < kGiB; offset += 4096 + kMiB) {
    EXPECT_EQ(m.look(kGiB + offset).address, 4 * kGiB + offset);
  }
  EXPECT_EQ(m.table.split(Gpa(kGiB + 6 * kMiB)).error(), SplitError::kNotALargePage);
  EXPECT_EQ(m.table.split(Gpa(0)).error(), SplitError::kNotExist);
}

TEST(ExtendedPageTable, SplitsOnlyIntoPagesThatTheProcessorHas) {
  Machine m({.page_2m = false});
  expect_done(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k1G}));
  EXPECT_EQ(m.table.split(Gpa(0)).error(), SplitError::kPageSizeNotSupported);
}

TEST(ExtendedPageTable, MergesWhatItSplit) {
  Machine m;
  expect_done(m.table.map(Gpa(kGiB), Hpa(4 * kGiB), kReadOnly, {.size = PageSize::k1G}));
  const auto before = m.memory.content();
  const auto whole = m.table.walk(Gpa(kGiB))->mapping;
  expect_done(m.table.split(Gpa(kGiB)));
  expect_done(m.table.split(Gpa(kGiB)));
  EXPECT_EQ(m.table.merge(Gpa(kGiB), PageSize::k1G).error(), MergeError::kWrongPageSize);
  auto pending = m.table.merge(Gpa(kGiB), PageSize::k2M);
  ASSERT_TRUE(pending);
  pending->merge(std::move(*m.table.merge(Gpa(kGiB), PageSize::k1G)));
  ASSERT_EQ(pending->ranges().size(), 1u);
  EXPECT_EQ(pending->ranges()[0], range_of(Gpa(kGiB), kGiB));
  EXPECT_EQ(pending->frames().size(), 2u);
  m.table.complete(std::move(*pending));
  EXPECT_EQ(m.frames.in_use().size(), 2u);
  EXPECT_EQ(m.table.walk(Gpa(kGiB))->mapping, whole);
}

TEST(ExtendedPageTable, MergesFlagsThatProcessorsSet) {
  Machine m;
  expect_done(
      m.table.map_range(Gpa(0), Hpa(2 * kMiB), 2 * kMiB, kAllAccess, {.size = PageSize::k4K}));
  auto accessed = m.table.walk(Gpa(0x5000))->entry;
  accessed.store(accessed.load() | 0x100);
  auto dirty = m.table.walk(Gpa(0x6000))->entry;
  dirty.store(dirty.load() | 0x200);
  expect_done(m.table.merge(Gpa(0), PageSize::k2M));
  EXPECT_EQ(m.table.walk(Gpa(0))->mapping.entry, 2 * kMiB + 0x7b7);
}

TEST(ExtendedPageTable, RefusesToMergeWhatIsNotOnePage) {
  Machine m;
  const MapOptions small{.size = PageSize::k4K};
  EXPECT_EQ(m.table.merge(Gpa(0x1000), PageSize::k2M).error(), MergeError::kUnaligned);
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k4K).error(), MergeError::kPageSizeNotSupported);
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k2M).error(), MergeError::kNotExist);
  expect_done(m.table.map_range(Gpa(0), Hpa(2 * kMiB), 2 * kMiB - 0x1000, kAllAccess, small));
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k2M).error(), MergeError::kNotExist);
  expect_done(m.table.map(Gpa(2 * kMiB - 0x1000), Hpa(0x1000), kAllAccess));
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k2M).error(), MergeError::kNotContiguous);
  expect_done(m.table.remap(Gpa(2 * kMiB - 0x1000), Hpa(4 * kMiB - 0x1000)));
  expect_done(m.table.protect(Gpa(0x7000), kReadOnly));
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k2M).error(), MergeError::kDifferentAttributes);
  expect_done(m.table.protect(Gpa(0x7000), kAllAccess));
  EXPECT_TRUE(m.table.merge(Gpa(0), PageSize::k2M));
  EXPECT_EQ(m.table.merge(Gpa(0), PageSize::k2M).error(), MergeError::kWrongPageSize);
  // Contiguous, but from an address that is no multiple of 2 MiB on.
  expect_done(m.table.map_range(Gpa(8 * kMiB), Hpa(0x1000), 2 * kMiB, kAllAccess, small));
  EXPECT_EQ(m.table.merge(Gpa(8 * kMiB), PageSize::k2M).error(), MergeError::kNotContiguous);
}

/// Sets accessed and dirty in an entry just before software's compare-and-swap of it, once for each
/// entry: the worst that a processor can do.
class BusyMemory final : public SparseMemory {
 public:
  std::uint64_t compare_exchange64(Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    if (busy_ && touched_.insert(address).second) {
      write64(address, read64(address) | 0x300);
    }
    return SparseMemory::compare_exchange64(address, expected, desired);
  }
  void set_busy() { busy_ = true; }

 private:
  bool busy_ = false;
  std::set<Hpa> touched_;
};

struct BusyMachine {
  BusyMemory memory;
  TestFrames frames{memory};
  ExtendedPageTable table =
      ExtendedPageTable::create(memory, frames, {.accessed_dirty = true}).value();
};

TEST(ExtendedPageTable, LosesNoFlagThatAProcessorSetsDuringAChange) {
  const auto fresh = [](BusyMachine& m) {
    expect_done(m.table.map(Gpa(0), Hpa(0), kAllAccess, {.size = PageSize::k2M}));
    m.memory.set_busy();
  };
  const auto flags_after = [](const BusyMachine& m) {
    return m.table.walk(Gpa(0))->mapping.entry & 0x300;
  };
  BusyMachine unmapped;
  fresh(unmapped);
  EXPECT_TRUE(unmapped.table.unmap(Gpa(0), PageSize::k2M)->page.dirty());
  BusyMachine unmapped_range;
  fresh(unmapped_range);
  EXPECT_TRUE(unmapped_range.table.unmap_range({Gpa(0), Gpa(kGiB)})->pages.at(0).dirty());
  BusyMachine protect;
  fresh(protect);
  expect_done(protect.table.protect(Gpa(0), kReadOnly, PageSize::k2M));
  EXPECT_EQ(flags_after(protect), 0x300u);
  BusyMachine protect_range;
  fresh(protect_range);
  expect_done(protect_range.table.protect_range({Gpa(0), Gpa(kGiB)}, kReadOnly));
  EXPECT_EQ(flags_after(protect_range), 0x300u);
  BusyMachine split;
  fresh(split);
  expect_done(split.table.split(Gpa(0)));
  EXPECT_EQ(flags_after(split), 0x300u);
  BusyMachine retyped;
  fresh(retyped);
  expect_done(retyped.table.set_memory_type(Gpa(0), MemoryType::kUC, true, PageSize::k2M));
  EXPECT_EQ(flags_after(retyped), 0x300u);
  BusyMachine cleared;
  fresh(cleared);
  auto leaf = cleared.table.walk(Gpa(0))->entry;
  leaf.store(leaf.load() | 0x100);
  const auto result = cleared.table.clear_flags({Gpa(0), Gpa(kGiB)});
  ASSERT_EQ(result.pages.size(), 1u);
  EXPECT_TRUE(result.pages[0].dirty()) << "set between the read and the clear";
  EXPECT_EQ(flags_after(cleared), 0u);
}

}  // namespace
}  // namespace eptsim::ept::test
