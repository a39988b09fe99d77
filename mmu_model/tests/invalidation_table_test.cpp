#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/caches/translation_caches.hpp"

/// The table of what invalidates what (SDM 5.10.4.1, 31.4.3.1), cell by cell: each operation
/// against each kind of entry that may be cached, planted alone.
namespace eptsim::mmu {
namespace {

using arch::AccessKind;
using arch::PageSize;

// The operations' linear and guest-physical address, the 2 MiB guest page that the linear one lies
// in, and others that share no table with them below the root of 5 levels.
constexpr std::uint64_t kLinear = 0x00a1'2345'6789'a000;
constexpr std::uint64_t kOtherPiece = kLinear ^ 0x10'0000;
constexpr std::uint64_t kOtherLinear = 0x0051'2345'6789'a000;
constexpr std::uint64_t kGpa = 0x0005'1234'5678'9000;
constexpr std::uint64_t kOtherGpa = 0x000a'1234'5678'9000;
constexpr std::uint64_t kRootA = 0x10'0000;
constexpr std::uint64_t kRootB = 0x20'0000;

struct Planted {
  enum class In : std::uint8_t { kTlb, kPiece, kCombined, kNested, kEpt };
  const char* name;
  In in;
  std::uint16_t vpid;
  std::uint16_t pcid;
  std::uint64_t root;  ///< 0: EPT off, a linear mapping
  bool global = false;
  bool elsewhere = false;
};

using enum Planted::In;
constexpr Planted kPlanted[] = {
    // linear mappings in the TLBs
    {"linear page, VPID 1, PCID 0", kTlb, 1, 0, 0},
    {"linear page, VPID 1, PCID 1", kTlb, 1, 1, 0},
    {"linear page, VPID 1, PCID 0, global", kTlb, 1, 0, 0, true},
    {"linear page, VPID 1, PCID 1, global", kTlb, 1, 1, 0, true},
    {"linear page, VPID 0, PCID 0", kTlb, 0, 0, 0},
    {"linear page, VPID 2, PCID 0", kTlb, 2, 0, 0},
    // combined mappings in the TLBs
    {"page, VPID 1, PCID 0, root A", kTlb, 1, 0, kRootA},
    {"another page, VPID 1, PCID 0, root A", kTlb, 1, 0, kRootA, false, true},
    {"page, VPID 1, PCID 1, root A", kTlb, 1, 1, kRootA},
    {"page, VPID 1, PCID 0, root A, global", kTlb, 1, 0, kRootA, true},
    {"page, VPID 1, PCID 1, root A, global", kTlb, 1, 1, kRootA, true},
    {"page, VPID 1, PCID 0, root B", kTlb, 1, 0, kRootB},
    {"page, VPID 1, PCID 1, root B, global", kTlb, 1, 1, kRootB, true},
    {"page, VPID 0, PCID 0, root A", kTlb, 0, 0, kRootA},
    {"page, VPID 0, PCID 1, root B", kTlb, 0, 1, kRootB},
    {"page, VPID 0, PCID 0, root A, global", kTlb, 0, 0, kRootA, true},
    {"page, VPID 2, PCID 0, root A", kTlb, 2, 0, kRootA},
    {"page, VPID 2, PCID 1, root A, global", kTlb, 2, 1, kRootA, true},
    {"another piece of the page, VPID 1, PCID 0, root A", kPiece, 1, 0, kRootA},
    // paging-structure caches, linear mappings
    {"linear tables, VPID 1, PCID 0", kCombined, 1, 0, 0},
    {"linear tables, VPID 1, PCID 1", kCombined, 1, 1, 0},
    {"other linear tables, VPID 1, PCID 0", kCombined, 1, 0, 0, false, true},
    {"linear tables, VPID 0, PCID 0", kCombined, 0, 0, 0},
    // paging-structure caches, combined mappings
    {"tables, VPID 1, PCID 0, root A", kCombined, 1, 0, kRootA},
    {"other tables, VPID 1, PCID 0, root A", kCombined, 1, 0, kRootA, false, true},
    {"tables, VPID 1, PCID 1, root A", kCombined, 1, 1, kRootA},
    {"tables, VPID 1, PCID 0, root B", kCombined, 1, 0, kRootB},
    {"tables, VPID 0, PCID 0, root A", kCombined, 0, 0, kRootA},
    {"tables, VPID 0, PCID 1, root B", kCombined, 0, 1, kRootB},
    {"tables, VPID 2, PCID 0, root A", kCombined, 2, 0, kRootA},
    // guest-physical mappings
    {"guest-physical page, root A", kNested, 1, 0, kRootA},
    {"another guest-physical page, root A", kNested, 1, 0, kRootA, false, true},
    {"guest-physical page, root B", kNested, 1, 0, kRootB},
    {"EPT tables, root A", kEpt, 1, 0, kRootA},
    {"other EPT tables, root A", kEpt, 1, 0, kRootA, false, true},
    {"EPT tables, root B", kEpt, 1, 0, kRootB},
};

constexpr CurrentTags kCurrent{.vpid = 1, .pcid = 0, .ept_root = kRootA};
constexpr CurrentTags kWithoutVpid{.vpid = 0, .pcid = 0, .ept_root = kRootA};
constexpr CurrentTags kWithoutEpt{.vpid = 1, .pcid = 0};
constexpr std::uint64_t kPae = 1u << 5, kPge = 1u << 7, kPcide = 1u << 17, kSmep = 1u << 20,
                        kSmap = 1u << 21;
constexpr std::uint64_t kPg = 1u << 31, kWp = 1u << 16;

/// x: must go; . must stay; ? may go or stay.
struct Row {
  const char* operation;
  InvalidationScopes scopes;
  const char* linear;      ///< in the TLBs
  const char* combined;    ///< in the TLBs
  const char* structures;  ///< the paging-structure caches: linear, combined
  const char* guest_physical;
};

std::vector<Row> table() {
  using namespace invalidation;
  // clang-format off
  return {
      {"INVLPG", invlpg(kCurrent, kLinear),
       "x.xx..", "x..xxxx.....x", "x.x. xx.x...", "......"},
      {"INVLPG with EPT off", invlpg(kWithoutEpt, kLinear),
       "x.xx..", "x..xxxx.....x", "x.x. xx.x...", "......"},
      {"INVLPG under VPID 0", invlpg(kWithoutVpid, kLinear),
       "....x.", ".......x.x...", "...x ....x..", "......"},
      {"INVPCID 0 of PCID 0", invpcid(kCurrent, InvpcidType::kAddress, 0, kLinear),
       "x.....", "x....x......x", "x... x..x...", "......"},
      {"INVPCID 0 of PCID 1", invpcid(kCurrent, InvpcidType::kAddress, 1, kLinear),
       ".x....", "..x..........", ".x.. ..x....", "......"},
      {"INVPCID 1 of PCID 0", invpcid(kCurrent, InvpcidType::kSingle, 0, 0),
       "x.....", "xx...x......x", "x.x. xx.x...", "......"},
      {"INVPCID 1 of PCID 1", invpcid(kCurrent, InvpcidType::kSingle, 1, 0),
       ".x....", "..x..........", ".x.. ..x....", "......"},
      {"INVPCID 2", invpcid(kCurrent, InvpcidType::kAllWithGlobals, 0, 0),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"INVPCID 3", invpcid(kCurrent, InvpcidType::kAllButGlobals, 0, 0),
       "xx....", "xxx..x......x", "xxx. xxxx...", "......"},
      {"MOV CR3 without PCIDs", mov_to_cr3(kCurrent, 0x9018, false),
       "x.....", "xx...x......x", "x.x. xx.x...", "......"},
      {"MOV CR3 to PCID 0", mov_to_cr3(kCurrent, 0x9000, true),
       "x.....", "xx...x......x", "x.x. xx.x...", "......"},
      {"MOV CR3 to PCID 1", mov_to_cr3(kCurrent, 0x9001, true),
       ".x....", "..x..........", ".x.. ..x....", "......"},
      {"MOV CR3 to PCID 1, bit 63", mov_to_cr3(kCurrent, 0x9001 | 1ull << 63, true),
       "......", ".............", ".... .......", "......"},
      {"MOV CR4, PGE cleared", mov_to_cr4(kCurrent, kPae | kPge, kPae),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"MOV CR4, PGE and SMEP set", mov_to_cr4(kCurrent, kPae, kPae | kPge | kSmep),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"MOV CR4, PCIDE cleared", mov_to_cr4(kCurrent, kPae | kPcide, kPae),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"MOV CR4, PCIDE set", mov_to_cr4(kCurrent, kPae, kPae | kPcide),
       "......", ".............", ".... .......", "......"},
      {"MOV CR4, PAE set", mov_to_cr4(kCurrent, kPge, kPge | kPae),
       "x.x?..", "xx.x?x?.....x", "x.x. xx.x...", "......"},
      {"MOV CR4, PAE cleared", mov_to_cr4(kCurrent, kPge | kPae, kPge),
       "x.x?..", "xx.x?x?.....x", "x.x. xx.x...", "......"},
      {"MOV CR4, SMEP set", mov_to_cr4(kCurrent, kPae, kPae | kSmep),
       "x.x?..", "xx.x?x?.....x", "x.x. xx.x...", "......"},
      {"MOV CR4, SMEP cleared, SMAP set", mov_to_cr4(kCurrent, kPae | kSmep, kPae | kSmap),
       "......", ".............", ".... .......", "......"},
      {"MOV CR0, PG cleared", mov_to_cr0(kCurrent, kPg | kWp, kWp),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"MOV CR0, PG set, WP cleared", mov_to_cr0(kCurrent, kWp, kPg),
       "......", ".............", ".... .......", "......"},
      {"page fault", page_fault(kCurrent, kLinear),
       "x.??..", "x..??x?.....x", "x... x..x...", "......"},
      {"EPT violation of a translation", ept_violation(kCurrent, kLinear, kGpa),
       "......", "x..??........", ".... x......", "x..x.."},
      {"EPT violation of a paging structure", ept_violation(kCurrent, std::nullopt, kGpa),
       "......", ".............", ".... .......", "x..x.."},
      {"VM entry or exit without VPID", vm_transition(false),
       "....x.", ".......xxx...", "...x ....xx.", "......"},
      {"VM entry or exit with VPID", vm_transition(true),
       "......", ".............", ".... .......", "......"},
      {"INVVPID 0 of VPID 1", invvpid(InvvpidType::kAddress, 1, kLinear),
       "xxxx..", "x.xxxxx.....x", "xx.. x.xx...", "......"},
      {"INVVPID 0 of VPID 2", invvpid(InvvpidType::kAddress, 2, kLinear),
       ".....x", "..........xx.", ".... ......x", "......"},
      {"INVVPID 1 of VPID 1", invvpid(InvvpidType::kSingle, 1, 0),
       "xxxx..", "xxxxxxx.....x", "xxx. xxxx...", "......"},
      {"INVVPID 2", invvpid(InvvpidType::kAll, 0, 0),
       "xxxx.x", "xxxxxxx...xxx", "xxx. xxxx..x", "......"},
      {"INVVPID 3 of VPID 1", invvpid(InvvpidType::kSingleButGlobals, 1, 0),
       "xx....", "xxx..x......x", "xxx. xxxx...", "......"},
      {"INVEPT 1 of root A", invept(InveptType::kSingle, kRootA | 0x5e),
       "......", "xxxxx..x.xxxx", ".... xxx.x.x", "xx.xx."},
      {"INVEPT 1 of a third root", invept(InveptType::kSingle, 0x30'001e),
       "......", ".............", ".... .......", "......"},
      {"INVEPT 2", invept(InveptType::kAll, 0),
       "......", "xxxxxxxxxxxxx", ".... xxxxxxx", "xxxxxx"},
      {"EPTP switching without VPID", vmfunc_eptp_switch(false),
       "......", ".......xxx...", ".... ....xx.", "......"},
      {"EPTP switching with VPID", vmfunc_eptp_switch(true),
       "......", ".............", ".... .......", "......"},
      {"reset", reset(),
       "xxxxxx", "xxxxxxxxxxxxx", "xxxx xxxxxxx", "xxxxxx"},
  };
  // clang-format on
}

std::string expectation(const Row& row) {
  std::string cells;
  for (const char* part : {row.linear, row.combined, row.structures, row.guest_physical}) {
    for (const char c : std::string_view(part)) {
      if (c != ' ') cells += c;
    }
  }
  return cells;
}

CacheSettings small_caches() {
  CacheSettings settings;
  settings.l1i = settings.l1d = {.unified = {.entries = 8, .ways = 4}, .hit_cycles = 1};
  settings.l2 = {.unified = {.entries = 16, .ways = 4}, .hit_cycles = 8};
  for (unsigned level = 2; level <= 5; ++level) {
    settings.combined[level] = settings.ept[level] = {.entries = 8, .ways = 4};
  }
  settings.nested_tlb = {.entries = 8, .ways = 2};
  return settings;
}

/// Where an entry belongs: 5 levels in both dimensions, so that there are entries of every level.
WalkContext context_of(const Planted& planted) {
  Context raw;
  raw.cpu.maxphyaddr = 52;
  raw.ept_enabled = planted.root != 0;
  raw.eptp = planted.root | 0x26;
  raw.cr0 = 0x8001'0001;
  raw.cr3 = 0x5000 | planted.pcid;
  raw.cr4 = 0x2'10a0;  // PAE, PGE, LA57, PCIDE
  raw.efer = 0xd00;
  raw.vpid = planted.vpid;
  return WalkContext(raw);
}

/// One entry alone in its caches. `variant` chooses among the arrays that may hold such an entry:
/// fetched or read, level 2 to 5, page size.
class Plant {
 public:
  static constexpr unsigned kVariants = 4;

  Plant(const Planted& planted, unsigned variant, const CacheSettings& settings)
      : planted_(planted), variant_(variant), context_(context_of(planted)), caches_(settings) {
    if (is_in_tlb()) {
      const PageSize guest = planted.in == kPiece ? PageSize::k2M : PageSize::k4K;
      const Outcome outcome{.gpa = kGpa,
                            .hpa = 0x7000,
                            .guest_page_size = guest,
                            .ept_page_size = PageSize::k4K,
                            .page_size = PageSize::k4K,
                            .dirty = true,
                            .global = planted.global};
      caches_.tlbs().take(context_, request(), outcome);
    } else {
      const unsigned level = planted.in == kNested ? 1 + variant % 3 : 2 + variant;
      const std::uint64_t covered = std::uint64_t{1} << (12 + 9 * (level - 1));
      caches_.structures().fill({.kind = kind(),
                                 .level = static_cast<std::uint8_t>(level),
                                 .key = address() & ~(covered - 1)},
                                context_);
    }
  }

  bool is_there() {
    if (!is_in_tlb()) return caches_.structures().lookup(kind(), address(), context_) != nullptr;
    caches_.tlbs().use(context_);
    return static_cast<bool>(caches_.tlbs().lookup(request()));
  }

  TranslationCaches& caches() { return caches_; }

 private:
  bool is_in_tlb() const { return planted_.in == kTlb || planted_.in == kPiece; }
  Request request() const {
    return {.address = address(),
            .access = variant_ % 2 == 0 ? AccessKind::kRead : AccessKind::kFetch};
  }
  LookupKind kind() const {
    return planted_.in == kCombined ? LookupKind::kCombined
           : planted_.in == kNested ? LookupKind::kNestedTlb
                                    : LookupKind::kEptStructure;
  }
  std::uint64_t address() const {
    if (planted_.in == kNested || planted_.in == kEpt) return planted_.elsewhere ? kOtherGpa : kGpa;
    if (planted_.in == kPiece) return kOtherPiece;
    return planted_.elsewhere ? kOtherLinear : kLinear;
  }

  const Planted& planted_;
  unsigned variant_;
  WalkContext context_;
  TranslationCaches caches_;
};

TEST(InvalidationTable, EveryOperationRemovesWhatItMustAndNothingElse) {
  for (const Row& row : table()) {
    const std::string expected = expectation(row);
    ASSERT_EQ(expected.size(), std::size(kPlanted)) << row.operation;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      for (unsigned variant = 0; variant < Plant::kVariants; ++variant) {
        Plant plant(kPlanted[i], variant, small_caches());
        ASSERT_TRUE(plant.is_there()) << kPlanted[i].name;
        plant.caches().invalidate(row.scopes);
        if (expected[i] == '?') continue;
        EXPECT_EQ(plant.is_there(), expected[i] == '.')
            << row.operation << ": " << kPlanted[i].name << ", variant " << variant;
      }
    }
  }
}

TEST(InvalidationTable, AProcessorMayRemoveEverythingWheneverItRemovesAnything) {
  CacheSettings settings = small_caches();
  settings.over_invalidate = true;
  for (const Row& row : table()) {
    for (const Planted& planted : kPlanted) {
      Plant plant(planted, 0, settings);
      plant.caches().invalidate(row.scopes);
      EXPECT_EQ(plant.is_there(), row.scopes.empty()) << row.operation << ": " << planted.name;
    }
  }
}

TEST(InvalidationTable, TheCurrentTagsAreThoseOfTheContext) {
  Context raw = context_of({"", kTlb, 7, 5, kRootB}).raw;
  CurrentTags tags = current_tags(WalkContext(raw));
  EXPECT_EQ(tags.vpid, 7);
  EXPECT_EQ(tags.pcid, 5);
  EXPECT_EQ(tags.ept_root, kRootB);
  raw.cr4 &= ~kPcide;
  raw.ept_enabled = false;
  tags = current_tags(WalkContext(raw));
  EXPECT_EQ(tags.pcid, 0);
  EXPECT_EQ(tags.ept_root, std::nullopt);
}

}  // namespace
}  // namespace eptsim::mmu
