#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::sim {

/// What was counted over a stretch of a run, or up to a point of it.
struct Interval {
  std::uint64_t accesses = 0;
  std::uint64_t instructions = 0;
  std::uint64_t cycles = 0;
  std::uint64_t translation_cycles = 0;
  std::uint64_t exit_cycles = 0;
  std::uint64_t lookups = 0;             ///< in first-level TLBs, of data and of instructions
  std::uint64_t first_level_misses = 0;  ///< of them
  std::uint64_t tlb_misses = 0;          ///< of them, those that the second level didn't have
  std::uint64_t walks = 0;
  std::uint64_t walk_cycles = 0;

  Interval& operator+=(const Interval& other);
  Interval& operator-=(const Interval& other);
  friend bool operator==(const Interval&, const Interval&) = default;
};
inline constexpr std::size_t kIntervals = 200;  ///< at most; even

/// How long those of a run of so many accesses are.
constexpr std::uint64_t interval_length(std::uint64_t accesses) {
  std::uint64_t length = 1;
  while (accesses / length >= kIntervals) length *= 2;
  return length;
}

/// A core's run, in intervals of `length` accesses; the last may have fewer.
struct Course {
  std::uint64_t length = 1;  ///< a power of two
  std::vector<Interval> intervals;
};

/// What several cores did, side by side: in the nth interval each did its nth so many accesses, as
/// many as the longest course has in one. So each core's part is exact, whatever the others' pace;
/// the sum is the whole run's, and a core that has come to its end is in no interval after it.
std::vector<Interval> side_by_side(const std::vector<Course>& cores);

/// A run cut into intervals of equally many accesses, without its length being known: when there
/// are too many, each takes in its neighbour and all are twice as long from then on. So a long run
/// has from half of kIntervals to all, and its memory is bounded.
class Intervals {
 public:
  /// The accesses, from the beginning on, with which the present interval ends.
  std::uint64_t next_end() const { return end_; }
  /// Ends it. `total`: what was counted from the beginning on.
  void end(const Interval& total);
  /// All of them, up to the run's end, where `total` was counted: the last may have fewer accesses
  /// than the others, and has what came after the last access.
  Course up_to(const Interval& total) const;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(intervals_, before_, length_, end_);
  }

 private:
  std::vector<Interval> intervals_;
  Interval before_;  ///< their sum
  std::uint64_t length_ = 1;
  std::uint64_t end_ = 1;
};

}  // namespace eptsim::sim
