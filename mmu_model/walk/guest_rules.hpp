#pragma once

#include <cstdint>

#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// The rules of guest paging: one entry, the rights that a walk leaves, and what is refused before
/// paging is looked at.
namespace eptsim::mmu {

/// The guest entry check: present, reserved bits, table or page (SDM 5.5.4).
inline EntryKind judge_guest_entry(const WalkContext& context, unsigned level,
                                   std::uint64_t entry) {
  if (!arch::guest_entry::kPresent.any(entry)) return EntryKind::kNotPresent;
  const WalkContext::ReservedBits& reserved = context.guest_reserved;
  const bool page =
      level == 1 || (reserved.large[level] && arch::guest_entry::kPageSize.any(entry));
  if ((entry & (page ? reserved.page : reserved.table)[level]) != 0) return EntryKind::kBad;
  return page ? EntryKind::kPage : EntryKind::kTable;
}

inline GuestRights guest_entry_rights(const WalkContext& context, std::uint64_t entry) {
  return {.write = arch::guest_entry::kWritable.any(entry),
          .user = arch::guest_entry::kUser.any(entry),
          .execute = (entry & context.execute_disable) == 0};
}

constexpr GuestRights operator&(GuestRights a, GuestRights b) {
  return {.write = a.write && b.write, .user = a.user && b.user, .execute = a.execute && b.execute};
}

/// Whether the access counts as one of user mode (CPL 3, and not implicit; SDM 5.6).
constexpr bool is_user_access(const Request& request) { return request.user && !request.implicit; }

/// Why a linear address is refused before paging, with #GP(0): not canonical, or LASS (SDM volume
/// 3, chapter 4). kNone if it is not.
Reason linear_address_refusal(const WalkContext& context, const Request& request);

/// Why the guest's paging rights refuse an access (SDM 5.6); kNone if they do not. Where several
/// rules refuse, the first in the order of Reason's page faults. `protection_key` is the leaf's.
Reason guest_refusal(const WalkContext& context, const Request& request, GuestRights rights,
                     std::uint8_t protection_key);

/// Error code of a page fault for `request`, in the bits that depend on the access alone: W, U, I/D
/// (SDM 5.7).
std::uint32_t access_error_code(const WalkContext& context, const Request& request);

/// Error code of a page fault that `guest_refusal` found. PK is set whenever a key refuses,
/// whatever else does.
std::uint32_t rights_error_code(const WalkContext& context, const Request& request,
                                GuestRights rights, std::uint8_t protection_key);

}  // namespace eptsim::mmu
