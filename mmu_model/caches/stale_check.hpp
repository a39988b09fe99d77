#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/tlb/tlb_entry.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// Whether a translation that a TLB gave is still what memory says. Hardware can't ask that: it is
/// for finding software that forgets an invalidation (SDM 5.10.4.2, 31.4.3.3).
namespace eptsim::mmu {

/// The use of a TLB entry for an access of which memory says something else.
struct StaleUse {
  enum class Change : std::uint8_t {
    kGone,           ///< nothing is mapped there any more
    kRightsReduced,  ///< the access would be refused
    kMoved,          ///< the page lies elsewhere
    kUnlogged,       ///< its dirty flag is clear: the log of modified pages doesn't get the write
  };
  Change change = Change::kGone;
  bool in_ept = false;  ///< in the EPT; else in the guest's own tables
  /// `in_ept`: the guest-physical address whose translation changed: the page's, or that of a guest
  /// table.
  std::uint64_t gpa = 0;
  std::uint64_t hpa = 0;  ///< what the cached translation said
  Outcome memory;         ///< what a walk of memory says
};

constexpr std::string_view name(StaleUse::Change change) {
  switch (change) {
    case StaleUse::Change::kGone: return "gone";
    case StaleUse::Change::kRightsReduced: return "rights_reduced";
    case StaleUse::Change::kMoved: return "moved";
    case StaleUse::Change::kUnlogged: return "unlogged";
  }
  return "?";
}

/// How a walk of `request` would end now, in `memory` as it is, which it leaves so.
Outcome look_at(const WalkContext& context, const Request& request,
                const arch::PhysicalMemory& memory);

/// Holds the use of `entry` for `request`, which it allowed, against `memory`, which stays as it
/// is. Empty if the access goes where memory says. Flags and memory types are not compared, but for
/// the EPT's dirty flag with page-modification logging on.
std::optional<StaleUse> find_stale_use(const WalkContext& context, const Request& request,
                                       const TlbEntry& entry, const arch::PhysicalMemory& memory);

}  // namespace eptsim::mmu
