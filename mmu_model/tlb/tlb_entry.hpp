#pragma once

#include <cstdint>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"
#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// What a TLB holds: combined mappings with EPT on, linear mappings with EPT off (SDM 31.4.1).
namespace eptsim::mmu {

/// The address space that translations are tagged with: VPID, PCID and EPTRTA.
///
///   word   53 paging off | 52 EPT on | 51:12 EPTRTA | 11:0 PCID
///
/// What was cached without paging is never used with it: turning CR0.PG on invalidates nothing (SDM
/// 5.10.4.1), and would leave an unrestricted guest with its addresses of before.
struct TlbSpace {
  std::uint16_t vpid = 0;
  std::uint64_t word = 0;

  static constexpr std::uint64_t kPcid = 0xfff;
  static constexpr std::uint64_t kEptRoot = 0x000f'ffff'ffff'f000;
  static constexpr std::uint64_t kEpt = std::uint64_t{1} << 52;
  static constexpr std::uint64_t kNoPaging = std::uint64_t{1} << 53;

  friend constexpr bool operator==(const TlbSpace&, const TlbSpace&) = default;
};
TlbSpace space_of(const WalkContext& context);

/// Whether a linear or combined mapping with these tags is one that `scope` is about; addresses
/// apart.
bool fits(const InvalidationScope& scope, const TlbSpace& space, bool global);

/// One mapping, all but its tag (tlb_array.hpp). Fills a cache line.
struct alignas(64) TlbEntry {
  std::uint64_t space = 0;       ///< TlbSpace::word
  std::uint64_t space_mask = 0;  ///< bits of it that must match: without the PCID if global
  /// Accesses known to be allowed, a bit each, under the rights mode that the upper bits number
  /// (tlb_query.hpp). Nothing but a memory of what the rules said.
  std::uint64_t allowed = 0;
  std::uint64_t frame = 0;                          ///< host-physical address of the first byte
  std::uint64_t gpa = 0;                            ///< guest-physical address of the first byte
  arch::PageSize size = arch::PageSize::k4K;        ///< what this entry covers, or each page of it
  arch::PageSize guest_size = arch::PageSize::k4K;  ///< the guest page it is a piece of
  arch::PageSize ept_size = arch::PageSize::k4K;    ///< the EPT page; meaningless with EPT off
  arch::PageSize walk_size = arch::PageSize::k4K;   ///< what the walk found: `size` or more
  arch::MemoryType memory_type = arch::MemoryType::kWB;
  GuestRights guest_rights;
  EptRights ept_rights;
  std::uint8_t protection_key = 0;
  bool dirty = false;  ///< a write needs no walk to set D flags
  bool global = false;
  bool shadow_stack = false;  ///< the guest's page is a shadow-stack page
  // The controls of the walk that made it: no change of them removes it.
  bool mode_based_execute = false;  ///< without it nothing is known of user-mode fetches
  bool verified = false;            ///< guest-paging verification was asked for
  // A group of pages: 2^group_bits of them, aligned in linear addresses, of which `frame` and `gpa`
  // are where the first is or would be. Most entries are a group of one.
  std::uint8_t group_bits = 0;
  std::uint8_t pages = 1;  ///< those that are here, a bit each

  std::uint64_t bytes() const { return arch::bytes(size) << group_bits; }
  std::uint64_t hpa_of(std::uint64_t linear) const { return frame + (linear & (bytes() - 1)); }
  std::uint64_t gpa_of(std::uint64_t linear) const { return gpa + (linear & (bytes() - 1)); }
};
static_assert(sizeof(TlbEntry) == 64);

/// The entry that a translation with `outcome` (kTranslated) makes. It covers the
/// smaller of the guest's and the EPT's page (SDM 31.4.1).
TlbEntry make_tlb_entry(const WalkContext& context, const Outcome& outcome);

/// What a walk would have said of `linear`, which `entry` translates in `context`.
Outcome outcome_of(const WalkContext& context, const TlbEntry& entry, std::uint64_t linear);

/// The piece of `size` that holds `linear`, of an entry at least as large: a group of one.
TlbEntry piece_of(const TlbEntry& entry, std::uint64_t linear, arch::PageSize size);

/// What `entry`, of 4 KiB pages or larger, says of the group of 2^group_bits pages of 4 KiB that
/// holds `linear`: all those of its pages that lie there.
TlbEntry group_of(const TlbEntry& entry, std::uint64_t linear, unsigned group_bits);

/// Whether one entry can stand for the pages of both, two entries of one group: if their pages
/// follow one another in guest- and host-physical memory as they do in linear addresses, the whole
/// group is aligned there to its size, and everything else that is known of them is the same.
bool can_join(const TlbEntry& a, const TlbEntry& b);

/// Whether the rules let `request` through `entry` without a walk. Not for a write where a D flag
/// is still clear, and not where the access would fault: then memory is asked again (SDM 31.4.3.3
/// lets the processor). Nor where a control asks what the walk that made the entry did not: no
/// invalidation is owed when it is turned on. Shadow-stack accesses always walk: what makes a
/// shadow-stack page is not in the entry.
bool allows(const WalkContext& context, const TlbEntry& entry, const Request& request);

}  // namespace eptsim::mmu
