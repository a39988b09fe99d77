#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/replacement.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_entry.hpp"
#include "mmu_model/walk/walk.hpp"

namespace eptsim::mmu {

/// A set-associative array of what walks have found on their way: one level of a paging-structure
/// cache, or the nested TLB, which holds several sizes. Sets are chosen by the low bits of the
/// number of what an entry covers.
///
/// Tags lie apart from the entries, so that a look-up reads a few cache lines:
///
///   where  63:19 address bits 56:12, those within what is covered 0 | 18:3 VPID |
///          2:0 what is covered (kCovered), 0: nothing there
///   space  TlbSpace::word; PCID and VPID are 0 for guest-physical addresses
///
/// Sets can be as large as the array. So tags are counted by a hash of theirs: most of those that
/// aren't there are known not to be without a search, and most of those that are are found by the
/// last one that came with their hash.
class StructureArray {
 public:
  StructureArray(const StructureCacheSettings& settings, std::uint64_t seed);

  bool is_off() const { return tags_.empty(); }
  /// An array that is off counts nothing.
  TlbCounters counters() const {
    return {.accesses = hits_ + misses_, .hits = hits_, .misses = misses_};
  }
  void reset_counters() { hits_ = misses_ = 0; }

  /// The entry that covers `address` with `offset_bits` (one of kCovered), counted as a use of the
  /// array, or nullptr. Valid until the array next changes.
  const CachedEntry* lookup(const TlbSpace& space, std::uint64_t address, unsigned offset_bits);
  /// The same where an entry may cover 4 KiB, 2 MiB or 1 GiB: the smallest. With `dirty` an EPT
  /// leaf whose dirty flag is clear does not answer.
  const CachedEntry* lookup_any_page(const TlbSpace& space, std::uint64_t address, bool dirty);

  /// Holds `entry` in place of whatever covered any of the same, else of nothing, else of the
  /// set's victim.
  void fill(const TlbSpace& space, const CachedEntry& entry, unsigned offset_bits);

  /// Removes what fits `scope`, whose `linear` is about this array's addresses (combined and linear
  /// mappings), or whose `gpa` is (guest-physical mappings).
  void invalidate_linear(const InvalidationScope& scope);
  void invalidate_guest_physical(const InvalidationScope& scope);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(tags_, entries_, buckets_, used_, resident_, hits_, misses_);
    if (replacement_) archive(*replacement_);
  }

 private:
  struct Tag {
    std::uint64_t where = 0;
    std::uint64_t space = 0;

    unsigned code() const { return where & 7; }
    TlbSpace translation_space() const {
      return {.vpid = static_cast<std::uint16_t>(where >> 3), .word = space};
    }
    bool covers(std::uint64_t address) const;
    friend bool operator==(const Tag&, const Tag&) = default;
  };
  /// Offset bits by code: 4K, 2M, 4M (the PDE of 32-bit paging), 1G, 512G, 256T.
  static constexpr std::array<unsigned, 7> kCovered = {0, 12, 21, 22, 30, 39, 48};

  static constexpr std::size_t kNone = ~std::size_t{0};

  struct Bucket {
    std::uint32_t tags = 0;  ///< in the array, with this hash
    std::uint32_t last = 0;  ///< index of that which came last, there or not
  };
  static constexpr unsigned kBucketBits = 8;

  static std::size_t bucket_of(const Tag& tag) {
    constexpr std::uint64_t kGoldenRatio = 0x9E37'79B9'7F4A'7C15;
    return ((tag.where ^ tag.space) * kGoldenRatio) >> (64 - kBucketBits);
  }

  static unsigned code_of(unsigned offset_bits);
  static Tag tag(const TlbSpace& space, std::uint64_t address, unsigned offset_bits);
  std::size_t set_of(std::uint64_t address, unsigned offset_bits) const {
    return (address >> offset_bits) & set_mask_;
  }
  /// Index of the entry; kNone if there is none.
  std::size_t find(const TlbSpace& space, std::uint64_t address, unsigned offset_bits) const;
  /// Counts a look-up that found this.
  const CachedEntry* answer(std::size_t index);
  void make_room(const TlbSpace& space, std::uint64_t address, unsigned offset_bits);
  void remove(std::size_t index);

  unsigned ways_;
  std::uint64_t set_mask_ = 0;
  std::vector<Tag> tags_;
  std::vector<CachedEntry> entries_;
  std::vector<Bucket> buckets_;
  std::vector<std::uint32_t> used_;                   ///< entries by set
  std::optional<ReplacementState> replacement_;       ///< none if the array is off
  std::array<unsigned, kCovered.size()> resident_{};  ///< entries by code
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

}  // namespace eptsim::mmu
