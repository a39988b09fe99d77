#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/composition.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/walk.hpp"

/// What a walk proves fit for caching (SDM 5.10.3, 31.4.1).
namespace eptsim::mmu {

namespace ept_entry = arch::ept_entry;
namespace guest_entry = arch::guest_entry;

namespace {
std::uint64_t align_down(std::uint64_t address, std::uint64_t bytes) {
  return address & ~(bytes - 1);
}
}  // namespace

/// A guest-physical translation has succeeded, its flags are set: the tables on its way (those that
/// were read, not taken from a cache) and its page.
void Walk::fill_guest_physical() {
  for (std::uint8_t level = ept_first_level_; level > ept_level_; --level) {
    (*fills_)[fill_count_++] = {.kind = LookupKind::kEptStructure,
                                .level = level,
                                .key = align_down(gpa_, covered_bytes(level)),
                                .frame = table_address(ept_[level].entry),
                                .ept = path_down_to(level)};
  }
  if (ept_first_level_ == 0) return;
  const EptLevel& leaf = ept_[ept_level_];
  const std::uint64_t page = align_down(gpa_, covered_bytes(ept_level_));
  (*fills_)[fill_count_++] = {.kind = LookupKind::kNestedTlb,
                              .level = ept_level_,
                              .key = page,
                              .frame = page_address(leaf.entry, page, ept_level_),
                              .ept = path_down_to(ept_level_)};
}

/// The whole translation has succeeded: where each guest table on its way lies in host memory, or
/// in the guest's. With HLAT an address's combined entries stand for HLAT tables, so those that
/// ordinary paging went through after a restart are not kept.
void Walk::fill_combined() {
  if (hlat_restart_level_ != 0) return;
  for (std::uint8_t level = guest_first_level_; level > guest_leaf_level_; --level) {
    const GuestLevel& above = guest_[level];
    const GuestLevel& below = guest_[level - 1u];
    CachedEntry& entry = (*fills_)[fill_count_++];
    entry = {.kind = LookupKind::kCombined,
             .level = level,
             .key = align_down(request_.address, guest_covered_bytes(*context_, level)),
             .guest_physical = guest_physical_,
             .guest_rights = above.rights};
    if (guest_physical_) {
      entry.frame = table_address(above.entry);
      continue;
    }
    entry.frame = align_down(below.address, ept_entry::kTableBytes);
    entry.ept = below.page;
    entry.paging_verified = below.paging_verified;
  }
}

}  // namespace eptsim::mmu
