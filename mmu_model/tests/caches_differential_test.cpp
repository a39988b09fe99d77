#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "mmu_model/caches/translation_caches.hpp"
#include "mmu_model/tests/random.hpp"
#include "mmu_model/tests/walk_tables.hpp"

/// A logical processor with small caches beside one without any, over two copies of one memory.
/// Software changes tables in both, carries out the invalidation that the change asks for, and
/// moves among VPIDs, PCIDs and EPTPs. Neither must ever tell them apart.
namespace eptsim::mmu::test {
namespace {

constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
constexpr std::uint64_t k4K = 1u << 12, k2M = 1u << 21;
constexpr std::uint64_t kGlobal = 1u << 8;
constexpr std::uint64_t kExceptionInformation = 0x8000;

// Guest-physical memory: a region of tables and two of data, 2 MiB each. Where either EPT has it:
constexpr std::uint64_t kTables = 0x4000'0000, kData = 0x8000'0000;
constexpr std::uint64_t kTablesOffset = 0x40'0000'0000;
constexpr std::array<std::uint64_t, 2> kDataOffset = {0x100'0000'0000, 0x200'0000'0000};

/// One address space of a guest, or of the host (native: no EPT).
struct Space {
  std::uint16_t vpid = 0;
  std::uint16_t pcid = 0;
  bool native = false;
  bool paging = true;
  std::uint64_t root = 0;
};

// User pages, those of a 2 MiB page among them, then those that the PCIDs of a VPID share.
constexpr std::uint64_t kUser = 0x0000'1234'4000'0000, kLarge2M = kUser + 4 * k2M;
constexpr std::uint64_t kShared = 0xffff'8000'0020'0000;
constexpr std::array<std::uint64_t, 12> kLinear = {
    kUser,
    kUser + k4K,
    kUser + 2 * k4K,
    kUser + k2M,
    kUser + k2M + k4K,
    kUser + (1ull << 30),
    kUser + (1ull << 39),
    kLarge2M,
    kLarge2M + 9 * k4K,
    kShared,
    kShared + k4K,
    kShared + k2M,
};
bool is_shared(std::uint64_t linear) { return (linear >> 63) != 0; }
bool is_large(std::uint64_t linear) { return (linear & ~(k2M - 1)) == kLarge2M; }

class Machine {
 public:
  Machine(std::uint64_t seed, const CacheSettings& settings)
      : random_(seed), caches_(settings, seed) {
    base_.cr0 = 0x8001'0001;
    base_.cr4 = 0x2'00a0;  // PAE, PGE, PCIDE
    base_.efer = 0xd00;
    base_.cpu.advanced_exit_info = random_.one_in(2);
    base_.controls.mode_based_execute = random_.one_in(2);
    globals_ = random_.one_in(2);
    base_.controls.pml = !globals_ && random_.one_in(2);
    base_.pml_address = 0x7000;
    // Guest rights gained without an invalidation may still be reported as they were, and so be
    // written to the exception's information area.
    base_.controls.ept_violation_ve = !base_.cpu.advanced_exit_info && random_.one_in(2);
    base_.ve_info_address = kExceptionInformation;
    base_.controls.sub_page_permission = random_.one_in(2);
    base_.sppt_pointer = 0xa000;
    base_.controls.paging_write = random_.one_in(2);
    base_.controls.guest_paging_verification = base_.controls.paging_write && random_.one_in(2);
    for (const unsigned bit : {20u, 21u, 22u, 24u}) {  // SMEP, SMAP, PKE, PKS
      if (random_.one_in(3)) base_.cr4 |= 1ull << bit;
    }
    build();
    uncached_ = memory_;
  }

  void step() {
    const std::uint64_t kind = random_.below(100);
    if (kind < 87) {
      access();
    } else if (kind < 88) {
      store(kExceptionInformation, 0);  // the guest has handled its virtualization exception
    } else if (kind < 92) {
      change_space();
    } else if (kind < 96) {
      change_guest_tables();
    } else {
      change_ept();
    }
  }

