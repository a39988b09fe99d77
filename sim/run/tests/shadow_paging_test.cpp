#include "sim/run/shadow_paging.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ept/probe.hpp"
#include "mmu_model/walk/translate.hpp"
#include "sim/run/system_software.hpp"
#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

using arch::PageSize;

constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kArray = 0x5555'4000'0000;  // at a boundary of every page size
constexpr std::uint64_t kDirty = 1 << 6;
constexpr std::uint64_t kAccessed = 1 << 5;

/// System software alone, which hardware without TLBs asks at every access.
class ShadowMachine {
 public:
  ShadowMachine(PagePolicy guest, PagePolicy host, unsigned fragmentation = 0)
      : memory_(1ull << 40),
        frames_(host_memory(machine(guest, host, fragmentation), Mode::kShadow)),
        software_(memory_, frames_, machine(guest, host, fragmentation), Mode::kShadow) {}

  SystemSoftware& software() { return software_; }

  /// What hardware, which walks the shadow tables alone, translates an access to.
  mmu::Outcome access(std::uint16_t asid, std::uint64_t linear, bool write) {
    const mmu::Request request{.address = linear,
                               .access = write ? arch::AccessKind::kWrite : arch::AccessKind::kRead,
                               .user = true};
    for (unsigned tries = 0; tries < 4; ++tries) {
      const mmu::WalkContext& context = software_.context(asid, 1);
      const mmu::Outcome outcome = mmu::translate(context, request, memory_).outcome;
      if (outcome.kind == mmu::OutcomeKind::kTranslated) return outcome;
      software_.serve(asid, request, outcome);
    }
    ADD_FAILURE() << "still faulting: " << std::hex << linear;
    return {};
  }

  struct GuestPage {
    std::uint64_t entry;
    PageSize size;
    std::uint64_t gpa;  ///< of the byte
    bool accessed;      ///< at every level
  };
  /// What the guest's own tables say, read by hand.
  std::optional<GuestPage> guest_page(std::uint16_t asid, std::uint64_t linear) {
    std::uint64_t table = software_.guest_context(asid).raw.cr3;
    bool accessed = true;
    for (unsigned level = 4;; --level) {
      const std::uint64_t index = linear >> (12 + 9 * (level - 1)) & 511;
      const std::uint64_t entry = memory_.read64(arch::Hpa(*host_address(asid, table + 8 * index)));
      if ((entry & 1) == 0) return std::nullopt;
      accessed = accessed && (entry & kAccessed) != 0;
      table = entry & 0x000f'ffff'ffff'f000;
      if (level != 1 && (entry & 1 << 7) == 0) continue;
      const PageSize size = arch::page_of_level(level);
      return GuestPage{entry, size, table + (linear & (arch::bytes(size) - 1)), accessed};
    }
  }
  /// Where the host map has a guest-physical address, and by which page.
  std::optional<std::uint64_t> host_address(std::uint16_t asid, std::uint64_t gpa,
                                            PageSize* size = nullptr) {
    const ept::Probe host(memory_, software_.guest_context(asid).raw.eptp, {});
    const auto found = host.gpa_to_hpa(arch::Gpa(gpa));
    const auto* translated = std::get_if<ept::Translated>(&found);
    if (translated == nullptr) return std::nullopt;
    if (size != nullptr) *size = *translated->ept_page_size;
    return translated->hpa.value();
  }

 private:
  static Machine machine(PagePolicy guest, PagePolicy host, unsigned fragmentation) {
    Machine made;
    made.hardware.dram_bytes = 1ull << 40;
    made.guest_page = guest;
    made.ept_page = host;
    made.guest_fragmentation = fragmentation;
    made.hypervisor_fragmentation = fragmentation;
    return made;
  }

  mmu::Dram memory_;
  PhysicalFrames frames_;
  SystemSoftware software_;
};

struct Policies {
  PagePolicy guest;
  PagePolicy host;
  unsigned fragmentation;
};

