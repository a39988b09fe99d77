#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mmu_model/cycle.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/replacement.hpp"
#include "mmu_model/settings.hpp"

namespace eptsim::mmu {

/// What a cache knows of a line beside its number: 63:3 cycle in which it arrives | 2:1 where it
/// comes from | 0 dirty.
class LineState {
 public:
  LineState() = default;
  LineState(Cycle arrives, MemoryLevel source, bool dirty)
      : word_(arrives << 3 | std::uint64_t{static_cast<std::uint8_t>(source)} << 1 | dirty) {}

  Cycle arrives() const { return word_ >> 3; }
  MemoryLevel source() const { return static_cast<MemoryLevel>(word_ >> 1 & 3); }
  bool dirty() const { return (word_ & 1) != 0; }
  void set_dirty(bool dirty) { word_ = (word_ & ~std::uint64_t{1}) | dirty; }

 private:
  std::uint64_t word_ = 0;
};

/// The set-associative array of a cache: bytes / (64 * ways) sets (a power of two), chosen by the
/// low bits of the line's number, which is its address divided by 64. A line is in it from the
/// access that asks for it on, and so before it arrives. One of no bytes is empty for good.
///
/// Tags lie apart from the rest, so that a look-up that hits reads one or two cache lines.
class LineArray {
 public:
  static constexpr std::size_t kNone = ~std::size_t{0};

  LineArray(const MemoryCacheSettings& settings, std::uint64_t seed);

  bool is_off() const { return ways_ == 0; }

  /// The place of `line`, or kNone. Not yet a use.
  std::size_t find(std::uint64_t line) {
    const std::uint64_t wanted = line + 1;
    const std::size_t set = line & set_mask_;
    const std::uint64_t* tags = &tags_[set * ways_];
    if (tags[recent_[set]] == wanted) [[likely]]
      return set * ways_ + recent_[set];
    for (unsigned way = 0; way < ways_; ++way) {
      if (tags[way] == wanted) {
        recent_[set] = way;
        return set * ways_ + way;
      }
    }
    return kNone;
  }

  /// Has the host bring what a look-up of `line` and its insertion will read.
  void prefetch(std::uint64_t line) const {
    const std::size_t first = (line & set_mask_) * ways_;
    for (std::size_t way = 0; way < ways_; way += 8) {
      __builtin_prefetch(&tags_[first + way]);
      __builtin_prefetch(&states_[first + way]);
    }
    replacement_.prefetch(line & set_mask_);
  }

  LineState& state(std::size_t place) { return states_[place]; }

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

  void remove(std::size_t place) { tags_[place] = 0; }

 private:
  std::size_t ways_;
  std::uint64_t set_mask_;
  std::vector<std::uint64_t> tags_;    ///< the line's number and 1; 0: nothing there
  std::vector<std::uint32_t> recent_;  ///< by set: the way that was found last, tried first
  std::vector<LineState> states_;
  ReplacementState replacement_;
};

}  // namespace eptsim::mmu
