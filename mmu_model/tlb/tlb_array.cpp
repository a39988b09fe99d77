#include "mmu_model/tlb/tlb_array.hpp"

#include <algorithm>
#include <bit>

namespace eptsim::mmu {

namespace {

constexpr arch::PageSize kSizes[] = {arch::PageSize::k4K, arch::PageSize::k2M, arch::PageSize::k1G};

/// Whether two linear addresses agree but for the lowest bits; tags keep bits 56:12.
bool same_block(std::uint64_t a, std::uint64_t b, unsigned offset_bits) {
  constexpr std::uint64_t kTagged = (std::uint64_t{1} << 57) - 1;
  return (((a ^ b) & kTagged) >> offset_bits) == 0;
}

}  // namespace

TlbArray::TlbArray(TlbGeometry geometry, unsigned coalesce, Replacement replacement,
                   std::uint64_t seed)
    : ways_(geometry.ways),
      group_bits_(static_cast<unsigned>(std::countr_zero(coalesce))),
      set_mask_(geometry.entries / geometry.ways - 1),
      tags_(geometry.entries),
      recent_(geometry.entries / geometry.ways),
      entries_(geometry.entries),
      again_(geometry.entries / geometry.ways),
      replacement_(replacement, geometry.entries / geometry.ways, geometry.ways, seed) {}

void TlbArray::fill(std::uint16_t vpid, std::uint64_t linear, const TlbEntry& entry) {
  const std::size_t set = set_of(linear, entry.size);
  if (group_bits_ != 0 && join(set * ways_, tag(vpid, linear, entry.size), entry)) return;
  drop(vpid, linear, entry.size, entry);
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
  again_[set] = {};
  replacement_.filled(set, way);
}

/// Adds the pages of `entry` to the one of its set, from `first` on, that it can be one with. False
/// if there is none. What else had one of the pages goes.
bool TlbArray::join(std::size_t first, std::uint64_t tag, const TlbEntry& entry) {
  std::size_t joined = first + ways_;
  for (std::size_t index = first; index < first + ways_; ++index) {
    if (tags_[index] != tag) continue;
    TlbEntry& there = entries_[index];
    if (joined == first + ways_ && can_join(there, entry)) {
      joined = index;
    } else if (overlap(there, entry) && (there.pages & entry.pages) != 0) {
      remove(index);
    }
  }
  if (joined == first + ways_) return false;
  entries_[joined].pages |= entry.pages;
  const auto way = static_cast<unsigned>(joined - first);
  recent_[first / ways_] = way;
  again_[first / ways_] = {};
  replacement_.used(first / ways_, way);
  return true;
}

void TlbArray::drop(std::uint16_t vpid, std::uint64_t linear, arch::PageSize size,
                    const TlbEntry& entry) {
  if (!has(size)) return;
  const std::uint64_t wanted = tag(vpid, linear, size);
  const std::size_t first = set_of(linear, size) * ways_;
  const unsigned page = page_in_group(linear, size);
  for (std::size_t index = first; index < first + ways_; ++index) {
    const TlbEntry& there = entries_[index];
    if (tags_[index] != wanted || !overlap(there, entry)) continue;
    const bool both =
        size == entry.size ? (there.pages & entry.pages) != 0 : (there.pages >> page & 1) != 0;
    if (both) remove(index);
  }
}

void TlbArray::invalidate(const InvalidationScope& scope) {
  if (!scope.linear_mappings && !scope.combined_mappings) return;
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
  if (scope.linear && !maps(index, *scope.linear, scope.piece_alone)) return false;
  const TlbSpace space{.vpid = static_cast<std::uint16_t>(tag >> 3), .word = entry.space};
  return fits(scope, space, entry.global);
}

/// Whether the entry maps `linear`; or, of a piece that doesn't stand alone, the page that it is
/// of.
bool TlbArray::maps(std::size_t index, std::uint64_t linear, bool piece_alone) const {
  const TlbEntry& entry = entries_[index];
  const std::uint64_t first = tags_[index] >> 19 << 12;
  if (entry.size < entry.guest_size && !piece_alone) {
    return same_block(linear, first, arch::offset_bits(entry.guest_size));
  }
  return same_block(linear, first, offset_bits(entry.size)) &&
         (entry.pages >> page_in_group(linear, entry.size) & 1) != 0;
}

void TlbArray::remove(std::size_t index) {
  count(entries_[index], -1);
  tags_[index] = 0;
  again_[index / ways_] = {};
}

void TlbArray::count(const TlbEntry& entry, int change) {
  resident_[size_code(entry.size)] += static_cast<unsigned>(change);
  if (entry.size < entry.guest_size) pieces_ += static_cast<unsigned>(change);
}

}  // namespace eptsim::mmu
