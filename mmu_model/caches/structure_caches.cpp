#include "mmu_model/caches/structure_caches.hpp"

#include <cstddef>

namespace eptsim::mmu {

namespace {

// Linear-address and EPT arrays, and the nested TLB, each with its own random replacement.
constexpr std::uint64_t kEptSeed = 8;
constexpr std::uint64_t kNestedSeed = 16;

std::vector<StructureArray> arrays(const std::array<StructureCacheSettings, 6>& settings,
                                   std::uint64_t seed) {
  std::vector<StructureArray> made;
  made.reserve(settings.size());
  for (const StructureCacheSettings& one : settings) made.emplace_back(one, seed++);
  return made;
}

/// Bits of the address within what a guest entry of `level` covers: 4-byte tables have 1024
/// entries.
unsigned guest_offset_bits(const WalkContext& context, unsigned level) {
  return 12 + (context.wide_guest_entries ? 9 : 10) * (level - 1);
}
constexpr unsigned ept_offset_bits(unsigned level) { return 12 + 9 * (level - 1); }

/// Guest-physical mappings belong to an EPTRTA alone.
TlbSpace guest_physical_space(const WalkContext& context) {
  return {.word = TlbSpace::kEpt | context.ept_root};
}

}  // namespace

StructureCaches::StructureCaches(const CacheSettings& settings, std::uint64_t seed)
    : combined_(arrays(settings.combined, seed)),
      ept_(arrays(settings.ept, seed + kEptSeed)),
      nested_tlb_(settings.nested_tlb, seed + kNestedSeed) {}

const CachedEntry* StructureCaches::lookup(LookupKind kind, std::uint64_t address,
                                           const WalkContext& context, bool dirty) {
  const CachedEntry* hit = nullptr;
  switch (kind) {
    case LookupKind::kCombined: {
      // An entry of a level that the paging mode does not have is another mode's.
      const TlbSpace space = space_of(context);
      for (unsigned level = 2; level <= context.guest_levels && hit == nullptr; ++level) {
        hit = combined_[level].lookup(space, address, guest_offset_bits(context, level));
      }
      break;
    }
    case LookupKind::kEptStructure: {
      const TlbSpace space = guest_physical_space(context);
      for (unsigned level = 2; level <= context.ept_levels && hit == nullptr; ++level) {
        hit = ept_[level].lookup(space, address, ept_offset_bits(level));
      }
      break;
    }
    case LookupKind::kNestedTlb:
      hit = nested_tlb_.lookup_any_page(guest_physical_space(context), address, dirty);
      break;
  }
  return hit;
}

void StructureCaches::fill(const CachedEntry& entry, const WalkContext& context) {
  switch (entry.kind) {
    case LookupKind::kCombined:
      combined_[entry.level].fill(space_of(context), entry,
                                  guest_offset_bits(context, entry.level));
      break;
    case LookupKind::kEptStructure:
      ept_[entry.level].fill(guest_physical_space(context), entry, ept_offset_bits(entry.level));
      break;
    case LookupKind::kNestedTlb:
      nested_tlb_.fill(guest_physical_space(context), entry, ept_offset_bits(entry.level));
      break;
  }
}

void StructureCaches::invalidate(const InvalidationScope& scope) {
  for (StructureArray& array : combined_) array.invalidate_linear(scope);
  for (StructureArray& array : ept_) array.invalidate_guest_physical(scope);
  nested_tlb_.invalidate_guest_physical(scope);
}

void StructureCaches::reset_counters() {
  for (StructureArray& array : combined_) array.reset_counters();
  for (StructureArray& array : ept_) array.reset_counters();
  nested_tlb_.reset_counters();
}

}  // namespace eptsim::mmu
