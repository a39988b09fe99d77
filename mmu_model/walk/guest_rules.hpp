#pragma once

#include <cstdint>

#include "ept/arch/guest_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "mmu_model/walk/composition.hpp"
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

/// Address of the guest entry of `level` for `address` in the table at `table`.
inline std::uint64_t guest_entry_address(const WalkContext& context, std::uint64_t table,
                                         std::uint64_t address, unsigned level) {
  return context.wide_guest_entries ? entry_address(table, address, level)
                                    : narrow_entry_address(table, address, level);
}

/// Where `address` lands in the page that the guest leaf `entry` of `level` maps.
inline std::uint64_t guest_page_address(const WalkContext& context, std::uint64_t entry,
                                        std::uint64_t address, unsigned level) {
  return context.wide_guest_entries ? page_address(entry, address, level)
                                    : narrow_page_address(entry, address, level);
}

/// Bytes that one guest entry of `level` covers, whether it maps a page or leads to a table.
inline std::uint64_t guest_covered_bytes(const WalkContext& context, unsigned level) {
  return std::uint64_t{1} << (12 + (context.wide_guest_entries ? 9 : 10) * (level - 1));
}

/// The page that a guest leaf of `level` maps.
inline arch::PageSize guest_page_size(const WalkContext& context, unsigned level) {
  return !context.wide_guest_entries && level == 2 ? arch::PageSize::k4M
                                                   : arch::page_of_level(level);
}

inline GuestRights guest_entry_rights(const WalkContext& context, std::uint64_t entry) {
  return {.write = arch::guest_entry::kWritable.any(entry),
          .user = arch::guest_entry::kUser.any(entry),
          .execute = (entry & context.execute_disable) == 0};
}

constexpr GuestRights operator&(GuestRights a, GuestRights b) {
  return {.write = a.write && b.write, .user = a.user && b.user, .execute = a.execute && b.execute};
}

/// Why a linear address is refused before paging, with #GP(0): not canonical, or LASS (SDM volume
/// 3, chapter 4). kNone if it is not.
Reason linear_address_refusal(const WalkContext& context, const Request& request);

/// Why the guest's paging rights refuse an access (SDM 5.6); kNone if they do not. Where several
/// rules refuse, the first in the order of Reason's page faults. `protection_key` is the leaf's;
/// `shadow_stack`: it maps a shadow-stack page.
Reason guest_refusal(const WalkContext& context, const Request& request, GuestRights rights,
                     std::uint8_t protection_key, bool shadow_stack = false);

/// Whether a leaf maps a shadow-stack page: read-only and dirty, beneath entries that all allow
/// writes (SDM 5.6). `above`: the rights that those leave.
inline bool maps_shadow_stack(GuestRights above, std::uint64_t leaf) {
  constexpr std::uint64_t kDirty = arch::guest_entry::kDirty.mask();
  constexpr std::uint64_t kBoth = kDirty | arch::guest_entry::kWritable.mask();
  return above.write && (leaf & kBoth) == kDirty;
}

/// Error code of a page fault for `request`, in the bits that depend on the access alone: W, U,
/// I/D, SS (SDM 5.7).
std::uint32_t access_error_code(const WalkContext& context, const Request& request);

/// Error code of a page fault that `guest_refusal` found. PK is set whenever a key refuses,
/// whatever else does.
std::uint32_t rights_error_code(const WalkContext& context, const Request& request,
                                GuestRights rights, std::uint8_t protection_key);

}  // namespace eptsim::mmu
