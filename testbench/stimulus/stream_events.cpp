#include "testbench/stimulus/stream_events.hpp"

#include <algorithm>

#include "ept/arch/registers.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

namespace {

using mmu::InvalidationScopes;
namespace invalidation = mmu::invalidation;

constexpr std::array kForGuestEntries{
    InvalidationKind::kInvlpg,         InvalidationKind::kInvpcidAddress,
    InvalidationKind::kInvpcidSingle,  InvalidationKind::kInvpcidAllWithGlobals,
    InvalidationKind::kMovToCr3,       InvalidationKind::kInvpcidAllButGlobals,
    InvalidationKind::kMovToCr4Pge,    InvalidationKind::kMovToCr4Pae,
    InvalidationKind::kMovToCr0,       InvalidationKind::kPageFault,
    InvalidationKind::kInvvpidAddress, InvalidationKind::kInvvpidSingle,
    InvalidationKind::kInvvpidAll,     InvalidationKind::kInvvpidSingleButGlobals,
    InvalidationKind::kInveptSingle,
};
constexpr std::array kForEptEntries{
    InvalidationKind::kInveptSingle, InvalidationKind::kInveptSingle, InvalidationKind::kInveptAll,
    InvalidationKind::kEptViolation, InvalidationKind::kReset,
};

class EventMaker {
 public:
  EventMaker(Random& random, const std::vector<StreamPage>& pages, Stream& stream)
      : random_(random), pages_(pages), stream_(stream) {}

  void add_store() {
    const StreamPage& page = random_.one_in(2) ? busy_page() : any_page();
    if (page.spots.empty()) return;
    const Spot& spot =
        page.spots[page.spots.size() - 1 -
                   std::min(random_.below(page.spots.size()), random_.below(page.spots.size()))];
    const auto count = static_cast<unsigned>(stream_.requests.size());
    const auto after = static_cast<unsigned>(random_.below(count + 1));
    const auto delay = static_cast<unsigned>(random_.below(random_.coin() ? 8 : 200));
    add({.after = after, .delay = delay, .store = changed(spot)});
    if (random_.one_in(8)) return;  // what it owes is left owing
    const bool guest = spot.place.is_guest_entry();
    InvalidationKind kind = guest ? random_.pick(kForGuestEntries) : random_.pick(kForEptEntries);
    if (random_.one_in(12)) kind = any_kind();
    const unsigned later = static_cast<unsigned>(random_.below(random_.coin() ? 4 : 60));
    const unsigned next = random_.one_in(4) ? 1 + static_cast<unsigned>(random_.below(3)) : 0;
    add_invalidation(kind, page, std::min(after + next, count), next == 0 ? delay + later : later);
  }

  void add_invalidation() {
    const auto after = static_cast<unsigned>(random_.below(stream_.requests.size() + 1));
    const InvalidationKind kind = random_.one_in(4) ? InvalidationKind::kAnyScope : any_kind();
    add_invalidation(kind, any_page(), after,
                     static_cast<unsigned>(random_.below(random_.coin() ? 8 : 120)));
  }

  void add_disabling() {
    const auto after = static_cast<unsigned>(random_.below(stream_.requests.size() + 1));
    const auto delay = static_cast<unsigned>(random_.below(40));
    add({.after = after,
         .delay = delay,
         .disabled = mmu::CachesDisabled{
             .combined = random_.coin(), .ept = random_.coin(), .nested_tlb = random_.coin()}});
    if (random_.one_in(4)) return;
    add({.after = after,
         .delay = delay + static_cast<unsigned>(random_.below(200)),
         .disabled = mmu::CachesDisabled{}});
  }

  void sort() {
    std::ranges::stable_sort(stream_.events, [](const StreamEvent& a, const StreamEvent& b) {
      return a.after != b.after ? a.after < b.after : a.delay < b.delay;
    });
  }

 private:
  void add(StreamEvent event) { stream_.events.push_back(event); }

  const StreamPage& any_page() { return pages_[random_.below(pages_.size())]; }
  const StreamPage& busy_page() {
    return pages_[std::min(random_.below(pages_.size()), random_.below(pages_.size()))];
  }
  InvalidationKind any_kind() {
    return static_cast<InvalidationKind>(random_.below(kInvalidationKinds));
  }

