#pragma once

#include <cstdint>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/caches/structure_caches.hpp"
#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"
#include "mmu_model/walk/translate.hpp"

namespace eptsim::mmu {

/// Everything that one logical processor remembers of translations (SDM 31.4.1): TLBs, the
/// paging-structure caches of both dimensions, and the nested TLB. Knows no time.
class TranslationCaches {
 public:
  explicit TranslationCaches(const CacheSettings& settings, std::uint64_t seed = 1);

  /// What one page's translation took.
  struct Answer {
    Outcome outcome;
    bool tlb_hit = false;         ///< answered without a walk; refusals never are
    unsigned references = 0;      ///< of the walk, if there was one
    std::uint16_t pml_index = 0;  ///< afterwards
  };

  /// Translates `request`, which `check` accepted and which lies within one 4 KiB page: from the
  /// TLBs if they allow it, else by a walk that asks the structure caches and fills everything.
  /// A fault removes what it must. `context` need not outlive the call. Recorder: Recording or
  /// NoRecording (walk/translate.hpp).
  template <class Recorder>
  Answer translate(const WalkContext& context, const Request& request, arch::PhysicalMemory& memory,
                   Recorder& recorder);

  /// Removes what fits; everything with CacheSettings::over_invalidate.
  void invalidate(const InvalidationScope& scope);
  void invalidate(const InvalidationScopes& scopes);

  TlbHierarchy& tlbs() { return tlbs_; }
  StructureCaches& structures() { return structures_; }

 private:
  template <class Recorder>
  void walk_to_its_end(Walk& walk, const WalkContext& context, arch::PhysicalMemory& memory,
                       Recorder& recorder);
  void remove(const InvalidationScope& scope);

  bool over_invalidate_;
  Walk::Lookups lookups_;
  TlbHierarchy tlbs_;
  StructureCaches structures_;
};

}  // namespace eptsim::mmu
