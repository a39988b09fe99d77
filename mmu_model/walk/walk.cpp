#include "mmu_model/walk/walk.hpp"

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/memory_type.hpp"
#include "mmu_model/walk/virtualization_exception.hpp"

/// What happens to answers, and the ends of a walk. The steps in between stand in
/// guest_dimension.cpp and ept_dimension.cpp.
namespace eptsim::mmu {

namespace ept_entry = arch::ept_entry;
namespace guest_entry = arch::guest_entry;

namespace {

/// What a qualification says if no leaf was reached: no right at all.
constexpr EptRights kNoRights{
    .read = false, .write = false, .execute = false, .user_execute = false};

}  // namespace

Walk::Walk(const WalkContext& context, const Request& request, Lookups lookups,
           std::uint16_t pml_index)
    : context_(&context),
      request_(request),
      caching_(lookups != Lookups::kOff),
      guest_physical_(lookups == Lookups::kAskedOfGuest),
      lookups_(caching_),
      pml_index_(pml_index) {
  if (caching_) fills_.emplace();
}

Step Walk::next(const Answer& answer) {
  fill_count_ = 0;
  switch (state_) {
    case State::kStart: return start();
    case State::kCombinedLookup: return after_combined_lookup(answer.entry);
    case State::kNestedLookup: return after_nested_lookup(answer.entry);
    case State::kStructureLookup: return after_structure_lookup(answer.entry);
    case State::kEptEntry: return take_ept_entry(answer.value);
    case State::kEptFlags: return after_ept_swap(answer.value);
    case State::kGuestEntry: return take_guest_entry(answer.value);

    // A swap that found another word: software changed the entry, which is judged as found.
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
    case State::kSubPageEntry: return take_sub_page_entry(answer.value);
    case State::kPageLog: return set_ept_flags();
    case State::kExceptionBusy: return after_exception_busy(answer.value);
    case State::kExceptionField: return write_exception_field();
    case State::kDone: break;
  }
  return {};
}

Step Walk::finish(std::uint64_t hpa) {
  using arch::MemoryType;
  outcome_.gpa = gpa_;
  outcome_.hpa = hpa;
  outcome_.dirty = true;
  MemoryType pat = MemoryType::kWB;
  if (guest_leaf_level_ != 0) {
    const GuestLevel& leaf = guest_[guest_leaf_level_];
    outcome_.guest_page_size = guest_page_size(*context_, guest_leaf_level_);
    outcome_.page_size = *outcome_.guest_page_size;
    outcome_.guest_rights = leaf.rights;
    outcome_.dirty = guest_entry::kDirty.any(leaf.entry);
    outcome_.global = context_->global_pages && guest_entry::kGlobal.any(leaf.entry);
    outcome_.shadow_stack = on_shadow_stack_page();
    outcome_.protection_key =
        static_cast<std::uint8_t>(guest_entry::kProtectionKey.get(leaf.entry));
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
    outcome_.ept_rights = rights_down_to(ept_level_);
    if (context_->ept_accessed_dirty && !ept_entry::kDirty.any(leaf.entry)) outcome_.dirty = false;
    ept_leaf = leaf.entry;
  }
  if (hlat_restart_level_ != 0 && hlat_restart_level_ < 3) {
    outcome_.page_size =
        arch::smaller(outcome_.page_size, arch::page_of_level(hlat_restart_level_));
  }
  outcome_.memory_type = effective_memory_type(*context_, pat, ept_leaf);
  return done(OutcomeKind::kTranslated);
}

/// Rights refuse `demand` on the address translated last: blames the uppermost entry that does.
Step Walk::refuse_ept_access(EptDemand demand) {
  if (hit_) return restart();
  Reason reason = Reason::kNone;
  std::uint8_t level = ept_first_level_;
  for (;; --level) {
    reason = ept_refusal(demand, rights_down_to(level));
    if (reason != Reason::kNone) break;
  }
  return ept_violation(reason, demand, level);
}

/// Blames the EPT entry of `blamed_level`, the leaf in hand or one above it.
Step Walk::ept_violation(Reason reason, EptDemand demand, std::uint8_t blamed_level) {
  namespace qualification = arch::qualification;
  const std::uint64_t last = ept_[ept_level_].entry;
  const bool leaf = reason != Reason::kEptNotPresent && reason != Reason::kEptAddressTooWide;
  std::uint64_t& bits = outcome_.qualification;
  bits = violation_bits(*context_, demand, leaf ? rights_down_to(ept_level_) : kNoRights);
  if (request_.linear) {
    outcome_.linear_valid = true;
    bits |= qualification::kLinearValid.mask();
    if (guest_level_ == 0) {
      const GuestRights guest =
          guest_leaf_level_ != 0 ? guest_[guest_leaf_level_].rights : GuestRights{};
      bits |= qualification::kFinal.mask() | advanced_violation_bits(*context_, guest);
    }
  }
  if (leaf && context_->ept_shadow_stacks && ept_entry::kSupervisorShadowStack.any(last)) {
    bits |= qualification::kSupervisorShadowStack.mask();
  }
  if (reason == Reason::kEptPagingVerification) {
    bits |= qualification::kGuestPagingVerification.mask();
  }
  // The entry that ended the walk, leaf or not present, says whether the violation may become an
  // exception (SDM 28.5.7.1).
  const bool convertible = context_->virtualization_exceptions &&
                           reason != Reason::kEptAddressTooWide &&
                           !ept_entry::kSuppressVe.any(last);
  ept_level_ = blamed_level;
  const Step end = ept_exit(OutcomeKind::kEptViolation, reason);
  if (!convertible) return end;
  state_ = State::kExceptionBusy;
  return {.kind = StepKind::kLoad,
          .place = outcome_.place,
          .address = context_->raw.ve_info_address + virtualization_exception::kBusyOffset,
          .size = virtualization_exception::kBusySize};
}

/// While the guest has not yet cleared the dword that its last exception set, a violation is an
/// exit.
Step Walk::after_exception_busy(std::uint64_t busy) {
  if (busy != 0) return done(OutcomeKind::kEptViolation);
  return write_exception_field();
}

Step Walk::write_exception_field() {
  if (exception_field_ == virtualization_exception::kFieldCount) {
    return done(OutcomeKind::kVirtualizationException);
  }
  const virtualization_exception::Field field = virtualization_exception::field(
      exception_field_++, *context_, outcome_, request_.linear ? request_.address : 0);
  state_ = State::kExceptionField;
  return {.kind = StepKind::kWrite,
          .place = outcome_.place,
          .address = context_->raw.ve_info_address + field.offset,
          .size = field.size,
          .desired = field.value};
}

Step Walk::ept_exit(OutcomeKind kind, Reason reason) {
  outcome_.reason = reason;
  outcome_.gpa = gpa_;
  outcome_.place = place(ept_level_);
  outcome_.entry_address = ept_[ept_level_].address;
  outcome_.entry = ept_[ept_level_].entry;
  return done(kind);
}

Step Walk::done(OutcomeKind kind) {
  outcome_.kind = kind;
  state_ = State::kDone;
  return {};
}

}  // namespace eptsim::mmu