  /// The word with the entry at `spot` changed.
  Word changed(const Spot& spot) {
    Word word = stream_.image[spot.word];
    const std::uint64_t width = spot.size == 4 ? bits(31, 0) : ~std::uint64_t{0};
    std::uint64_t entry = word.value >> spot.shift & width;
    const unsigned level =
        spot.place.is_guest_entry() ? spot.place.guest_level : spot.place.ept_level;
    switch (random_.below(8)) {
      case 0: break;  // as it was at the beginning
      case 1: entry &= ~bits(2, 0) & ~bits(10, 10); break;
      case 2: entry ^= random_.bit_of(bits(2, 1)); break;
      case 3: entry &= spot.place.is_guest_entry() ? ~bits(6, 5) : ~bits(9, 8); break;
      case 4: entry ^= random_.bit_of(bits(11, 0)); break;
      case 5: entry = spot.size == 8 ? entry ^ random_.bit_of(bits(63, 0)) : entry; break;
      default: {
        // Another frame: of a page anywhere, of a table most often that of another entry.
        const Spot* const other = spot.leaf ? nullptr : like(spot, level);
        if (other != nullptr) {
          const std::uint64_t theirs = stream_.image[other->word].value >> other->shift & width;
          entry = (entry & ~bits(51, 12)) | (theirs & bits(51, 12));
        } else {
          entry ^= random_.bit_of(bits(31, spot.leaf ? 12 + 9 * (level - 1) : 12));
        }
        entry &= width;
        break;
      }
    }
    const std::uint64_t mask = width << spot.shift;
    word.value = (word.value & ~mask) | (entry << spot.shift & mask);
    return word;
  }

  /// An entry of the same dimension and level that leads to another table.
  const Spot* like(const Spot& spot, unsigned level) {
    const StreamPage& page = any_page();
    for (const Spot& other : page.spots) {
      const bool guest = other.place.is_guest_entry();
      if (other.leaf || guest != spot.place.is_guest_entry() || other.size != spot.size) continue;
      if ((guest ? other.place.guest_level : other.place.ept_level) != level) continue;
      if (other.word != spot.word) return &other;
    }
    return nullptr;
  }

  void add_invalidation(InvalidationKind kind, const StreamPage& page, unsigned after,
                        unsigned delay) {
    for (const mmu::InvalidationScope& scope : scopes(kind, page)) {
      add({.after = after, .delay = delay, .invalidation = scope, .kind = kind});
    }
  }

  InvalidationScopes scopes(InvalidationKind kind, const StreamPage& page) {
    const mmu::Context& raw = stream_.contexts[page.context];
    const mmu::WalkContext context(raw);
    const mmu::CurrentTags tags = mmu::current_tags(context);
    const std::uint64_t linear = canonical(context, page.request.address);
    const std::uint64_t gpa = page.gpa & bits(raw.cpu.maxphyaddr - 1, 0);
    const std::uint16_t vpid = tags.vpid;
    switch (kind) {
      case InvalidationKind::kInvlpg: return invalidation::invlpg(tags, linear);
      case InvalidationKind::kInvpcidAddress:
        return invalidation::invpcid(tags, mmu::InvpcidType::kAddress, tags.pcid, linear);
      case InvalidationKind::kInvpcidSingle:
        return invalidation::invpcid(tags, mmu::InvpcidType::kSingle, tags.pcid, linear);
      case InvalidationKind::kInvpcidAllWithGlobals:
        return invalidation::invpcid(tags, mmu::InvpcidType::kAllWithGlobals, 0, linear);
      case InvalidationKind::kInvpcidAllButGlobals:
        return invalidation::invpcid(tags, mmu::InvpcidType::kAllButGlobals, 0, linear);
      case InvalidationKind::kMovToCr3:
        return invalidation::mov_to_cr3(tags, tags.pcid, arch::cr4::kPcide.any(raw.cr4));
      case InvalidationKind::kMovToCr4Pge:
        return invalidation::mov_to_cr4(tags, raw.cr4, raw.cr4 ^ arch::cr4::kPge.mask());
      case InvalidationKind::kMovToCr4Pae:
        return invalidation::mov_to_cr4(tags, raw.cr4, raw.cr4 ^ arch::cr4::kPae.mask());
      case InvalidationKind::kMovToCr0:
        return invalidation::mov_to_cr0(tags, arch::cr0::kPg.mask(), 0);
      case InvalidationKind::kPageFault: return invalidation::page_fault(tags, linear);
      case InvalidationKind::kEptViolation: {
        if (!tags.ept_root) return {};
        std::optional<std::uint64_t> translated;
        if (page.request.linear) translated = linear;
        return invalidation::ept_violation(tags, translated, gpa);
      }
      case InvalidationKind::kVmTransition: return invalidation::vm_transition(random_.coin());
      case InvalidationKind::kInvvpidAddress:
        return invalidation::invvpid(mmu::InvvpidType::kAddress, vpid, linear);
      case InvalidationKind::kInvvpidSingle:
        return invalidation::invvpid(mmu::InvvpidType::kSingle, vpid, linear);
      case InvalidationKind::kInvvpidAll:
        return invalidation::invvpid(mmu::InvvpidType::kAll, vpid, linear);
      case InvalidationKind::kInvvpidSingleButGlobals:
        return invalidation::invvpid(mmu::InvvpidType::kSingleButGlobals, vpid, linear);
      case InvalidationKind::kInveptSingle:
        return invalidation::invept(mmu::InveptType::kSingle,
                                    tags.ept_root.value_or(random_.next()));
      case InvalidationKind::kInveptAll: return invalidation::invept(mmu::InveptType::kAll, 0);
      case InvalidationKind::kVmfunc: return invalidation::vmfunc_eptp_switch(random_.coin());
      case InvalidationKind::kAnyScope: return any_scope(tags, linear, gpa);
      case InvalidationKind::kReset: break;
    }
    return invalidation::reset();
  }