  unsigned translated = 0, refused = 0, tlb_hits = 0, shorter_walks = 0, needless = 0;

 private:
  // --- Tables ------------------------------------------------------------------------------------

  void build() {
    for (unsigned ept = 0; ept < 2; ++ept) {
      ept_root_[ept] = host_frame();
      map_ept(ept, kTables, kTables + kTablesOffset, ept == 1);
      // The first data region in 2 MiB pages of EPT 0, the second in those of EPT 1.
      for (unsigned region = 0; region < 2; ++region) {
        const std::uint64_t gpa = kData + region * k2M;
        map_ept(ept, gpa, gpa + kDataOffset[ept], region == ept);
      }
      map_ept(ept, 0, kDataOffset[ept], false);  // the linear addresses of a guest without paging
    }
    // Sub-page permissions of 16 pages of each data region; elsewhere there is no table.
    put(0xa000, 0xb001);
    put(0xb010, 0xc001);
    for (std::uint64_t region = 0; region < 2; ++region) {
      put(0xc000 + region * 8, (0xd000 + region * k4K) | 1);
      for (std::uint64_t page = 0; page < 16; ++page) {
        put(0xd000 + region * k4K + page * 8, random_.next() & 0x5555'5555'5555'5555);
      }
    }
    const auto add = [&](Space space, const Space* shares) {
      space.root = new_table(space.native);
      if (shares != nullptr) {
        const std::uint64_t top = index(kShared, 4);
        put(host(space, space.root) + top, memory_.at(host(space, shares->root) + top));
      }
      for (const std::uint64_t linear : kLinear) {
        if (shares == nullptr || !is_shared(linear)) map(space, linear);
      }
      if (shares == nullptr) {
        const std::uint64_t entry = host(space, space.root) + index(kShared, 4);
        put(entry, memory_.at(entry) | kA);
      }
      spaces_.push_back(space);
    };
    for (const std::uint16_t vpid : {std::uint16_t{1}, std::uint16_t{2}}) {
      add({.vpid = vpid, .pcid = 0}, nullptr);
      const Space first = spaces_.back();
      add({.vpid = vpid, .pcid = 1}, &first);
    }
    add({.vpid = 0, .pcid = 0, .native = true}, nullptr);
    add({.vpid = 0, .pcid = 0}, nullptr);  // a guest without a VPID of its own
    spaces_.push_back({.vpid = 3, .paging = false});
  }

  std::uint64_t host_frame() { return next_frame_ += k4K; }
  std::uint64_t new_table(bool native) {
    return native ? host_frame() : kTables + (guest_tables_++) * k4K;
  }
  /// Host-physical address of a guest's table.
  static std::uint64_t host(const Space& space, std::uint64_t table) {
    return space.native ? table : table + kTablesOffset;
  }
  static std::uint64_t index(std::uint64_t address, unsigned level) {
    return ((address >> (12 + 9 * (level - 1))) & 511) * 8;
  }
  void put(std::uint64_t address, std::uint64_t value) { memory_.put(address, value); }

  void map(const Space& space, std::uint64_t linear) {
    const unsigned leaf = is_large(linear) ? 2 : 1;
    std::uint64_t table = host(space, space.root);
    for (unsigned level = 4; level > leaf; --level) {
      const std::uint64_t entry = table + index(linear, level);
      if (memory_.at(entry) == 0) put(entry, new_table(space.native) | kP | kGuestW | kU);
      table = host(space, memory_.at(entry) & kFrame);
    }
    put(table + index(linear, leaf),
        frame_for(space, leaf) | kP | kGuestW | kU | (leaf == 2 ? kLarge : 0) |
            (globals_ && is_shared(linear) && random_.one_in(2) ? kGlobal : 0));
  }
  std::uint64_t frame_for(const Space& space, unsigned leaf) {
    const std::uint64_t offset = space.native ? kDataOffset[0] : 0;
    if (leaf == 2) return offset + kData + random_.below(2) * k2M;
    return offset + kData + random_.below(2) * k2M + random_.below(16) * k4K;
  }
  /// 2 MiB at `gpa`: one page, or 64 of 4 KiB.
  void map_ept(unsigned ept, std::uint64_t gpa, std::uint64_t hpa, bool large) {
    std::uint64_t table = ept_root_[ept];
    const std::uint64_t rights = kR | kW | kX | kXu;
    for (unsigned level = 4; level > (large ? 2u : 1u); --level) {
      const std::uint64_t entry = table + index(gpa, level);
      if (memory_.at(entry) == 0) put(entry, host_frame() | rights);
      table = memory_.at(entry) & kFrame;
    }
    if (large) {
      put(table + index(gpa, 2), hpa | rights | kTypeWb | kLarge);
      return;
    }
    for (std::uint64_t page = 0; page < 64; ++page) {
      put(table + page * 8, (hpa + page * k4K) | rights | kTypeWb);
    }
  }

  // --- Accesses ----------------------------------------------------------------------------------

  Context context() const {
    const Space& space = spaces_[space_];
    Context raw = base_;
    raw.vpid = space.vpid;
    raw.ept_enabled = !space.native;
    raw.eptp = space.native ? 0 : ept_root_[ept_] | 0x1e | (ept_ == 0 && !globals_ ? 0x40 : 0);
    raw.cr3 = space.root | space.pcid;
    if (!space.paging) {
      raw.cr0 = 1;
      raw.cr4 = 0;
      raw.efer = 0;
    }
    if (space.native) raw.controls = {};
    if (!raw.controls.pml) return raw;
    raw.pml_index = pml_index_;
    return raw;
  }

  void access() {
    const Space& space = spaces_[space_];
    static constexpr AccessKind kKinds[] = {AccessKind::kRead, AccessKind::kRead,
                                            AccessKind::kWrite, AccessKind::kFetch,
                                            AccessKind::kReadModifyWrite};
    Request request{.address = random_.any(kLinear) + random_.below(512) * 8,
                    .access = random_.any(kKinds),
                    .user = !random_.one_in(4),
                    .size = 8};
    if (!space.paging) request.address = random_.below(64) * k4K;
    if (!space.native && random_.one_in(12)) {
      request.linear = request.user = false;
      request.address = kData + random_.below(2) * k2M + random_.below(64) * k4K;
    }
    const WalkContext where(context());
    NoRecording nothing;
    const TranslateResult expected = translate(where, request, uncached_, nothing);
    const TranslationCaches::Answer got = caches_.translate(where, request, memory_, nothing);
    ASSERT_EQ(summary(got.outcome), summary(expected.outcome))
        << std::hex << request.address << " space " << space_ << " EPT " << ept_;
    if (where.raw.controls.pml) {
      pml_index_ = got.outcome.kind == OutcomeKind::kPmlFull ? 511 : got.pml_index;
    }
    // Comparing both memories whole at every step would be most of the test's time.
    if (++accesses_ % 8 == 0) {
      ASSERT_EQ(first_difference(), "") << "space " << space_ << " EPT " << ept_;
    }
    ++(got.outcome.kind == OutcomeKind::kTranslated ? translated : refused);
    tlb_hits += got.tlb_hit;
    shorter_walks += !got.tlb_hit && got.references < expected.references;
  }

  std::string first_difference() const {
    if (memory_.words == uncached_.words) return {};
    std::ostringstream text;
    for (const auto& [address, value] : memory_.words) {
      if (value == uncached_.at(address)) continue;
      text << std::hex << address << ": " << value << " for " << uncached_.at(address) << "; ";
    }
    return text.str();
  }

  /// All that an outcome says, but for what a cache may know less of than memory says: rights not
  /// asked for and dirty flags, which may have been gained since.
  static std::string summary(Outcome outcome) {
    if (outcome.kind == OutcomeKind::kTranslated) {
      outcome.guest_rights = {};
      outcome.ept_rights = {};
      outcome.dirty = outcome.shadow_stack = false;
    }
    outcome.qualification &= ~(std::uint64_t{3} << 10);  // the guest's rights
    return describe(outcome);
  }

  // --- Software ----------------------------------------------------------------------------------

  CurrentTags tags() const { return current_tags(WalkContext(context())); }
  void invalidate(const InvalidationScopes& scopes) { caches_.invalidate(scopes); }

  void change_space() {
    const Space& old = spaces_[space_];
    if (!old.native && random_.one_in(3)) {  // VMFUNC
      ept_ = 1 - ept_;
      invalidate(invalidation::vmfunc_eptp_switch(old.vpid != 0));
      return;
    }
    const auto next = static_cast<std::size_t>(random_.below(spaces_.size()));
    const Space& space = spaces_[next];
    const bool same_guest = old.vpid == space.vpid && old.native == space.native;
    // A guest's MOV CR3, which keeps what its PCIDs cached; else a VM exit and an entry.
    if (same_guest) {
      invalidate(invalidation::mov_to_cr3(tags(), space.root | space.pcid | 1ull << 63, true));
    } else {
      if (!old.native) invalidate(invalidation::vm_transition(old.vpid != 0));
      if (!space.native) invalidate(invalidation::vm_transition(space.vpid != 0));
      if (!space.native && random_.one_in(2)) ept_ = 1 - ept_;  // before the entry
    }
    space_ = next;
  }

  /// Writes a word that both processors see.
  void store(std::uint64_t address, std::uint64_t value) {
    memory_.put(address, value);
    uncached_.put(address, value);
  }

  /// An entry of the current space or of an EPT, found by an address that it translates.
  struct Place {
    std::size_t owner = 0;  ///< index of the space; kEpt + index of the EPT
    std::uint64_t address = 0;
    unsigned level = 0;
    std::uint64_t entry = 0;  ///< host-physical address of it
    std::uint64_t good = 0;   ///< its value before it was damaged
  };
  static constexpr std::size_t kEpt = 100;

  /// One of the owner's damaged entries, to be mended; mostly there is one, or all would rot.
  const Place* damaged(std::size_t owner) {
    std::vector<const Place*> owned;
    for (const Place& place : damaged_) {
      if (place.owner == owner) owned.push_back(&place);
    }
    if (owned.empty() || (owned.size() < 3 && random_.one_in(2))) return nullptr;
    return random_.any(owned);
  }
  /// Takes `place` off the list of the damaged ones, and gives the value that it should have.
  std::uint64_t mended(const Place& place) {
    const std::uint64_t entry = place.entry, good = place.good;
    std::erase_if(damaged_, [&](const Place& other) { return other.entry == entry; });
    return good;
  }
  void damage(Place place, std::uint64_t good) {
    for (const Place& other : damaged_) {
      if (other.entry == place.entry) return;
    }
    place.good = good;
    damaged_.push_back(place);
  }

  void change_guest_tables() {
    const Space& space = spaces_[space_];
    if (!space.paging) return;
    Place place{.owner = space_, .address = random_.any(kLinear)};
    std::uint64_t value = 0;
    bool leaf = false;
    if (const Place* const found = damaged(space_)) {
      place = *found;
      value = mended(*found);
      leaf = place.level == (is_large(place.address) ? 2u : 1u);
    } else {
      place.level = is_large(place.address) ? 2 : 1;
      // What PCIDs share, global translations too, is the same for all: not the root's entry.
      const unsigned top = is_shared(place.address) ? 3 : 4;
      if (random_.one_in(3)) {
        place.level += static_cast<unsigned>(random_.below(top + 1 - place.level));
      }
      leaf = place.level == (is_large(place.address) ? 2u : 1u);
      place.entry = host(space, space.root) + index(place.address, 4);
      for (unsigned level = 4; level > place.level; --level) {
        place.entry =
            host(space, memory_.at(place.entry) & kFrame) + index(place.address, level - 1);
      }
      value = memory_.at(place.entry);
      damage(place, value);
      switch (random_.below(leaf ? 9 : 5)) {
        case 0: value &= ~kP; break;
        case 1: value ^= kGuestW; break;
        case 2: value ^= kU; break;
        case 3: value ^= kNx; break;
        case 4: value &= ~kA; break;
        case 5: value &= ~kD; break;
        case 6: value ^= 0x18; break;  // PWT, PCD
        case 7: value = (value & ~kFrame) | frame_for(space, place.level); break;
        case 8: value ^= globals_ && is_shared(place.address) ? kGlobal : 1ull << 60; break;
      }
    }
    const std::uint64_t old = memory_.at(place.entry);
    store(place.entry, value);
    if (((old & kP) == 0 || only_gains(old, value, kGuestW)) && random_.one_in(2)) {
      ++needless;
      return;
    }
    invalidate_guest(place.address, leaf);
  }

  /// One of the instructions that suffice for an entry of the current space.
  void invalidate_guest(std::uint64_t linear, bool leaf) {
    const CurrentTags current = tags();
    using namespace invalidation;
    std::vector<InvalidationScopes> choices = {
        invpcid(current, InvpcidType::kAllWithGlobals, 0, 0),
        mov_to_cr4(current, base_.cr4, base_.cr4 & ~(1ull << 7)),
    };
    if (current.vpid != 0) choices.push_back(invvpid(InvvpidType::kSingle, current.vpid, 0));
    if (current.vpid != 0) choices.push_back(invvpid(InvvpidType::kAll, 0, 0));
    if (leaf && current.vpid != 0) {
      choices.push_back(invvpid(InvvpidType::kAddress, current.vpid, linear));
    }
    if (!is_shared(linear)) {
      const std::uint64_t cr3 = spaces_[space_].root | spaces_[space_].pcid;
      choices.push_back(mov_to_cr3(current, cr3, true));
      choices.push_back(invpcid(current, InvpcidType::kSingle, current.pcid, 0));
      choices.push_back(invpcid(current, InvpcidType::kAllButGlobals, 0, 0));
      if (current.vpid != 0) {
        choices.push_back(invvpid(InvvpidType::kSingleButGlobals, current.vpid, 0));
      }
      if (leaf) {
        for (int i = 0; i < 4; ++i) choices.push_back(invlpg(current, linear));
        choices.push_back(invpcid(current, InvpcidType::kAddress, current.pcid, linear));
      }
    }
    invalidate(random_.any(choices));
  }

  void change_ept() {
    const unsigned ept = static_cast<unsigned>(random_.below(2));
    Place place{.owner = kEpt + ept, .level = 4};
    std::uint64_t value = 0;
    if (const Place* const found = damaged(kEpt + ept)) {
      place = *found;
      value = mended(*found);
    } else {
      const std::uint64_t page = random_.below(16) * k4K;
      place.address = random_.one_in(8) ? page
                      : random_.one_in(3) && !globals_
                          ? kTables + random_.below(guest_tables_) * k4K
                          : kData + random_.below(2) * k2M + page;
      const unsigned wanted = 1 + static_cast<unsigned>(random_.one_in(4) ? random_.below(4) : 0);
      place.entry = ept_root_[ept] + index(place.address, 4);
      while (place.level > wanted && (memory_.at(place.entry) & kLarge) == 0) {
        place.entry = (memory_.at(place.entry) & kFrame) + index(place.address, --place.level);
      }
      value = memory_.at(place.entry);
      damage(place, value);
      const bool leaf = place.level == 1 || (value & kLarge) != 0;
      const bool data = (place.address & ~(k2M - 1)) != kTables;
      switch (random_.below(leaf ? (data ? 10 : 9) : 6)) {
        case 0: value &= ~(kR | kW | kX | kXu); break;
        case 1: value &= ~kW; break;
        case 2: value &= ~kX; break;
        case 3: value ^= kXu; break;
        case 4: value ^= 1ull << 51; break;  // misconfigured
        case 5: value &= ~kEptA; break;
        case 6: value &= ~kEptD; break;
        case 7:
          value ^= 6u << 3;
          break;  // WB and UC
        // Verify, paging-write access, sub-page permissions, suppress #VE.
        case 8: value ^= 1ull << random_.any(std::array{57, 58, 61, 63}); break;
        case 9: value ^= kDataOffset[0] ^ kDataOffset[1]; break;
      }
    }
    const std::uint64_t old = memory_.at(place.entry);
    store(place.entry, value);
    const bool unusable = (old & (kR | kW | kX | kXu)) == 0 || (old >> 51 & 1) != 0;
    if ((unusable || only_gains(old, value, kR | kW | kX | kXu)) && random_.one_in(2)) {
      ++needless;
      return;
    }
    invalidate(random_.one_in(3) ? invalidation::invept(InveptType::kAll, 0)
                                 : invalidation::invept(InveptType::kSingle, ept_root_[ept]));
  }

  /// A change that gives rights and does nothing else owes no invalidation.
  static bool only_gains(std::uint64_t old, std::uint64_t value, std::uint64_t rights) {
    return (old & ~value) == 0 && ((old ^ value) & ~rights) == 0;
  }

  Random random_;
  /// Pages that the PCIDs of a VPID share may be global. What one PCID cached then answers for the
  /// other, whose own root stays untouched: so there is nothing to set or refuse for roots alone.
  bool globals_ = false;
  TranslationCaches caches_;
  Context base_;
  WordMemory memory_, uncached_;
  std::array<std::uint64_t, 2> ept_root_{};
  std::vector<Space> spaces_;
  std::vector<Place> damaged_;
  std::uint64_t next_frame_ = 0x10'0000;
  std::uint64_t guest_tables_ = 0;
  std::size_t space_ = 0;
  unsigned ept_ = 0;
  std::uint16_t pml_index_ = 511;
  unsigned accesses_ = 0;
};

CacheSettings small_caches(Replacement replacement) {
  CacheSettings settings;
  settings.l1d = {.unified = {.entries = 8, .ways = 4}, .replacement = replacement};
  settings.l1i = {.split = true,
                  .k4 = {.entries = 4, .ways = 2},
                  .m2 = {.entries = 2, .ways = 2},
                  .replacement = replacement};
  settings.l2 = {.unified = {.entries = 32, .ways = 8}, .replacement = replacement};
  for (unsigned level = 2; level <= 4; ++level) {
    settings.combined[level] = {.entries = 4, .ways = 2, .replacement = replacement};
    settings.ept[level] = {.entries = 4, .ways = 4, .replacement = replacement};
  }
  settings.nested_tlb = {.entries = 16, .ways = 4, .replacement = replacement};
  return settings;
}

class CachesAgainstNone : public testing::TestWithParam<std::uint64_t> {};

TEST_P(CachesAgainstNone, NoAccessTellsThemApartIfSoftwareInvalidates) {
  static constexpr Replacement kReplacements[] = {Replacement::kLru, Replacement::kTreePlru,
                                                  Replacement::kFifo, Replacement::kRandom};
  CacheSettings settings = small_caches(kReplacements[GetParam() % 4]);
  if (GetParam() == 9) settings.over_invalidate = true;
  Machine machine(GetParam(), settings);
  for (int i = 0; i < 10'000; ++i) {
    machine.step();
    if (HasFatalFailure()) FAIL() << "step " << i;
  }
  // The stimulus is worth something only if all of these happen often.
  EXPECT_GT(machine.translated, 3000u);
  EXPECT_GT(machine.refused, 500u);
  EXPECT_GT(machine.tlb_hits, settings.over_invalidate ? 300u : 1000u);
  EXPECT_GT(machine.shorter_walks, settings.over_invalidate ? 500u : 1500u);
  EXPECT_GT(machine.needless, 30u) << "changes that owe no invalidation, and got none";
}

INSTANTIATE_TEST_SUITE_P(Seeds, CachesAgainstNone, testing::Range<std::uint64_t>(0, 10));

}  // namespace
}  // namespace eptsim::mmu::test
