#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "mmu_model/cycle.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/replacement.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/zeroed_vector.hpp"

namespace eptsim::mmu {

/// What a cache knows of a line beside its number.
struct LineState {
  Cycle arrives = 0;                       ///< 0: it has, long ago
  MemoryLevel source = MemoryLevel::kL1d;  ///< where it comes from, as long as it hasn't arrived
  bool dirty = false;
};

/// The set-associative array of a cache: bytes / (64 * ways) sets (a power of two), chosen by the
/// low bits of the line's number, which is its address divided by 64. A line is in it from the
/// access that asks for it on, and so before it arrives. One of no bytes is empty for good.
///
/// What large caches remember doesn't fit the host's, so little is kept where look-ups read it:
///
///   mark   a byte of the number, of the eight ways of a word at once: which ways may have the line
///   tag    63 dirty | 62 may still be under way | 61:0 the line's number and 1; 0: nothing there
///
/// and when it arrives, and from where, apart: that is asked of lines under way alone.
class LineArray {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  LineArray(const MemoryCacheSettings& settings, std::uint64_t seed);

  bool is_off() const { return ways_ == 0; }

  /// The place of `line`, or kNone. Not yet a use.
  std::size_t find(std::uint64_t line) const {
    const std::size_t set = line & set_mask_;
    const std::uint64_t mark = mark_of(line);
    for (std::size_t word = 0; word < words_; ++word) {
      std::uint64_t found = equal_bytes(marks_[set * words_ + word], mark);
      for (; found != 0; found &= found - 1) {
        const std::size_t place = set * ways_ + way_of(word, found);
        if (is_at(place, line)) return place;
      }
    }
    return kNone;
  }
  /// The same, for who often looks for what was found last.
  std::size_t find_again(std::uint64_t line) {
    const std::size_t set = line & set_mask_;
    const std::size_t recent = set * ways_ + recent_[set];
    if (is_at(recent, line)) [[likely]]
      return recent;
    const std::size_t place = find(line);
    if (place != kNone) recent_[set] = static_cast<std::uint32_t>(place - set * ways_);
    return place;
  }

  /// Has the host bring what a look-up of `line` and its insertion will read.
  void prefetch(std::uint64_t line) const {
    if (is_off()) return;
    const std::size_t first = (line & set_mask_) * ways_;
    __builtin_prefetch(&marks_[(line & set_mask_) * words_]);
    for (std::size_t way = 0; way < ways_; way += 8) __builtin_prefetch(&tags_[first + way]);
    __builtin_prefetch(&tags_[first + ways_ - 1]);  // sets needn't begin where lines do
    replacement_.prefetch(line & set_mask_);
  }

  bool is_dirty(std::size_t place) const { return (tags_[place] & kDirty) != 0; }
  void set_dirty(std::size_t place, bool dirty) {
    tags_[place] = (tags_[place] & ~kDirty) | (dirty ? kDirty : 0);
  }
  /// Whether the line there has arrived by `cycle`, before which nothing will be asked any more.
  bool has_arrived(std::size_t place, Cycle cycle) {
    if ((tags_[place] & kUnderWay) == 0) [[likely]]
      return true;
    if (arrivals_[place].cycle > cycle) return false;
    tags_[place] &= ~kUnderWay;
    return true;
  }
  LineState state(std::size_t place) const {
    LineState state{.dirty = is_dirty(place)};
    if ((tags_[place] & kUnderWay) != 0) {
      state.arrives = arrivals_[place].cycle;
      state.source = arrivals_[place].source;
    }
    return state;
  }

  /// Counts an access that found its line as a use. `line`: that at `place`.
  void use(std::uint64_t line, std::size_t place) {
    const std::size_t set = line & set_mask_;
    replacement_.used(set, static_cast<unsigned>(place - set * ways_));
  }

  struct Line {
    std::uint64_t number = 0;
    LineState state;
  };
  /// Puts a line that isn't there into a free way, else in place of the set's victim, which it
  /// gives back.
  std::optional<Line> insert(std::uint64_t line, LineState state);
  /// The same of a line that has arrived long ago, for who doesn't ask for the victim.
  void put(std::uint64_t line, bool dirty) {
    tags_[take_place(line)] = (line + 1) | (dirty ? kDirty : 0);
  }

  void remove(std::size_t place) {
    tags_[place] = 0;
    set_mark(place / ways_, place % ways_, 0);
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(marks_, tags_, recent_, replacement_);
    for (std::size_t place = 0; place < tags_.size(); ++place) {
      if ((tags_[place] & kUnderWay) != 0) archive(arrivals_[place]);
    }
  }

 private:
  static constexpr unsigned kFlagBits = 2;
  static constexpr std::uint64_t kDirty = std::uint64_t{1} << 63;
  static constexpr std::uint64_t kUnderWay = std::uint64_t{1} << 62;
  struct Arrival {
    Cycle cycle = 0;
    MemoryLevel source = MemoryLevel::kL1d;
  };

  static constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  static constexpr std::uint8_t kNoWay = 1;  ///< the mark of what is left of the last word

  /// 1 in bit 7 of each byte of `word` that is `byte`; maybe in bytes above such a one, too.
  static std::uint64_t equal_bytes(std::uint64_t word, std::uint64_t byte) {
    const std::uint64_t others = word ^ kOnes * byte;
    return (others - kOnes) & ~others & kOnes << 7;
  }
  static std::size_t way_of(std::size_t word, std::uint64_t found) {
    return 8 * word + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  /// 128 or more.
  std::uint64_t mark_of(std::uint64_t line) const {
    const std::uint64_t above = line >> set_bits_;
    return ((above ^ above >> 7) & 0x7f) | 0x80;
  }
  bool is_at(std::size_t place, std::uint64_t line) const {
    return tags_[place] << kFlagBits == (line + 1) << kFlagBits;
  }
  /// The first way of the set with nothing in it, or ways_.
  unsigned free_way(std::size_t set) const {
    for (std::size_t word = 0; word < words_; ++word) {
      const std::uint64_t found = equal_bytes(marks_[set * words_ + word], 0);
      if (found != 0) return static_cast<unsigned>(way_of(word, found));
    }
    return static_cast<unsigned>(ways_);
  }
  /// A free place or that of the set's victim, with all but the tag as if `line` were there.
  std::size_t take_place(std::uint64_t line) {
    const std::size_t set = line & set_mask_;
    unsigned way = free_way(set);
    if (way == ways_) [[likely]] {
      way = replacement_.replace(set);
    } else {
      replacement_.filled(set, way);
    }
    set_mark(set, way, mark_of(line));
    recent_[set] = way;
    return set * ways_ + way;
  }
  void set_mark(std::size_t set, std::size_t way, std::uint64_t mark) {
    std::uint64_t& word = marks_[set * words_ + way / 8];
    word = (word & ~(std::uint64_t{0xff} << 8 * (way % 8))) | mark << 8 * (way % 8);
  }

  std::size_t ways_;
  std::size_t words_;  ///< of marks, by set
  std::uint64_t set_mask_;
  unsigned set_bits_;
  ZeroedVector<std::uint64_t> marks_;  ///< 0: nothing there
  ZeroedVector<std::uint64_t> tags_;
  ZeroedVector<std::uint32_t> recent_;  ///< by set: the way that was found last, tried first
  ZeroedVector<Arrival> arrivals_;      ///< of lines that may be under way
  ReplacementState replacement_;
};

}  // namespace eptsim::mmu
