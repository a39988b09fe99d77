#include "mmu_model/walk/walk.hpp"

#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/composition.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/memory_type.hpp"

namespace eptsim::mmu {

namespace ept_entry = arch::ept_entry;
namespace guest_entry = arch::guest_entry;

namespace {

/// Reads of guest entries are data reads. With EPT accessed and dirty flags each counts as a write
/// too, whether or not a guest flag changes (SDM 31.3.3.2); an update always does.
constexpr EptDemand kTableRead{.read = true};
constexpr EptDemand kTableUpdate{.read = true, .write = true};

/// What a qualification says if an entry was not present: no right at all.
constexpr EptRights kNoRights{
    .read = false, .write = false, .execute = false, .user_execute = false};

const std::uint32_t kReservedBitCode = static_cast<std::uint32_t>(
    arch::error_code::kPresent.mask() | arch::error_code::kReserved.mask());

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

std::uint64_t align_down(std::uint64_t address, std::uint64_t bytes) {
  return address & ~(bytes - 1);
}

}  // namespace

Walk::Walk(const WalkContext& context, const Request& request, Lookups lookups)
    : context_(&context),
      request_(request),
      caching_(lookups == Lookups::kAsked),
      lookups_(caching_),
      pml_index_(context.raw.pml_index) {}

Step Walk::next(const Answer& answer) {
  fill_count_ = 0;
  switch (state_) {
    case State::kStart: return start();
    case State::kCombinedLookup: return after_combined_lookup(answer.entry);
    case State::kNestedLookup: return after_nested_lookup(answer.entry);
    case State::kStructureLookup: return after_structure_lookup(answer.entry);
    case State::kEptEntry: return take_ept_entry(answer.value);
    case State::kGuestEntry: return take_guest_entry(answer.value);

    // A swap that found another word: software changed the entry, which is judged as found.
    case State::kEptFlags: {
      EptLevel& swapped = ept_[ept_flag_level_];
      if (answer.value != swapped.entry) {
        ept_level_ = ept_flag_level_;
        return take_ept_entry(answer.value);
      }
      swapped.entry = flagged_ept_entry(ept_flag_level_);
      return set_ept_flags();
    }
    case State::kGuestAccessed: {
      GuestLevel& swapped = guest_[guest_level_];
      if (answer.value != swapped.entry) return take_guest_entry(answer.value);
      swapped.entry |= guest_entry::kAccessed.mask();
      return use_guest_entry();
    }
    case State::kGuestDirty: {
      GuestLevel& swapped = guest_[guest_level_];
      if (answer.value != swapped.entry) return take_guest_entry(answer.value);
      swapped.entry |= guest_entry::kDirty.mask();
      return translate_access();
    }
    case State::kDone: break;
  }
  return {};
}

// --- The guest dimension -------------------------------------------------------------------------

Step Walk::start() {
  hit_ = false;
  guest_leaf_level_ = 0;
  if (!request_.linear) return translate_access();
  if (const Reason reason = linear_address_refusal(*context_, request_); reason != Reason::kNone) {
    outcome_.reason = reason;
    return done(OutcomeKind::kGeneralProtection);
  }
  if (context_->guest_levels == 0) return translate_access();
  if (!lookups_) return after_combined_lookup(nullptr);
  state_ = State::kCombinedLookup;
  return {.kind = StepKind::kLookup, .lookup = LookupKind::kCombined, .key = request_.address};
}

/// What a refusal that rests on a hit is worth: the same from the start, on memory alone.
Step Walk::restart() {
  lookups_ = false;
  return start();
}

Step Walk::after_combined_lookup(const CachedEntry* hit) {
  if (hit == nullptr) {
    guest_first_level_ = guest_level_ = static_cast<std::uint8_t>(context_->guest_levels);
    guest_[guest_level_ + 1u].rights = {};
    return locate_guest_entry(context_->guest_root);
  }
  hit_ = true;
  guest_first_level_ = guest_level_ = static_cast<std::uint8_t>(hit->level - 1);
  guest_[hit->level].rights = hit->guest_rights;
  GuestLevel& level = guest_[guest_level_];
  level.address = entry_address(hit->frame, request_.address, guest_level_);
  level.ept_rights = hit->ept_rights;
  level.ept_leaf = hit->leaf;
  return read_guest_entry();
}

Step Walk::locate_guest_entry(std::uint64_t table) {
  const std::uint64_t gpa = entry_address(table, request_.address, guest_level_);
  if (context_->ept) return start_ept(gpa);
  guest_[guest_level_].address = gpa;
  return read_guest_entry();
}

Step Walk::read_guest_entry() {
  state_ = State::kGuestEntry;
  ++references_;
  return {
      .kind = StepKind::kRead, .place = {guest_level_, 0}, .address = guest_[guest_level_].address};
}

Step Walk::take_guest_entry(std::uint64_t entry) {
  GuestLevel& level = guest_[guest_level_];
  level.entry = entry;
  level.rights = guest_[guest_level_ + 1u].rights & guest_entry_rights(*context_, entry);
  const EntryKind kind = judge_guest_entry(*context_, guest_level_, entry);
  if (kind == EntryKind::kNotPresent) {
    return page_fault(Reason::kGuestNotPresent, access_error_code(*context_, request_));
  }
  if (kind == EntryKind::kBad) {
    return page_fault(Reason::kGuestReservedBit,
                      access_error_code(*context_, request_) | kReservedBitCode);
  }
  guest_leaf_level_ = kind == EntryKind::kPage ? guest_level_ : std::uint8_t{0};
  if (!guest_entry::kAccessed.any(entry)) {
    return swap_guest_entry(State::kGuestAccessed, guest_entry::kAccessed.mask());
  }
  return use_guest_entry();
}

Step Walk::use_guest_entry() {
  if (guest_leaf_level_ != 0) return check_guest_access();
  const std::uint64_t table = table_address(guest_[guest_level_].entry);
  --guest_level_;
  return locate_guest_entry(table);
}

Step Walk::check_guest_access() {
  const GuestLevel& leaf = guest_[guest_level_];
  const std::uint8_t key = key_of(leaf.entry);
  const Reason reason = guest_refusal(*context_, request_, leaf.rights, key);
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
  if (context_->ept && ept_refusal(kTableUpdate, level.ept_rights) != Reason::kNone) {
    return refuse_ept_access(kTableUpdate);
  }
  state_ = state;
  return {.kind = StepKind::kCompareExchange,
          .place = {guest_level_, 0},
          .address = level.address,
          .expected = level.entry,
          .desired = level.entry | flag};
}

/// The access's own guest-physical address: what the guest leaf gives, or the address requested.
Step Walk::translate_access() {
  std::uint64_t gpa = request_.address;
  if (guest_leaf_level_ != 0) {
    gpa = page_address(guest_[guest_leaf_level_].entry, gpa, guest_leaf_level_);
  }
  guest_level_ = 0;
  if (context_->ept) return start_ept(gpa);
  gpa_ = gpa;
  return finish(gpa);
}

// --- The EPT dimension ---------------------------------------------------------------------------

Step Walk::start_ept(std::uint64_t gpa) {
  gpa_ = gpa;
  ept_level_ = static_cast<std::uint8_t>(context_->ept_levels);
  if (context_->ept_levels == 4 && (gpa >> 48) != 0) {
    ept_[ept_level_] = {};  // no entry was looked at
    return ept_violation(Reason::kEptAddressTooWide, current_demand(), kNoRights);
  }
  if (!lookups_) return after_structure_lookup(nullptr);
  state_ = State::kNestedLookup;
  return {.kind = StepKind::kLookup,
          .place = {guest_level_, 0},
          .lookup = LookupKind::kNestedTlb,
          .key = gpa};
}

Step Walk::after_nested_lookup(const CachedEntry* hit) {
  // Through an entry cached before its page was written, a write must still set the dirty flag.
  if (hit != nullptr && context_->ept_accessed_dirty && current_demand().write &&
      !ept_entry::kDirty.any(hit->leaf)) {
    hit = nullptr;
  }
  if (hit == nullptr) {
    state_ = State::kStructureLookup;
    return {.kind = StepKind::kLookup,
            .place = {guest_level_, 0},
            .lookup = LookupKind::kEptStructure,
            .key = gpa_};
  }
  hit_ = true;
  ept_first_level_ = 0;
  ept_level_ = hit->level;
  ept_[ept_level_] = {.entry = hit->leaf, .rights = hit->ept_rights};
  return check_ept_access();
}

Step Walk::after_structure_lookup(const CachedEntry* hit) {
  std::uint64_t table = context_->ept_root;
  if (hit != nullptr) {
    hit_ = true;
    ept_level_ = static_cast<std::uint8_t>(hit->level - 1);
    table = hit->frame;
  }
  ept_first_level_ = ept_level_;
  ept_[ept_level_ + 1u].rights = hit != nullptr ? hit->ept_rights : EptRights{};
  return read_ept_entry(table);
}

Step Walk::read_ept_entry(std::uint64_t table) {
  const std::uint64_t address = entry_address(table, gpa_, ept_level_);
  ept_[ept_level_].address = address;
  state_ = State::kEptEntry;
  ++references_;
  return {.kind = StepKind::kRead, .place = {guest_level_, ept_level_}, .address = address};
}

Step Walk::take_ept_entry(std::uint64_t entry) {
  EptLevel& level = ept_[ept_level_];
  level.entry = entry;
  const EptVerdict verdict = judge_ept_entry(*context_, ept_level_, entry);
  switch (verdict.kind) {
    case EntryKind::kNotPresent: return ept_violation(verdict.reason, current_demand(), kNoRights);
    case EntryKind::kBad: return ept_exit(OutcomeKind::kEptMisconfiguration, verdict.reason);
    case EntryKind::kTable:
    case EntryKind::kPage: break;
  }
  level.rights = ept_[ept_level_ + 1u].rights & ept_entry_rights(*context_, entry);
  if (verdict.kind == EntryKind::kPage) return check_ept_access();
  --ept_level_;
  return read_ept_entry(table_address(entry));
}

/// What the access in hand wants of the EPT.
EptDemand Walk::current_demand() const {
  if (guest_level_ != 0) return context_->ept_accessed_dirty ? kTableUpdate : kTableRead;
  const bool user_address =
      request_.linear && (guest_leaf_level_ == 0 || guest_[guest_leaf_level_].rights.user);
  return ept_demand(request_.access, user_address);
}

/// Rights are looked at only once the leaf has been reached, over all levels (SDM 31.3.3.3).
Step Walk::check_ept_access() {
  const EptDemand demand = current_demand();
  if (ept_refusal(demand, ept_[ept_level_].rights) != Reason::kNone) {
    return refuse_ept_access(demand);
  }
  return set_ept_flags();
}

/// The entry of `level` as it must be before the access is made.
std::uint64_t Walk::flagged_ept_entry(unsigned level) const {
  std::uint64_t entry = ept_[level].entry | ept_entry::kAccessed.mask();
  if (level == ept_level_ && current_demand().write) entry |= ept_entry::kDirty.mask();
  return entry;
}

/// Sets the next flags that are missing, root to leaf; goes on when none is.
Step Walk::set_ept_flags() {
  if (context_->ept_accessed_dirty) {
    for (std::uint8_t level = ept_first_level_; level >= ept_level_; --level) {
      const std::uint64_t desired = flagged_ept_entry(level);
      if (ept_[level].entry == desired) continue;
      ept_flag_level_ = level;
      state_ = State::kEptFlags;
      return {.kind = StepKind::kCompareExchange,
              .place = {guest_level_, level},
              .address = ept_[level].address,
              .expected = ept_[level].entry,
              .desired = desired};
    }
  }
  return finish_ept();
}

Step Walk::finish_ept() {
  const EptLevel& leaf = ept_[ept_level_];
  const std::uint64_t hpa = page_address(leaf.entry, gpa_, ept_level_);
  if (caching_) fill_guest_physical();
  if (guest_level_ == 0) return finish(hpa);
  GuestLevel& level = guest_[guest_level_];
  level.address = hpa;
  level.ept_leaf = leaf.entry;
  level.ept_rights = leaf.rights;
  return read_guest_entry();
}

// --- Ends ----------------------------------------------------------------------------------------

Step Walk::finish(std::uint64_t hpa) {
  using arch::MemoryType;
  outcome_.gpa = gpa_;
  outcome_.hpa = hpa;
  outcome_.dirty = true;
  MemoryType pat = MemoryType::kWB;
  if (guest_leaf_level_ != 0) {
    const GuestLevel& leaf = guest_[guest_leaf_level_];
    outcome_.page_size = arch::page_of_level(guest_leaf_level_);
    outcome_.guest_page_size = outcome_.page_size;
    outcome_.guest_rights = leaf.rights;
    outcome_.dirty = guest_entry::kDirty.any(leaf.entry);
    outcome_.global = context_->global_pages && guest_entry::kGlobal.any(leaf.entry);
    outcome_.protection_key = key_of(leaf.entry);
    pat = pat_type(*context_, guest_leaf_level_, leaf.entry);
    if (caching_) fill_combined();
  }
  std::optional<std::uint64_t> ept_leaf;
  if (context_->ept) {
    const EptLevel& leaf = ept_[ept_level_];
    const arch::PageSize size = arch::page_of_level(ept_level_);
    outcome_.ept_page_size = size;
    outcome_.page_size =
        outcome_.guest_page_size ? arch::smaller(*outcome_.guest_page_size, size) : size;
    outcome_.ept_rights = leaf.rights;
    if (context_->ept_accessed_dirty && !ept_entry::kDirty.any(leaf.entry)) outcome_.dirty = false;
    ept_leaf = leaf.entry;
  }
  outcome_.memory_type = effective_memory_type(*context_, pat, ept_leaf);
  return done(OutcomeKind::kTranslated);
}

/// Blames the guest entry in hand.
Step Walk::page_fault(Reason reason, std::uint32_t error_code) {
  outcome_.reason = reason;
  outcome_.error_code = error_code;
  outcome_.place = {guest_level_, 0};
  outcome_.entry_address = guest_[guest_level_].address;
  outcome_.entry = guest_[guest_level_].entry;
  return done(OutcomeKind::kPageFault);
}

/// Rights refuse `demand` on the address translated last: blames the uppermost entry that does.
Step Walk::refuse_ept_access(EptDemand demand) {
  if (hit_) return restart();
  const EptRights rights = ept_[ept_level_].rights;
  Reason reason = Reason::kNone;
  for (ept_level_ = ept_first_level_;; --ept_level_) {
    reason = ept_refusal(demand, ept_[ept_level_].rights);
    if (reason != Reason::kNone) break;
  }
  return ept_violation(reason, demand, rights);
}

/// Blames the EPT entry in hand.
Step Walk::ept_violation(Reason reason, EptDemand demand, EptRights rights) {
  outcome_.qualification = violation_bits(*context_, demand, rights);
  if (request_.linear) {
    outcome_.linear_valid = true;
    outcome_.qualification |= arch::qualification::kLinearValid.mask();
    if (guest_level_ == 0) {
      const GuestRights guest =
          guest_leaf_level_ != 0 ? guest_[guest_leaf_level_].rights : GuestRights{};
      outcome_.qualification |=
          arch::qualification::kFinal.mask() | advanced_violation_bits(*context_, guest);
    }
  }
  return ept_exit(OutcomeKind::kEptViolation, reason);
}

Step Walk::ept_exit(OutcomeKind kind, Reason reason) {
  outcome_.reason = reason;
  outcome_.gpa = gpa_;
  outcome_.place = {guest_level_, ept_level_};
  outcome_.entry_address = ept_[ept_level_].address;
  outcome_.entry = ept_[ept_level_].entry;
  return done(kind);
}

Step Walk::done(OutcomeKind kind) {
  outcome_.kind = kind;
  state_ = State::kDone;
  return {};
}

// --- What may be cached --------------------------------------------------------------------------

/// A guest-physical translation has succeeded, its flags are set: the tables on its way (those that
/// were read, not taken from a cache) and its page.
void Walk::fill_guest_physical() {
  for (std::uint8_t level = ept_first_level_; level > ept_level_; --level) {
    fills_[fill_count_++] = {.kind = LookupKind::kEptStructure,
                             .level = level,
                             .key = align_down(gpa_, covered_bytes(level)),
                             .frame = table_address(ept_[level].entry),
                             .ept_rights = ept_[level].rights};
  }
  if (ept_first_level_ == 0) return;
  const EptLevel& leaf = ept_[ept_level_];
  const std::uint64_t page = align_down(gpa_, covered_bytes(ept_level_));
  fills_[fill_count_++] = {.kind = LookupKind::kNestedTlb,
                           .level = ept_level_,
                           .key = page,
                           .frame = page_address(leaf.entry, page, ept_level_),
                           .ept_rights = leaf.rights,
                           .leaf = leaf.entry};
}

/// The whole translation has succeeded: where each guest table on its way lies in host memory.
void Walk::fill_combined() {
  for (std::uint8_t level = guest_first_level_; level > guest_leaf_level_; --level) {
    const GuestLevel& above = guest_[level];
    const GuestLevel& below = guest_[level - 1u];
    fills_[fill_count_++] = {
        .kind = LookupKind::kCombined,
        .level = level,
        .key = align_down(request_.address, covered_bytes(level)),
        .frame = align_down(below.address, ept_entry::kTableBytes),
        .guest_rights = above.rights,
        .ept_rights = below.ept_rights,
        .leaf = below.ept_leaf,
        .memory_type_bits =
            static_cast<std::uint8_t>(guest_entry::kCacheDisable.get(above.entry) << 1 |
                                      guest_entry::kWriteThrough.get(above.entry)),
        .guest_levels_skipped = static_cast<std::uint8_t>(context_->guest_levels - level + 1)};
  }
}

}  // namespace eptsim::mmu
