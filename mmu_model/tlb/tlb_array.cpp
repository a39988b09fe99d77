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
  drop(vpid, linear, entry.size, entry);
  const std::size_t set = set_of(linear, entry.size);
  const auto first = tags_.begin() + static_cast<std::ptrdiff_t>(set * ways_);
  const auto free = std::find(first, first + ways_, 0u);
  const std::size_t index = free != first + ways_ ? static_cast<std::size_t>(free - tags_.begin())
                                                  : set * ways_ + replacement_.victim(set);
  if (tags_[index] != 0) count(entries_[index], -1);
  tags_[index] = tag(vpid, linear, entry.size);
  entries_[index] = entry;
  count(entry, 1);
  const auto way = static_cast<unsigned>(index % ways_);
  recent_[set] = way;
  replacement_.filled(set, way);
}

void TlbArray::drop(std::uint16_t vpid, std::uint64_t linear, arch::PageSize size,
                    const TlbEntry& entry) {
  if (!has(size)) return;
  const std::uint64_t wanted = tag(vpid, linear, size);
  const std::size_t first = set_of(linear, size) * ways_;
  for (std::size_t index = first; index < first + ways_; ++index) {
    if (tags_[index] == wanted && overlap(entries_[index], entry)) remove(index);
  }
}

void TlbArray::invalidate(const InvalidationScope& scope) {
  if (scope.linear && (pieces_ == 0 || scope.piece_alone)) {
    // What translates the address is all that can go: one set for each size.
    for (const arch::PageSize size : kSizes) {
      if (!has(size)) continue;
      const std::size_t first = set_of(*scope.linear, size) * ways_;
      for (std::size_t index = first; index < first + ways_; ++index) {
        if (is_within(scope, index)) remove(index);
      }
    }
    return;
  }
  for (std::size_t index = 0; index < tags_.size(); ++index) {
    if (is_within(scope, index)) remove(index);
  }
}

bool TlbArray::is_within(const InvalidationScope& scope, std::size_t index) const {
  const std::uint64_t tag = tags_[index];
  if (tag == 0) return false;
  const TlbEntry& entry = entries_[index];
  const TlbSpace space{.vpid = static_cast<std::uint16_t>(tag >> 3), .word = entry.space};
  if (!fits(scope, space, entry.global)) return false;
  const arch::PageSize size = scope.piece_alone ? entry.size : entry.guest_size;
  return !scope.linear || same_page(*scope.linear, tag >> 19 << 12, size);
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
