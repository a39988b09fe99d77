#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mmu_model/caches/structure_array.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/walk/walk.hpp"

namespace eptsim::mmu {

/// How a walk asks for caches of a kind.
constexpr Walk::Lookups lookups_of(StructureKind kind) {
  return kind == StructureKind::kGuest ? Walk::Lookups::kAskedOfGuest : Walk::Lookups::kAsked;
}

/// What a logical processor remembers of the entries on the way of its walks (SDM 5.10.3, 31.4.1):
///
///   combined [2..5]  linear address ─► table of the next guest level, in host memory or, of the
///                    other kind, in the guest's. Belongs to VPID, PCID and EPTRTA. With EPT off
///                    the same arrays hold linear mappings.
///   ept [2..5]       guest-physical address ─► table of the next EPT level. Belongs to the EPTRTA.
///   nested TLB       guest-physical page ─► host-physical page. Belongs to the EPTRTA.
///
/// The number is the level of the last entry that a hit skips: 2 is the PDE. None is ever global.
class StructureCaches {
 public:
  explicit StructureCaches(const CacheSettings& settings, std::uint64_t seed = 1);

  /// The entry for a lookup step of a walk in `context` that leaves the least to read, or nullptr.
  /// Arrays are asked from the deepest up, and no further once one hits; each counts what it was
  /// asked. Valid until the caches next change. `dirty`: as a step has it.
  const CachedEntry* lookup(LookupKind kind, std::uint64_t address, const WalkContext& context,
                            bool dirty = false);

  /// Takes what a walk in `context` proved fit for caching.
  void fill(const CachedEntry& entry, const WalkContext& context);

  /// Removes what fits `scope`.
  void invalidate(const InvalidationScope& scope);

  /// By level; 0 and 1 are always zero, as is what is off.
  TlbCounters combined(unsigned level) const { return combined_[level].counters(); }
  TlbCounters ept(unsigned level) const { return ept_[level].counters(); }
  TlbCounters nested_tlb() const { return nested_tlb_.counters(); }
  void reset_counters();

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    for (StructureArray& array : combined_) archive(array);
    for (StructureArray& array : ept_) archive(array);
    archive(nested_tlb_);
  }

 private:
  std::vector<StructureArray> combined_;  ///< by level
  std::vector<StructureArray> ept_;       ///< by level
  StructureArray nested_tlb_;
};

}  // namespace eptsim::mmu
