#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/composition.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/walk.hpp"

/// The walk's steps through the guest's tables: ordinary ones from CR3 or a PDPTE register, and
/// HLAT tables before them.
namespace eptsim::mmu {

namespace guest_entry = arch::guest_entry;

namespace {

constexpr std::uint32_t kReservedBitCode = static_cast<std::uint32_t>(
    arch::error_code::kPresent.mask() | arch::error_code::kReserved.mask());
constexpr auto kHlatCode = static_cast<std::uint32_t>(arch::error_code::kHlat.mask());

/// Whether `rights` of one guest entry are what `reason` is about.
bool lacks(Reason reason, GuestRights rights) {
  switch (reason) {
    case Reason::kGuestNotWritable: return !rights.write;
    case Reason::kGuestSupervisorPage: return !rights.user;
    case Reason::kGuestExecuteDisable: return !rights.execute;
    default: return false;
  }
}

std::uint8_t key_of(std::uint64_t entry) {
  return static_cast<std::uint8_t>(guest_entry::kProtectionKey.get(entry));
}

}  // namespace

Step Walk::start() {
  hit_ = false;
  guest_leaf_level_ = 0;
  hlat_restart_level_ = 0;
  if (!request_.linear) return translate_access();
  if (const Reason reason = linear_address_refusal(*context_, request_); reason != Reason::kNone) {
    outcome_.reason = reason;
    return done(OutcomeKind::kGeneralProtection);
  }
  if (context_->guest_levels == 0) return translate_access();
  hlat_ = context_->hlat && (!context_->hlat_upper_half_only || (request_.address >> 63) != 0);
  if (!lookups_) return start_from_tables();
  state_ = State::kCombinedLookup;
  return {.kind = StepKind::kLookup, .lookup = LookupKind::kCombined, .key = request_.address};
}

/// What a refusal that rests on a hit is worth: the same from the start, on memory alone.
Step Walk::restart() {
  lookups_ = false;
  return start();
}

Step Walk::after_combined_lookup(const CachedEntry* hit) {
  if (hit == nullptr) return start_from_tables();
  hit_ = true;
  guest_first_level_ = guest_level_ = static_cast<std::uint8_t>(hit->level - 1);
  GuestLevel& above = guest_[hit->level];
  above.rights = hit->guest_rights;
  if (hit->guest_physical) {
    // Whether the skipped entries lie where paging may write isn't known: a page that demands it
    // has the walk begin again.
    above.paging_verified = false;
    return locate_guest_entry(hit->frame);
  }
  GuestLevel& level = guest_[guest_level_];
  level.address = guest_entry_address(*context_, hit->frame, request_.address, guest_level_);
  level.page = hit->ept;
  level.paging_verified = hit->paging_verified;
  return read_guest_entry();
}

Step Walk::start_from_tables() {
  guest_first_level_ = guest_level_ = static_cast<std::uint8_t>(context_->guest_levels);
  guest_[guest_level_ + 1u].rights = {};
  guest_[guest_level_ + 1u].paging_verified = true;
  if (context_->pae) return start_from_pdpte();
  return locate_guest_entry(hlat_ ? context_->hlat_root : context_->guest_root);
}

/// In PAE paging a register takes the place of the first table's entry; it holds no rights.
Step Walk::start_from_pdpte() {
  const std::uint64_t pdpte = context_->pdptes[request_.address >> 30 & 3];
  if (guest_entry::kPresent.any(pdpte)) return locate_guest_entry(table_address(pdpte));
  guest_level_ = 3;
  guest_[guest_level_].address = 0;
  guest_[guest_level_].entry = pdpte;
  return page_fault(Reason::kGuestNotPresent, access_error_code(*context_, request_));
}

/// The entry in hand sends the address to ordinary paging: anew, with no right kept, but no larger
/// a page may be cached than the entry covers (SDM 5.5.5). Combined entries stand for HLAT tables
/// where those are in use, so none is asked for or made beyond this.
Step Walk::leave_hlat() {
  hlat_ = false;
  hlat_restart_level_ = guest_level_;
  guest_leaf_level_ = 0;
  return start_from_tables();
}

Step Walk::locate_guest_entry(std::uint64_t table) {
  const std::uint64_t gpa = guest_entry_address(*context_, table, request_.address, guest_level_);
  if (context_->ept) return start_ept(gpa);
  GuestLevel& level = guest_[guest_level_];
  level.address = gpa;
  level.page = {};
  level.paging_verified = true;
  return read_guest_entry();
}

Step Walk::read_guest_entry() {
  state_ = State::kGuestEntry;
  ++references_;
  return {.kind = StepKind::kRead,
          .place = place(0),
          .address = guest_[guest_level_].address,
          .size = context_->guest_entry_size};
}

Step Walk::take_guest_entry(std::uint64_t entry) {
  GuestLevel& level = guest_[guest_level_];
  level.entry = entry;
  level.rights = guest_[guest_level_ + 1u].rights & guest_entry_rights(*context_, entry);
  const EntryKind kind = judge_guest_entry(*context_, guest_level_, entry);
  if (kind == EntryKind::kNotPresent || kind == EntryKind::kBad) {
    const std::uint32_t code =
        access_error_code(*context_, request_) | (hlat_ ? kHlatCode : std::uint32_t{0});
    return kind == EntryKind::kNotPresent
               ? page_fault(Reason::kGuestNotPresent, code)
               : page_fault(Reason::kGuestReservedBit, code | kReservedBitCode);
  }
  guest_leaf_level_ = kind == EntryKind::kPage ? guest_level_ : std::uint8_t{0};
  if (!guest_entry::kAccessed.any(entry)) {
    return swap_guest_entry(State::kGuestAccessed, guest_entry::kAccessed.mask());
  }
  return use_guest_entry();
}

Step Walk::use_guest_entry() {
  const std::uint64_t entry = guest_[guest_level_].entry;
  if (hlat_ && guest_entry::kRestart.any(entry)) return leave_hlat();
  if (guest_leaf_level_ != 0) return check_guest_access();
  --guest_level_;
  return locate_guest_entry(table_address(entry));
}

/// Whether the leaf in hand maps a shadow-stack page.
bool Walk::on_shadow_stack_page() const {
  return maps_shadow_stack(guest_[guest_leaf_level_ + 1u].rights, guest_[guest_leaf_level_].entry);
}

Step Walk::check_guest_access() {
  const GuestLevel& leaf = guest_[guest_level_];
  const std::uint8_t key = key_of(leaf.entry);
  const Reason reason = guest_refusal(*context_, request_, leaf.rights, key,
                                      is_shadow_stack_access(request_) && on_shadow_stack_page());
  if (reason != Reason::kNone) {
    if (hit_) return restart();
    while (guest_level_ < guest_first_level_ && lacks(reason, guest_[guest_level_ + 1u].rights)) {
      ++guest_level_;
    }
    return page_fault(reason, rights_error_code(*context_, request_, leaf.rights, key));
  }
  if (arch::is_write(request_.access) && !guest_entry::kDirty.any(leaf.entry)) {
    return swap_guest_entry(State::kGuestDirty, guest_entry::kDirty.mask());
  }
  return translate_access();
}

/// Sets a flag of the guest entry in hand. With EPT on that is a write to the page that holds it.
Step Walk::swap_guest_entry(State state, std::uint64_t flag) {
  const GuestLevel& level = guest_[guest_level_];
  if (context_->ept &&
      ept_refusal(kTableUpdate, ept_rights(*context_, level.page)) != Reason::kNone) {
    return refuse_ept_access(kTableUpdate);
  }
  state_ = state;
  return {.kind = StepKind::kCompareExchange,
          .place = place(0),
          .address = level.address,
          .size = context_->guest_entry_size,
          .expected = level.entry,
          .desired = level.entry | flag};
}

/// The access's own guest-physical address: what the guest leaf gives, or the address requested.
Step Walk::translate_access() {
  std::uint64_t gpa = request_.address;
  if (guest_leaf_level_ != 0) {
    gpa = guest_page_address(*context_, guest_[guest_leaf_level_].entry, gpa, guest_leaf_level_);
  }
  guest_level_ = 0;
  hlat_ = false;
  if (context_->ept) return start_ept(gpa);
  gpa_ = gpa;
  return finish(gpa);
}

/// Blames the guest entry in hand.
Step Walk::page_fault(Reason reason, std::uint32_t error_code) {
  outcome_.reason = reason;
  outcome_.error_code = error_code;
  outcome_.place = place(0);
  outcome_.entry_address = guest_[guest_level_].address;
  outcome_.entry = guest_[guest_level_].entry;
  return done(OutcomeKind::kPageFault);
}

}  // namespace eptsim::mmu
