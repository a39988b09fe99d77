#include "ept/guest_tables.hpp"

#include <gtest/gtest.h>

#include "ept/frame_pool.hpp"
#include "ept/probe.hpp"
#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Gva;
using arch::Hpa;
using arch::PageSize;

constexpr PagingMode kModes[] = {PagingMode::k32Bit, PagingMode::kPae, PagingMode::k4Level,
                                 PagingMode::k5Level};

/// A guest whose memory below 4 GiB lies 16 GiB higher, in 2 MiB pages.
class Guest {
 public:
  explicit Guest(const GuestSettings& settings)
      : machine_({.maxphyaddr = 46}),
        map_(machine_.table),
        frames_(Gpa(0x10'0000), Gpa(0x18'0000)),
        tables_((back(), GuestTables::create(machine_.memory, map_, frames_, settings)).value()) {}

  GuestTables& tables() { return tables_; }
  GuestFramePool& frames() { return frames_; }
  Machine& machine() { return machine_; }

  GvaOutcome look(std::uint64_t gva, const Access& access = {}) const {
    return Probe(machine_.memory, machine_.table.eptp(), machine_.table.settings())
        .gva_to_hpa(tables_.state(), Gva(gva), access);
  }
  void expect_page(std::uint64_t gva, std::uint64_t gpa, PageSize size) const {
    for (const std::uint64_t offset : {std::uint64_t{0}, arch::bytes(size) - 1}) {
      const auto outcome = look(gva + offset);
      const auto* translated = std::get_if<Translated>(&outcome);
      ASSERT_NE(translated, nullptr) << name(tables_.settings().mode) << " 0x" << std::hex << gva;
      EXPECT_EQ(translated->gpa, Gpa(gpa + offset));
      EXPECT_EQ(translated->hpa, Hpa(16 * kGiB + gpa + offset));
      EXPECT_EQ(translated->guest_page_size, size);
    }
  }

 private:
  void back() {
    expect_done(machine_.table.map_range(Gpa(0), Hpa(16 * kGiB), 4 * kGiB, kReadWrite,
                                         {.size = PageSize::k2M}));
    expect_done(machine_.table.map_range(Gpa(64 * kGiB), Hpa(80 * kGiB), kGiB, kReadWrite));
  }

  Machine machine_;
  EptGuestPhysicalMap map_;
  GuestFramePool frames_;
  GuestTables tables_;
};

std::vector<PageSize> sizes_of(PagingMode mode) {
  switch (mode) {
    case PagingMode::k32Bit: return {PageSize::k4K, PageSize::k4M};
    case PagingMode::kPae: return {PageSize::k4K, PageSize::k2M};
    default: return {PageSize::k4K, PageSize::k2M, PageSize::k1G};
  }
}