// What hardware finds in the shadow tables is what the guest's tables and the host map say
// together, at each of many accesses in two address spaces, with pages that come and go.
TEST(ShadowPaging, TranslatesAsGuestTablesAndHostMapTogetherDo) {
  constexpr PagePolicy kThp = PagePolicy::transparent_huge_pages();
  const Policies all[] = {{PageSize::k4K, PageSize::k4K, 0},
                          {PageSize::k4K, PageSize::k2M, 0},
                          {PageSize::k2M, PageSize::k4K, 0},
                          {PageSize::k2M, PageSize::k2M, 0},
                          {PageSize::k1G, PageSize::k2M, 0},
                          {PageSize::k1G, PageSize::k1G, 0},
                          {kThp, kThp, 0},
                          {kThp, kThp, 40},
                          {PageSize::k1G, PageSize::k1G, 50}};
  for (const Policies& policies : all) {
    ShadowMachine machine(policies.guest, policies.host, policies.fragmentation);
    std::uint64_t state = 99;
    const auto random = [&state](std::uint64_t below) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      return (state >> 33) % below;
    };
    std::vector<bool> sizes(31);
    for (unsigned i = 0; i < 6000; ++i) {
      const auto asid = static_cast<std::uint16_t>(random(2));
      // Few 2 MiB pieces, of which some are full of touched pages, and a stack at the top.
      const std::uint64_t linear = random(8) == 0
                                       ? 0x7fff'ffff'ffff - random(64 * 1024)
                                       : kArray + random(40) * 2 * kMiB + random(30) * 12'345;
      if (random(50) == 0) {
        machine.software().unmap(asid, linear);
        machine.software().take_owed_invalidation();
        ASSERT_FALSE(machine.guest_page(asid, linear));
      }
      const bool write = random(3) == 0;
      const auto before = machine.guest_page(asid, linear);
      const mmu::Outcome found = machine.access(asid, linear, write);
      const auto page = machine.guest_page(asid, linear);
      ASSERT_TRUE(page);
      PageSize host_size{};
      ASSERT_EQ(found.hpa, machine.host_address(asid, page->gpa, &host_size)) << std::hex << linear;
      EXPECT_TRUE(page->accessed);
      const bool was_dirty = before && (before->entry & kDirty) != 0;
      ASSERT_EQ((page->entry & kDirty) != 0, write || was_dirty) << "the first write is seen";
      ASSERT_LE(found.page_size, smaller(page->size, host_size));
      if (found.page_size == smaller(page->size, host_size)) {
        sizes[arch::offset_bits(found.page_size)] = true;
      }
    }
    // The smaller of both, but where smaller ones were before.
    const PageSize largest = smaller(policies.guest.largest, policies.host.largest);
    EXPECT_TRUE(policies.fragmentation != 0 || sizes[arch::offset_bits(largest)]);
  }
}

TEST(ShadowPaging, MapsTheSmallerOfBothPages) {
  for (const PageSize guest : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
    for (const PageSize host : {PageSize::k4K, PageSize::k2M, PageSize::k1G}) {
      ShadowMachine machine(guest, host);
      EXPECT_EQ(machine.access(0, kArray + 5 * kMiB, true).page_size, smaller(guest, host));
      EXPECT_EQ(machine.software().shadow_mapped().sum(), arch::bytes(smaller(guest, host)));
    }
  }
}

/// Exits of a run on a machine with 4K pages in both dimensions.
ShadowExits exits(const std::vector<Record>& records, std::uint64_t warmup) {
  RunSettings settings = small_machine(Mode::kShadow);
  settings.warmup = warmup;
  const RunResult result = run(settings, records);
  EXPECT_EQ(result.ept_violations, 0u);
  EXPECT_EQ(result.cycles_by.exits, result.shadow_exits.sum() * kExitCycles);
  return result.shadow_exits;
}

TEST(ShadowExits, OfTheFirstTouchBeginWithTheGuestsTables) {
  const ShadowExits all = exits({read(kHeap)}, 0);
  EXPECT_EQ(all.page_faults, 4u + 2) << "four tables touched; the guest's fault, and the shadow's";
  EXPECT_EQ(all.guest_table_writes, 1u);
  EXPECT_EQ(all.cr_accesses + all.invlpgs, 0u);
}

