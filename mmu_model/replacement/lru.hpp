#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::mmu {

/// Least recently used: the way whose last use lies furthest back.
///
/// Of up to 16 ways a set's order is one word: four bits a way, the one used last the lowest. What
/// large caches remember doesn't fit the host's, and so it is little. Of more ways each has the
/// number of its last use.
class Lru {
 public:
  Lru(unsigned sets, unsigned ways) : ways_(ways) {
    if (ways <= kPacked) {
      orders_.resize(sets, kAnyOrder);
    } else {
      last_use_.resize(std::size_t{sets} * ways);
    }
  }

  void used(std::size_t set, unsigned way) {
    if (orders_.empty()) [[unlikely]] {
      last_use_[set * ways_ + way] = ++uses_;
      return;
    }
    const std::uint64_t order = orders_[set];
    if ((order & 15) == way) return;
    // The way's own four bits are the lowest that are 0 here; what borrows from above lies above.
    const std::uint64_t others = order ^ kOnes * way;
    const std::uint64_t zeros = (others - kOnes) & ~others & kOnes << 3;
    const auto place = static_cast<unsigned>(std::countr_zero(zeros)) & ~3u;
    const std::uint64_t newer = order & ((std::uint64_t{1} << place) - 1);
    const std::uint64_t older = order & older_than(place);
    orders_[set] = older | newer << 4 | way;
  }
  void filled(std::size_t set, unsigned way) { used(set, way); }
  void prefetch(std::size_t set) const {
    if (!orders_.empty()) __builtin_prefetch(&orders_[set]);
  }
  unsigned victim(std::size_t set) {
    if (!orders_.empty()) [[likely]]
      return static_cast<unsigned>(orders_[set] >> 4 * (ways_ - 1)) & 15;
    const std::uint64_t* first = &last_use_[set * ways_];
    return static_cast<unsigned>(std::min_element(first, first + ways_) - first);
  }
  /// The victim, which is used at once.
  unsigned replace(std::size_t set) {
    const unsigned way = victim(set);
    if (orders_.empty()) [[unlikely]] {
      used(set, way);
      return way;
    }
    const std::uint64_t order = orders_[set];
    const std::uint64_t others = ~(~std::uint64_t{0} << 4 * (ways_ - 1));
    orders_[set] = (order & older_than(4 * (ways_ - 1))) | (order & others) << 4 | way;
    return way;
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(uses_, orders_, last_use_);
  }

 private:
  static constexpr unsigned kPacked = 16;
  static constexpr std::uint64_t kOnes = 0x1111'1111'1111'1111;
  static constexpr std::uint64_t kAnyOrder = 0xfedc'ba98'7654'3210;

  /// The bits above those of the way at `place`.
  static std::uint64_t older_than(unsigned place) { return ~(~std::uint64_t{0} >> (60 - place)); }

  unsigned ways_;
  std::uint64_t uses_ = 0;
  std::vector<std::uint64_t> orders_;    ///< by set
  std::vector<std::uint64_t> last_use_;  ///< by way; 0: never
};

}  // namespace eptsim::mmu
