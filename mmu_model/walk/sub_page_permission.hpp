#pragma once

#include <cstdint>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// Sub-page write permissions: where the EPT refuses a write to a 4 KiB page for want of W alone, a
/// tree of four levels of its own may allow it, 128 bytes at a time (SDM 31.3.4).
///
///   SPPTP ─► level 4 ─► level 3 ─► level 2 ─► vector of the page, level 1: bit 2S for sub-page S
///
/// Tables are indexed as those of a 4-level EPT, so bits of the address above 47 play no part.
namespace eptsim::mmu::sub_page {

inline constexpr unsigned kLevels = 4;

/// Bit 11 of the exit qualification of an SPP event: a miss, not a misconfiguration (SDM 30.2.1).
inline constexpr arch::BitField kMiss{11, 11};

/// Whether the tables have a say: the EPT's rights refuse `demand`, and only its write, on a page
/// that `leaf` of `level` marks.
inline bool is_eligible(const WalkContext& context, EptDemand demand, EptRights rights,
                        unsigned level, std::uint64_t leaf) {
  return context.sub_page_permissions && level == 1 &&
         arch::ept_entry::kSubpageWritePermission.any(leaf) && demand.write && !demand.paging &&
         !demand.supervisor_shadow_stack && rights.read && !rights.write;
}

/// What is wrong with an entry above the vector, or with the vector (level 1); kNone if nothing is.
inline Reason judge(const WalkContext& context, unsigned level, std::uint64_t entry) {
  if (level == 1) {
    constexpr std::uint64_t kOddBits = 0xaaaa'aaaa'aaaa'aaaa;
    return (entry & kOddBits) != 0 ? Reason::kSppMisconfiguration : Reason::kNone;
  }
  if ((entry & 1) == 0) return Reason::kSppMiss;
  const std::uint64_t reserved = arch::BitField{11, 1}.mask() | ~std::uint64_t{0}
                                                                    << context.raw.cpu.maxphyaddr;
  return (entry & reserved) != 0 ? Reason::kSppMisconfiguration : Reason::kNone;
}

/// Whether `vector` allows a write of `size` bytes, all within one page, at `gpa`: every sub-page
/// touched must.
constexpr bool allows(std::uint64_t vector, std::uint64_t gpa, unsigned size) {
  const std::uint64_t first = (gpa & 0xfff) >> 7;
  const std::uint64_t last = ((gpa & 0xfff) + size - 1) >> 7;
  for (std::uint64_t sub_page = first; sub_page <= last; ++sub_page) {
    if ((vector >> (2 * sub_page) & 1) == 0) return false;
  }
  return true;
}

}  // namespace eptsim::mmu::sub_page