TEST(ShadowExits, OfAPageUnderTablesThatAreThereAreThree) {
  const ShadowExits all = exits({read(kHeap), write(kHeap + kPageBytes)}, 1);
  EXPECT_EQ(all.page_faults, 2u);
  EXPECT_EQ(all.guest_table_writes, 1u);
}

TEST(ShadowExits, OfTheFirstWriteToAPageThatWasReadIsOne) {
  const ShadowExits all = exits({read(kHeap), write(kHeap), write(kHeap), read(kHeap)}, 1);
  EXPECT_EQ(all, (ShadowExits{.page_faults = 1}));
}

TEST(ShadowExits, OfInvlpgAndInvpcidAreOneEach) {
  EXPECT_EQ(exits({read(kHeap), event(RecordKind::kInvlpg, kHeap),
                   event(RecordKind::kInvpcid, kHeap), read(kHeap)},
                  1),
            (ShadowExits{.invlpgs = 2}));
}

TEST(ShadowExits, OfMovToCr3AndCr4AreOneEach) {
  EXPECT_EQ(
      exits({read(kHeap), event(RecordKind::kMovCr3), event(RecordKind::kMovCr4), read(kHeap)}, 1),
      (ShadowExits{.cr_accesses = 2}));
}

TEST(ShadowExits, OfASwitchAreTheMovToCr3) {
  Record other = read(kHeap);
  other.asid = 7;
  EXPECT_EQ(exits({read(kHeap), other, read(kHeap), other}, 2), (ShadowExits{.cr_accesses = 2}));
}

TEST(ShadowExits, OfAPageTakenAwayAreTheStoreAndTheInvlpg) {
  EXPECT_EQ(exits({read(kHeap), event(RecordKind::kMapChange, kHeap), read(kHeap + 8)}, 1),
            (ShadowExits{.page_faults = 2, .guest_table_writes = 2, .invlpgs = 1}));
}

TEST(ShadowWalks, CostWhatNativeOnesDo) {
  RunSettings settings = small_machine(Mode::kShadow);
  settings.warmup = 1;
  const RunResult result =
      run(settings, {read(kHeap), event(RecordKind::kInvlpg, kHeap), read(kHeap)});
  EXPECT_EQ(result.walker.walks, 1u);
  EXPECT_EQ(result.walker.references, 4u);
  EXPECT_EQ(result.walker.ept_references, 0u);
  EXPECT_EQ(result.walker.flag_updates, 0u) << "the hypervisor has set them";
}

/// Uses of stale translations after the guest has taken away a 2 MiB page of which two pieces of
/// 4 KiB were in the TLB, by an INVLPG of one of them.
std::uint64_t stale_uses(bool invalidates) {
  RunSettings settings = small_machine(Mode::kShadow);
  settings.machine.guest_page = PageSize::k2M;
  settings.machine.invalidate = invalidates;
  settings.machine.stale_check = true;
  const RunResult result =
      run(settings, {read(kArray), read(kArray + kPageBytes), event(RecordKind::kMapChange, kArray),
                     read(kArray + kPageBytes)});
  return result.stale.guest + result.stale.ept;
}

TEST(ShadowPaging, RemovesEveryPieceOfALargePageThatTheGuestTookAway) {
  EXPECT_EQ(stale_uses(true), 0u);
}
TEST(ShadowPaging, LeavesStalePiecesIfItForgetsTo) { EXPECT_EQ(stale_uses(false), 1u); }

TEST(ShadowPaging, ThatOutrunsMemorySaysSo) {
  RunSettings settings = small_machine(Mode::kShadow);
  settings.machine.hardware.dram_bytes = 32 * kPageBytes;
  std::vector<Record> records;
  for (unsigned i = 0; i < 64; ++i) records.push_back(read(kHeap + i * 4 * kMiB));
  const RunResult result = run(settings, records);
  ASSERT_TRUE(result.error);
  EXPECT_NE(std::string(result.error->what()).find("outrun"), std::string::npos);
  EXPECT_GT(result.accesses, 0u);
}

}  // namespace
}  // namespace eptsim::sim
