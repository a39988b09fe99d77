#include "mmu_model/walk/memory_type.hpp"

#include <array>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"

namespace eptsim::mmu {

using arch::MemoryType;

namespace {

/// Columns of the table below, by the PAT's encoding; its codes 2 and 3 are reserved.
constexpr std::array<std::uint8_t, 8> kColumn = {0, 2, 0, 0, 3, 5, 4, 1};

constexpr auto UC = MemoryType::kUC;
constexpr auto WC = MemoryType::kWC;
constexpr auto WT = MemoryType::kWT;
constexpr auto WP = MemoryType::kWP;
constexpr auto WB = MemoryType::kWB;
using Row = std::array<MemoryType, 6>;

/// SDM table 13-7, with the EPT in the MTRRs' role.      UC  UC- WC  WT  WB  WP    from the PAT
constexpr Row kUncacheable /*    */ = {UC, UC, WC, UC, UC, UC};
constexpr Row kWriteCombining /* */ = {UC, WC, WC, UC, WC, UC};
constexpr Row kWriteThrough /*   */ = {UC, UC, WC, WT, WT, WP};
constexpr Row kWriteProtected /* */ = {UC, WC, WC, WT, WP, WP};
constexpr Row kWriteBack /*      */ = {UC, UC, WC, WT, WB, WP};

MemoryType combine(MemoryType range, MemoryType pat) {
  const std::uint8_t column = kColumn[static_cast<std::uint8_t>(pat)];
  switch (range) {
    case MemoryType::kWC: return kWriteCombining[column];
    case MemoryType::kWT: return kWriteThrough[column];
    case MemoryType::kWP: return kWriteProtected[column];
    case MemoryType::kWB: return kWriteBack[column];
    default: return kUncacheable[column];
  }
}

}  // namespace

MemoryType pat_type(const WalkContext& context, unsigned level, std::uint64_t entry) {
  const auto pat = level == 1 ? arch::guest_entry::kPat4K : arch::guest_entry::kPatLarge;
  const std::uint64_t index = pat.get(entry) << 2 |
                              arch::guest_entry::kCacheDisable.get(entry) << 1 |
                              arch::guest_entry::kWriteThrough.get(entry);
  return context.pat_types[index];
}

MemoryType effective_memory_type(const WalkContext& context, MemoryType pat,
                                 std::optional<std::uint64_t> ept_leaf) {
  if (context.caches_off) return MemoryType::kUC;
  if (!ept_leaf) return combine(MemoryType::kWB, pat);
  const auto type = static_cast<MemoryType>(arch::ept_entry::kMemoryType.get(*ept_leaf));
  return arch::ept_entry::kIgnorePat.any(*ept_leaf) ? type : combine(type, pat);
}

}  // namespace eptsim::mmu
