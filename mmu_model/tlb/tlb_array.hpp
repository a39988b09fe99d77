#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ept/arch/page_size.hpp"
#include "mmu_model/replacement.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_entry.hpp"

namespace eptsim::mmu {

/// A set-associative array of TLB entries, of any page sizes: entries / ways sets (a power of two),
/// chosen by the low bits of the page number. With ways = entries it is fully associative.
///
/// Tags lie apart from the entries, so that a look-up reads one or two cache lines:
///
///   tag    63:19 linear address bits 56:12, those below the page size 0 | 18:3 VPID | 2:1 size
///          (0: 4K, 1: 2M, 2: 1G) | 0 valid
///
/// With `coalesce` an entry of 4 KiB pages is for an aligned group of that many: tag and set are
/// the group's. A page joins the entry of its group if the two can be one (can_join), and has an
/// entry of its own otherwise; of a page there is one entry at most. What gives up one page, to
/// another entry or to an invalidation, goes whole.
class TlbArray {
 public:
  TlbArray(TlbGeometry geometry, unsigned coalesce, Replacement replacement, std::uint64_t seed);

  /// Whether it may hold a page of `size` at all: look-ups of sizes that it does not hold are
  /// saved.
  bool has(arch::PageSize size) const { return resident_[size_code(size)] != 0; }

  /// An entry, and where it is.
  struct Found {
    TlbEntry* entry = nullptr;  ///< none if there is none
    std::size_t set = 0;
    unsigned way = 0;
  };

  /// The entry of page size `size` for canonical address `linear`. Not yet a use.
  Found find(const TlbSpace& space, std::uint64_t linear, arch::PageSize size) {
    const std::uint64_t wanted = tag(space.vpid, linear, size);
    const std::size_t set = set_of(linear, size);
    const std::uint64_t* tags = &tags_[set * ways_];
    TlbEntry* entries = &entries_[set * ways_];
    const unsigned recent = recent_[set];
    const unsigned page = page_in_group(linear, size);
    if (tags[recent] == wanted && is_in(entries[recent], space, page)) [[likely]]
      return {&entries[recent], set, recent};
    for (unsigned way = 0; way < ways_; ++way) {
      if (tags[way] == wanted && is_in(entries[way], space, page)) {
        recent_[set] = way;
        return {&entries[way], set, way};
      }
    }
    return {};
  }

  /// Counts a hit of what `find` gave as a use.
  void use(const Found& found) {
    replacement_.used(found.set, found.way);
    again_[found.set] = {};
  }

  /// Has `again` give it from now on: what was found for `linear` by a look-up of 4 KiB pages, and
  /// has just been used.
  void remember(const Found& found, std::uint64_t linear) {
    again_[found.set] = {linear >> 12, found.entry->allowed, found.entry};
  }
  /// The entry of which a look-up is sure to be a hit: the one that was used last of its set, by an
  /// access to the same page as `linear`, and nothing in the set has changed since. Such a use is
  /// no news to any replacement. `allowed`: allowed_bit. As long as nobody forgets, look-ups are in
  /// one space and under one rights mode.
  const TlbEntry* again(std::uint64_t linear, std::uint64_t allowed) const {
    const Again& again = again_[set_of(linear, arch::PageSize::k4K)];
    return again.page == linear >> 12 && (again.allowed & allowed) != 0 ? again.entry : nullptr;
  }
  void forget() { std::ranges::fill(again_, Again{}); }

  /// Puts `entry`, which maps `linear` for `vpid`, in place of whatever of its size could answer
  /// where it does, else of nothing, else of the set's victim. Or, of a group, joins it to an entry
  /// that is there.
  void fill(std::uint16_t vpid, std::uint64_t linear, const TlbEntry& entry);

  /// An entry, maybe larger, as one that this array can hold for `linear`: that is of 4 KiB pages
  /// if it holds groups of them.
  TlbEntry fitted(const TlbEntry& entry, std::uint64_t linear, arch::PageSize size) const {
    if (size == arch::PageSize::k4K && (group_bits_ != 0 || entry.group_bits != 0)) {
      return group_of(entry, linear, group_bits_);
    }
    return size == entry.size ? entry : piece_of(entry, linear, size);
  }

  /// Removes what maps `linear` by a page of `size` where `entry` could answer too.
  void drop(std::uint16_t vpid, std::uint64_t linear, arch::PageSize size, const TlbEntry& entry);

  /// Removes what fits `scope`.
  void invalidate(const InvalidationScope& scope);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(tags_, recent_, entries_, replacement_, resident_, pieces_);
  }

 private:
  /// What was used last of a set.
  struct Again {
    std::uint64_t page = ~std::uint64_t{0};  ///< address / 4096; there is no such page
    std::uint64_t allowed = 0;               ///< TlbEntry::allowed
    const TlbEntry* entry = nullptr;
  };

  static constexpr unsigned size_code(arch::PageSize size) { return arch::leaf_level(size) - 1; }
  /// Bits of an address within what one entry of pages of `size` is for.
  unsigned offset_bits(arch::PageSize size) const {
    return arch::offset_bits(size) + (size == arch::PageSize::k4K ? group_bits_ : 0);
  }
  /// Which page of its entry's group holds `linear`.
  unsigned page_in_group(std::uint64_t linear, arch::PageSize size) const {
    const auto page = static_cast<unsigned>(linear >> 12);
    return size == arch::PageSize::k4K ? page & ((1u << group_bits_) - 1) : 0;
  }
  std::uint64_t tag(std::uint16_t vpid, std::uint64_t linear, arch::PageSize size) const {
    const std::uint64_t first = linear >> offset_bits(size) << offset_bits(size);
    return (first >> 12 << 19) | (std::uint64_t{vpid} << 3) | (size_code(size) << 1) | 1u;
  }
  static bool is_in(const TlbEntry& entry, const TlbSpace& space, unsigned page) {
    return ((entry.space ^ space.word) & entry.space_mask) == 0 && (entry.pages >> page & 1) != 0;
  }
  /// Whether there is a PCID for which both answer: of a global entry and another that may be so
  /// whichever was filled first.
  static bool overlap(const TlbEntry& a, const TlbEntry& b) {
    return ((a.space ^ b.space) & a.space_mask & b.space_mask) == 0;
  }
  std::size_t set_of(std::uint64_t linear, arch::PageSize size) const {
    return (linear >> offset_bits(size)) & set_mask_;
  }
  bool is_within(const InvalidationScope& scope, std::size_t index) const;
  bool maps(std::size_t index, std::uint64_t linear, bool piece_alone) const;
  bool join(std::size_t first, std::uint64_t tag, const TlbEntry& entry);
  void remove(std::size_t index);
  void count(const TlbEntry& entry, int change);

  unsigned ways_;
  unsigned group_bits_;  ///< of a group of 4 KiB pages
  std::uint64_t set_mask_;
  std::vector<std::uint64_t> tags_;    ///< 0: nothing there
  std::vector<std::uint32_t> recent_;  ///< by set: the way that hit last, which is tried first
  std::vector<TlbEntry> entries_;
  std::vector<Again> again_;  ///< by set
  ReplacementState replacement_;
  std::array<unsigned, 3> resident_{};  ///< entries by size code
  unsigned pieces_ = 0;                 ///< entries smaller than their guest page
};

}  // namespace eptsim::mmu
