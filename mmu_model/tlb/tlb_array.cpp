#include "mmu_model/tlb/tlb_array.hpp"

#include <algorithm>

namespace eptsim::mmu {

namespace {

constexpr arch::PageSize kSizes[] = {arch::PageSize::k4K, arch::PageSize::k2M, arch::PageSize::k1G};

/// Whether two linear addresses lie in one page of `size`; tags keep bits 56:12.
bool same_page(std::uint64_t a, std::uint64_t b, arch::PageSize size) {
  constexpr std::uint64_t kTagged = (std::uint64_t{1} << 57) - 1;
  return (((a ^ b) & kTagged) >> arch::offset_bits(size)) == 0;
}

}  // namespace

TlbArray::TlbArray(TlbGeometry geometry, Replacement replacement, std::uint64_t seed)
    : ways_(geometry.ways),
      set_mask_(geometry.entries / geometry.ways - 1),
      tags_(geometry.entries),
      recent_(geometry.entries / geometry.ways),
      entries_(geometry.entries),
      replacement_(replacement, geometry.entries / geometry.ways, geometry.ways, seed) {}

void TlbArray::fill(std::uint16_t vpid, std::uint64_t linear, const TlbEntry& entry) {
  const std::size_t set = set_of(linear, entry.size);
  const TlbSpace space{.vpid = vpid, .word = entry.space};
  std::size_t index;
  if (const TlbEntry* same = find(space, linear, entry.size)) {
    index = static_cast<std::size_t>(same - entries_.data());
  } else {
    const auto first = tags_.begin() + static_cast<std::ptrdiff_t>(set * ways_);
    const auto free = std::find(first, first + ways_, 0u);
    index = free != first + ways_ ? static_cast<std::size_t>(free - tags_.begin())
                                  : set * ways_ + replacement_.victim(set);
  }
  if (tags_[index] != 0) count(entries_[index], -1);
  tags_[index] = tag(vpid, linear, entry.size);
  entries_[index] = entry;
  count(entry, 1);
  const auto way = static_cast<unsigned>(index % ways_);
  recent_[set] = way;
  replacement_.filled(set, way);
}

void TlbArray::drop(const TlbSpace& space, std::uint64_t linear, arch::PageSize size) {
  if (!has(size)) return;
  if (const TlbEntry* entry = find(space, linear, size)) {
    remove(static_cast<std::size_t>(entry - entries_.data()));
  }
}

void TlbArray::invalidate(const InvalidationScope& scope) {
  if (scope.linear && (pieces_ == 0 || scope.piece_alone)) {
    // What translates the address is all that can go: one set for each size.
    for (const arch::PageSize size : kSizes) {
      if (!has(size)) continue;
      const std::size_t first = set_of(*scope.linear, size) * ways_;
      for (std::size_t index = first; index < first + ways_; ++index) {
        if (fits(scope, index)) remove(index);
      }
    }
    return;
  }
  for (std::size_t index = 0; index < tags_.size(); ++index) {
    if (fits(scope, index)) remove(index);
  }
}

bool TlbArray::fits(const InvalidationScope& scope, std::size_t index) const {
  const std::uint64_t tag = tags_[index];
  if (tag == 0) return false;
  const TlbEntry& entry = entries_[index];
  if (scope.keep_globals && entry.global) return false;
  if (scope.vpid && *scope.vpid != ((tag >> 3) & 0xffff)) return false;
  if (scope.pcid && !entry.global && *scope.pcid != (entry.space & TlbSpace::kPcid)) return false;
  if (scope.ept_root && (entry.space & ~TlbSpace::kPcid) != (*scope.ept_root | TlbSpace::kEpt)) {
    return false;
  }
  if (scope.linear) {
    const arch::PageSize size = scope.piece_alone ? entry.size : entry.guest_size;
    if (!same_page(*scope.linear, tag >> 19 << 12, size)) return false;
  }
  if (scope.gpa &&
      (!entry.is_combined() || (*scope.gpa ^ entry.gpa) >> arch::offset_bits(entry.size) != 0)) {
    return false;
  }
  return true;
}

void TlbArray::remove(std::size_t index) {
  count(entries_[index], -1);
  tags_[index] = 0;
}

void TlbArray::count(const TlbEntry& entry, int change) {
  resident_[size_code(entry.size)] += static_cast<unsigned>(change);
  if (entry.size < entry.guest_size) pieces_ += static_cast<unsigned>(change);
}

}  // namespace eptsim::mmu