std::vector<std::uint64_t> places_of(PagingMode mode) {
  switch (mode) {
    case PagingMode::k4Level: return {0, kGiB, 0x7fff'c000'0000, 0xffff'8000'0000'0000};
    case PagingMode::k5Level: return {0, 0x00ff'ffff'c000'0000, 0xff00'0000'0000'0000};
    default: return {0, kGiB, 0xc000'0000};
  }
}

TEST(GuestTables, MapPagesOfEverySizeInEveryMode) {
  for (const PagingMode mode : kModes) {
    for (const PageSize size : sizes_of(mode)) {
      Guest guest({.mode = mode});
      std::uint64_t gpa = 2 * kGiB;
      for (const std::uint64_t gva : places_of(mode)) {
        EXPECT_TRUE(guest.tables().map(Gva(gva), Gpa(gpa), {.size = size})) << name(mode);
        guest.expect_page(gva, gpa, size);
        gpa = gpa == 2 * kGiB ? 3 * kGiB : 64 * kGiB;
        if (mode == PagingMode::k32Bit && size == PageSize::k4K) gpa = 3 * kGiB;
      }
      for (const std::uint64_t gva : places_of(mode)) {
        const auto leaf = guest.tables().unmap(Gva(gva), size);
        ASSERT_TRUE(leaf);
        EXPECT_EQ(leaf->size, size);
        EXPECT_TRUE(std::holds_alternative<PageFault>(guest.look(gva)));
      }
    }
  }
}

TEST(GuestTables, HaveRoomForWhatTheyWouldMap) {
  for (const PagingMode mode : kModes) {
    Guest guest({.mode = mode});
    const std::vector<PageSize> sizes = sizes_of(mode);
    const Gva place(kGiB);
    EXPECT_EQ(guest.tables().room_at(place + 5), sizes.back()) << name(mode);
    ASSERT_TRUE(guest.tables().map(place, Gpa(2 * kGiB)));
    EXPECT_EQ(guest.tables().room_at(place), std::nullopt);
    EXPECT_EQ(guest.tables().room_at(place + 4096), PageSize::k4K);
    ASSERT_TRUE(guest.tables().unmap(place));
    EXPECT_EQ(guest.tables().room_at(place), PageSize::k4K) << "its table stays";
    const auto refused = guest.tables().map(place, Gpa(2 * kGiB), {.size = sizes.back()});
    EXPECT_EQ(refused.error(), GuestMapError::kCoversSmallerPages);
  }
  Guest guest({.mode = PagingMode::k4Level});
  ASSERT_TRUE(guest.tables().map(Gva(0), Gpa(2 * kGiB), {.size = PageSize::k2M}));
  EXPECT_EQ(guest.tables().room_at(Gva(2 * kMiB)), PageSize::k2M);
  EXPECT_EQ(guest.tables().room_at(Gva(kGiB)), PageSize::k1G);
  EXPECT_EQ(guest.tables().room_at(Gva(1ull << 47)), std::nullopt) << "not canonical";
}

TEST(GuestTables, PutNeighboursOf32BitEntriesSideBySide) {
  Guest guest({.mode = PagingMode::k32Bit});
  for (std::uint64_t page = 0; page < 1024; ++page) {
    ASSERT_TRUE(guest.tables().map(Gva(0x40'0000 + 4096 * page), Gpa(8 * kMiB - 4096 * page)));
  }
  ASSERT_TRUE(guest.tables().map(Gva(0x80'0000), Gpa(64 * kGiB), {.size = PageSize::k4M}));
  EXPECT_TRUE(guest.tables().unmap(Gva(0x40'2000)));
  for (std::uint64_t page = 0; page < 1024; ++page) {
    if (page != 2)
      guest.expect_page(0x40'0000 + 4096 * page, 8 * kMiB - 4096 * page, PageSize::k4K);
  }
  guest.expect_page(0x80'0000, 64 * kGiB, PageSize::k4M);
  EXPECT_EQ(guest.tables().walk(Gva(0x80'1234))->entry, 0x0002'0087u) << "PSE-36: bits 20:13";
}

TEST(GuestTables, LieDirectlyInMemoryWithoutEpt) {
  for (const PagingMode mode : kModes) {
    SparseMemory memory(true);
    IdentityGuestPhysicalMap identity;
    GuestFramePool frames(Gpa(0x1000), Gpa(0x10'0000));
    {
      auto tables = GuestTables::create(memory, identity, frames, {.mode = mode}).value();
      ASSERT_TRUE(tables.map(Gva(0x1234'5000), Gpa(0x6000)));
      const auto outcome =
          Probe(memory, std::nullopt, {}).gva_to_hpa(tables.state(), Gva(0x1234'5678));
      EXPECT_EQ(std::get<Translated>(outcome).hpa, Hpa(0x6678)) << name(mode);
      EXPECT_EQ(tables.walk(Gva(0x1234'5678))->gpa, Gpa(0x6000));
      GuestTables moved = std::move(tables);
      EXPECT_TRUE(moved.walk(Gva(0x1234'5678)));
    }
    EXPECT_EQ(frames.in_use(), 0u) << "tables go back with the object";
  }
}

TEST(GuestTables, WriteTheAttributesOfAPage) {
  Guest guest({});
  ASSERT_TRUE(guest.tables().map(Gva(0x1000), Gpa(0x5000),
                                 {.writable = false,
                                  .user = false,
                                  .execute_disable = true,
                                  .global = true,
                                  .accessed = true,
                                  .dirty = true,
                                  .protection_key = 9}));
  EXPECT_EQ(guest.tables().walk(Gva(0x1000))->entry, 0xc800'0000'0000'5161);
  const auto write = guest.look(0x1000, {.kind = arch::AccessKind::kWrite});
  EXPECT_EQ(std::get<PageFault>(write).error_code, 3u);
  const auto user = guest.look(0x1000, {.user = true});
  EXPECT_EQ(std::get<PageFault>(user).error_code, 5u);
}

TEST(GuestTables, RefuseWhatTheModeDoesNotHave) {
  Guest pae({.mode = PagingMode::kPae});
  EXPECT_EQ(pae.tables().map(Gva(0), Gpa(0), {.size = PageSize::k1G}).error(),
            GuestMapError::kPageSizeNotInMode);
  EXPECT_EQ(pae.tables().map(Gva(0), Gpa(0), {.size = PageSize::k4M}).error(),
            GuestMapError::kPageSizeNotInMode);
  EXPECT_EQ(pae.tables().map(Gva(4 * kGiB), Gpa(0)).error(), GuestMapError::kNotCanonical);
  EXPECT_EQ(pae.tables().map(Gva(0), Gpa(0), {.protection_key = 1}).error(),
            GuestMapError::kBadAttribute);
  Guest old({.mode = PagingMode::k32Bit});
  EXPECT_EQ(old.tables().map(Gva(0), Gpa(4 * kGiB)).error(), GuestMapError::kAddressTooWide);
  EXPECT_EQ(old.tables().map(Gva(0), Gpa(0), {.execute_disable = true}).error(),
            GuestMapError::kBadAttribute);
  EXPECT_EQ(old.tables().map(Gva(0), Gpa(std::uint64_t{1} << 40), {.size = PageSize::k4M}).error(),
            GuestMapError::kAddressTooWide);
  Guest no_huge({.page_1g = false});
  EXPECT_EQ(no_huge.tables().map(Gva(0), Gpa(0), {.size = PageSize::k1G}).error(),
            GuestMapError::kPageSizeNotInMode);
  Guest four({});
  EXPECT_EQ(four.tables().map(Gva(0x8000'0000'0000), Gpa(0)).error(), GuestMapError::kNotCanonical);
  EXPECT_EQ(four.tables().map(Gva(0x1000), Gpa(0), {.size = PageSize::k2M}).error(),
            GuestMapError::kUnaligned);
  EXPECT_EQ(four.tables().map(Gva(0), Gpa(std::uint64_t{1} << 46)).error(),
            GuestMapError::kAddressTooWide);
}

TEST(GuestTables, KeepLargeAndSmallPagesApart) {
  Guest guest({});
  ASSERT_TRUE(guest.tables().map(Gva(0), Gpa(0), {.size = PageSize::k2M}));
  EXPECT_EQ(guest.tables().map(Gva(0), Gpa(0), {.size = PageSize::k2M}).error(),
            GuestMapError::kDuplicated);
  EXPECT_EQ(guest.tables().map(Gva(0x1000), Gpa(0)).error(), GuestMapError::kCoveredByLargePage);
  EXPECT_EQ(guest.tables().map(Gva(0), Gpa(0), {.size = PageSize::k1G}).error(),
            GuestMapError::kCoversSmallerPages);
  EXPECT_EQ(guest.tables().unmap(Gva(0)).error(), GuestUnmapError::kWrongPageSize);
  EXPECT_EQ(guest.tables().unmap(Gva(0), PageSize::k1G).error(), GuestUnmapError::kWrongPageSize);
  EXPECT_EQ(guest.tables().unmap(Gva(2 * kMiB)).error(), GuestUnmapError::kNotExist);
}

TEST(GuestTables, ChangeNothingWhenFramesRunOutOrAreNotBacked) {
  Machine m;
  EptGuestPhysicalMap map(m.table);
  GuestFramePool none(Gpa(0), Gpa(0));
  EXPECT_EQ(GuestTables::create(m.memory, map, none, {}).error(), GuestCreateError::kOutOfMemory);
  GuestFramePool frames(Gpa(0), Gpa(0x4000));
  EXPECT_EQ(GuestTables::create(m.memory, map, frames, {}).error(), GuestCreateError::kNotBacked);
  EXPECT_EQ(frames.in_use(), 0u);
  expect_done(m.table.map(Gpa(0), Hpa(0x8000), kReadWrite));
  expect_done(m.table.map(Gpa(0x1000), Hpa(0x9000), kReadWrite));
  auto tables = GuestTables::create(m.memory, map, frames, {}).value();
  const auto content = m.memory.content();
  EXPECT_EQ(tables.map(Gva(0), Gpa(0)).error(), GuestMapError::kNotBacked);
  EXPECT_EQ(frames.in_use(), 1u);
  EXPECT_EQ(m.memory.content(), content);
  expect_done(m.table.map(Gpa(0x2000), Hpa(0xa000), kReadWrite));
  expect_done(m.table.map(Gpa(0x3000), Hpa(0xb000), kReadWrite));
  EXPECT_TRUE(tables.map(Gva(0), Gpa(0)));
  EXPECT_EQ(tables.map(Gva(kGiB), Gpa(0)).error(), GuestMapError::kOutOfMemory);
}

TEST(GuestTables, TellAndTakeOutATableOfTheLastLevelWithItsPages) {
  for (const PagingMode mode : kModes) {
    Guest guest({.mode = mode});
    GuestTables& tables = guest.tables();
    const std::uint64_t covered = mode == PagingMode::k32Bit ? 4 * kMiB : 2 * kMiB;
    const Gva begin(16 * kMiB);
    EXPECT_FALSE(tables.last_table(begin));
    EXPECT_FALSE(tables.take_last_table(begin));
    expect_done(tables.map(begin + 0x3000, Gpa(0x20'0000)));
    expect_done(tables.map(begin + covered - 0x1000, Gpa(0x20'5000)));
    expect_done(tables.map(begin + covered, Gpa(0x20'6000)));
    const auto told = tables.last_table(begin + 0x7008);
    ASSERT_TRUE(told);
    ASSERT_EQ(told->pages.size(), 2u);
    EXPECT_EQ(told->pages[0].gva, begin + 0x3000);
    EXPECT_EQ(told->pages[0].gpa, Gpa(0x20'0000));
    EXPECT_EQ(told->pages[1].gva, begin + covered - 0x1000);
    EXPECT_EQ(told->pages[1].size, PageSize::k4K);
    EXPECT_TRUE(tables.walk(begin + 0x3000)) << "nothing has changed yet";

    const auto taken = tables.take_last_table(begin);
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->frame, told->frame);
    EXPECT_EQ(taken->pages.size(), 2u);
    EXPECT_FALSE(tables.walk(begin + 0x3000));
    EXPECT_TRUE(tables.walk(begin + covered));
    const PageSize large = covered == 4 * kMiB ? PageSize::k4M : PageSize::k2M;
    expect_done(tables.map(begin, Gpa(64 * kMiB), {.size = large}));
    guest.expect_page(begin.value(), 64 * kMiB, large);
    EXPECT_FALSE(tables.last_table(begin)) << "a large page is none";
    guest.frames().free(taken->frame);
  }
}

TEST(GuestTables, TakeOnlyFramesThatTheirEntriesCanHold) {
  SparseMemory memory;
  IdentityGuestPhysicalMap identity;
  for (const PagingMode mode : {PagingMode::k32Bit, PagingMode::kPae}) {
    GuestFramePool high(Gpa(4 * kGiB), Gpa(5 * kGiB));
    EXPECT_EQ(GuestTables::create(memory, identity, high, {.mode = mode}).error(),
              GuestCreateError::kOutOfMemory);
    EXPECT_EQ(high.in_use(), 0u);
  }
  GuestFramePool frames(Gpa(0), Gpa(0x1000));
  EXPECT_EQ(GuestTables::create(memory, identity, frames, {.mode = PagingMode::kNone}).error(),
            GuestCreateError::kBadSettings);
}

}  // namespace
}  // namespace eptsim::ept::test