  /// Each kind of mapping, narrowed by each tag and address or not, whatever the others are.
  mmu::InvalidationScope any_scope(const mmu::CurrentTags& tags, std::uint64_t linear,
                                   std::uint64_t gpa) {
    mmu::InvalidationScope scope{.linear_mappings = random_.coin(),
                                 .combined_mappings = random_.coin(),
                                 .guest_physical_mappings = random_.coin()};
    const auto given = [&] { return random_.one_in(3); };
    // Another's now and then.
    const auto near = [&](std::uint64_t tag, std::uint64_t mask) {
      return random_.one_in(4) ? tag ^ random_.bit_of(mask) : tag;
    };
    if (given()) scope.vpid = static_cast<std::uint16_t>(near(tags.vpid, bits(15, 0)));
    scope.keep_vpid_zero = given();
    if (given()) scope.pcid = static_cast<std::uint16_t>(near(tags.pcid, bits(11, 0)));
    if (given()) scope.ept_root = near(tags.ept_root.value_or(random_.next()), bits(51, 12));
    // 0 is an address like others, and not the absence of one.
    if (scope.ept_root) *scope.ept_root &= random_.one_in(4) ? 0 : bits(51, 12);
    scope.keep_globals = random_.coin();
    if (given()) scope.linear = near(linear, bits(47, 12));
    scope.piece_alone = random_.coin();
    scope.structures_of_address_alone = random_.coin();
    if (given()) scope.gpa = near(gpa, bits(47, 12));
    return scope;
  }

  /// No operation takes another address.
  static std::uint64_t canonical(const mmu::WalkContext& context, std::uint64_t linear) {
    const unsigned above = 64 - context.linear_width;
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(linear << above) >> above) &
           context.linear_mask;
  }

  Random& random_;
  const std::vector<StreamPage>& pages_;
  Stream& stream_;
};

}  // namespace

std::string_view name(InvalidationKind kind) {
  switch (kind) {
    case InvalidationKind::kInvlpg: return "INVLPG";
    case InvalidationKind::kInvpcidAddress: return "INVPCID of an address";
    case InvalidationKind::kInvpcidSingle: return "INVPCID of a PCID";
    case InvalidationKind::kInvpcidAllWithGlobals: return "INVPCID of all";
    case InvalidationKind::kInvpcidAllButGlobals: return "INVPCID of all but globals";
    case InvalidationKind::kMovToCr3: return "MOV to CR3";
    case InvalidationKind::kMovToCr4Pge: return "MOV to CR4, PGE";
    case InvalidationKind::kMovToCr4Pae: return "MOV to CR4, PAE";
    case InvalidationKind::kMovToCr0: return "MOV to CR0, PG";
    case InvalidationKind::kPageFault: return "page fault";
    case InvalidationKind::kEptViolation: return "EPT violation";
    case InvalidationKind::kVmTransition: return "VM entry or exit";
    case InvalidationKind::kInvvpidAddress: return "INVVPID of an address";
    case InvalidationKind::kInvvpidSingle: return "INVVPID of a VPID";
    case InvalidationKind::kInvvpidAll: return "INVVPID of all";
    case InvalidationKind::kInvvpidSingleButGlobals: return "INVVPID of a VPID but globals";
    case InvalidationKind::kInveptSingle: return "INVEPT of an EPT";
    case InvalidationKind::kInveptAll: return "INVEPT of all";
    case InvalidationKind::kVmfunc: return "VMFUNC";
    case InvalidationKind::kReset: return "reset";
    case InvalidationKind::kAnyScope: return "any scope";
  }
  return "?";
}

void add_events(Random& random, const std::vector<StreamPage>& pages, bool stores, Stream& stream) {
  if (pages.empty() || stream.requests.empty()) return;
  EventMaker maker(random, pages, stream);
  const std::uint64_t most = stream.requests.size() / 4 + 1;
  if (stores && !random.one_in(3)) {
    for (std::uint64_t count = 1 + random.below(most); count > 0; --count) maker.add_store();
  }
  if (random.coin()) {
    for (std::uint64_t count = 1 + random.below(most); count > 0; --count) {
      maker.add_invalidation();
    }
  }
  if (random.one_in(4)) maker.add_disabling();
  maker.sort();
}

}  // namespace eptsim::tb
