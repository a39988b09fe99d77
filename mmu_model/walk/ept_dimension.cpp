#include "ept/arch/ept_entry.hpp"
#include "mmu_model/walk/composition.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/sub_page_permission.hpp"
#include "mmu_model/walk/walk.hpp"

/// The walk's steps through the EPT, for the address of a guest entry or for the access's own.
namespace eptsim::mmu {

namespace ept_entry = arch::ept_entry;

namespace {

/// The last index of the page-modification log: beyond it the log is full (SDM 31.3.6).
constexpr std::uint16_t kLastLogIndex = 511;

}  // namespace

Step Walk::start_ept(std::uint64_t gpa) {
  gpa_ = gpa;
  if (guest_level_ != 0) {
    demand_ = table_demand(*context_);
  } else {
    const bool user_address =
        request_.linear && (guest_leaf_level_ == 0 || guest_[guest_leaf_level_].rights.user);
    demand_ = ept_demand(*context_, request_, user_address);
  }
  ept_level_ = static_cast<std::uint8_t>(context_->ept_levels);
  if (context_->ept_levels == 4 && (gpa >> 48) != 0) {
    ept_[ept_level_] = {};  // no entry was looked at
    return ept_violation(Reason::kEptAddressTooWide, demand_, ept_level_);
  }
  if (!lookups_) return after_structure_lookup(nullptr);
  state_ = State::kNestedLookup;
  // Through an entry cached before its page was written, a write must still set the dirty flag.
  return {.kind = StepKind::kLookup,
          .place = place(0),
          .lookup = LookupKind::kNestedTlb,
          .key = gpa,
          .dirty = context_->ept_accessed_dirty && demand_.write};
}

Step Walk::after_nested_lookup(const CachedEntry* hit) {
  if (hit == nullptr) {
    state_ = State::kStructureLookup;
    return {.kind = StepKind::kLookup,
            .place = place(0),
            .lookup = LookupKind::kEptStructure,
            .key = gpa_};
  }
  hit_ = true;
  ept_first_level_ = 0;
  ept_level_ = hit->level;
  ept_[ept_level_] = {.address = 0, .entry = hit->ept.last, .above = hit->ept.above};
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
  ept_[ept_level_].above = hit != nullptr ? hit->ept.above & hit->ept.last : ~std::uint64_t{0};
  return read_ept_entry(table);
}

Step Walk::read_ept_entry(std::uint64_t table) {
  const std::uint64_t address = entry_address(table, gpa_, ept_level_);
  ept_[ept_level_].address = address;
  state_ = State::kEptEntry;
  ++references_;
  return {.kind = StepKind::kRead, .place = place(ept_level_), .address = address};
}

Step Walk::take_ept_entry(std::uint64_t entry) {
  EptLevel& level = ept_[ept_level_];
  level.entry = entry;
  const EptVerdict verdict = judge_ept_entry(*context_, ept_level_, entry);
  switch (verdict.kind) {
    case EntryKind::kNotPresent: return ept_violation(verdict.reason, demand_, ept_level_);
    case EntryKind::kBad: return ept_exit(OutcomeKind::kEptMisconfiguration, verdict.reason);
    case EntryKind::kTable:
    case EntryKind::kPage: break;
  }
  if (verdict.kind == EntryKind::kPage) return check_ept_access();
  --ept_level_;
  ept_[ept_level_].above = level.above & entry;
  return read_ept_entry(table_address(entry));
}

/// Rights are looked at only once the leaf has been reached, over all levels (SDM 31.3.3.3).
Step Walk::check_ept_access() {
  const EptRights rights = rights_down_to(ept_level_);
  if (ept_refusal(demand_, rights) != Reason::kNone) {
    if (!sub_page::is_eligible(*context_, demand_, rights, ept_level_, ept_[ept_level_].entry)) {
      return refuse_ept_access(demand_);
    }
    sub_page_level_ = sub_page::kLevels;
    return read_sub_page_entry(context_->sub_page_root);
  }
  return verify_guest_paging();
}

/// A page may demand that the guest entries that led to it lie in pages with paging-write access
/// (SDM 31.3.3.2). An access that is allowed but for that comes here.
Step Walk::verify_guest_paging() {
  if (context_->verifies_guest_paging && guest_level_ == 0 && guest_leaf_level_ != 0 &&
      ept_entry::kVerify.any(ept_[ept_level_].entry) &&
      !guest_[guest_leaf_level_].paging_verified) {
    if (hit_) return restart();
    return ept_violation(Reason::kEptPagingVerification, demand_, ept_level_);
  }
  return set_ept_flags();
}

/// The entry of `level` as it must be before the access is made.
std::uint64_t Walk::flagged_ept_entry(unsigned level) const {
  std::uint64_t entry = ept_[level].entry | ept_entry::kAccessed.mask();
  if (level == ept_level_ && demand_.write) entry |= ept_entry::kDirty.mask();
  return entry;
}

/// Sets the next flags that are missing, root to leaf; goes on when none is. With a full log none
/// is set (SDM 31.3.6).
Step Walk::set_ept_flags() {
  if (context_->ept_accessed_dirty) {
    for (std::uint8_t level = ept_first_level_; level >= ept_level_; --level) {
      const std::uint64_t desired = flagged_ept_entry(level);
      if (ept_[level].entry == desired) continue;
      if (context_->page_modification_log && pml_index_ > kLastLogIndex) {
        ept_level_ = level;
        return ept_exit(OutcomeKind::kPmlFull, Reason::kPmlIndex);
      }
      ept_flag_level_ = level;
      state_ = State::kEptFlags;
      return {.kind = StepKind::kCompareExchange,
              .place = place(level),
              .address = ept_[level].address,
              .expected = ept_[level].entry,
              .desired = desired};
    }
  }
  return finish_ept();
}

/// A swap that found another word: software changed the entry, which is judged as found. Unless
/// only its flags are others, which decide nothing: as in tables that point at themselves, where
/// the entry of a level above is the same word, and has just had its flag set.
Step Walk::after_ept_swap(std::uint64_t found) {
  EptLevel& swapped = ept_[ept_flag_level_];
  constexpr std::uint64_t kFlags = ept_entry::kAccessed.mask() | ept_entry::kDirty.mask();
  if (((found ^ swapped.entry) & ~kFlags) != 0) {
    ept_level_ = ept_flag_level_;
    return take_ept_entry(found);
  }
  if (found != swapped.entry) {
    swapped.entry = found;
    return set_ept_flags();
  }
  swapped.entry = flagged_ept_entry(ept_flag_level_);
  const bool dirtied = ((swapped.entry ^ found) & ept_entry::kDirty.mask()) != 0;
  return dirtied && context_->page_modification_log ? log_page() : set_ept_flags();
}

/// The page has become dirty: its guest-physical address goes to the log, which fills downwards.
Step Walk::log_page() {
  const std::uint64_t address = context_->raw.pml_address + 8u * pml_index_--;
  state_ = State::kPageLog;
  return {.kind = StepKind::kWrite,
          .place = place(ept_level_),
          .address = address,
          .desired = arch::Gpa(gpa_).align_down(arch::bytes(arch::PageSize::k4K)).value()};
}

Step Walk::finish_ept() {
  const EptLevel& leaf = ept_[ept_level_];
  const std::uint64_t hpa = page_address(leaf.entry, gpa_, ept_level_);
  if (caching_) fill_guest_physical();
  if (guest_level_ == 0) return finish(hpa);
  GuestLevel& level = guest_[guest_level_];
  level.address = hpa;
  level.page = {.above = leaf.above, .last = leaf.entry};
  level.paging_verified =
      guest_[guest_level_ + 1u].paging_verified && ept_entry::kPagingWriteAccess.any(leaf.entry);
  return read_guest_entry();
}

// --- Sub-page write permissions ------------------------------------------------------------------

Step Walk::read_sub_page_entry(std::uint64_t table) {
  sub_page_address_ = entry_address(table, gpa_, sub_page_level_);
  state_ = State::kSubPageEntry;
  ++references_;
  return {.kind = StepKind::kRead,
          .place = {.spp_level = sub_page_level_},
          .address = sub_page_address_};
}

Step Walk::take_sub_page_entry(std::uint64_t entry) {
  const Reason reason = sub_page::judge(*context_, sub_page_level_, entry);
  if (reason != Reason::kNone) return sub_page_event(reason, entry);
  if (sub_page_level_ > 1) {
    --sub_page_level_;
    return read_sub_page_entry(table_address(entry));
  }
  if (!sub_page::allows(entry, gpa_, request_.size)) return refuse_ept_access(demand_);
  return verify_guest_paging();
}

Step Walk::sub_page_event(Reason reason, std::uint64_t entry) {
  if (hit_) return restart();
  outcome_.reason = reason;
  outcome_.gpa = gpa_;
  outcome_.linear_valid = request_.linear;
  outcome_.qualification = reason == Reason::kSppMiss ? sub_page::kMiss.mask() : 0;
  outcome_.place = {.spp_level = sub_page_level_};
  outcome_.entry_address = sub_page_address_;
  outcome_.entry = entry;
  return done(OutcomeKind::kSppEvent);
}

}  // namespace eptsim::mmu
