#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::mmu {

/// Static re-reference interval prediction with two bits a way: what comes new is expected back
/// late, what was used again soon. So what is used once gives way before what is used twice.
class Srrip {
 public:
  Srrip(unsigned sets, unsigned ways) : ways_(ways), expected_(std::size_t{sets} * ways) {}

  void used(std::size_t set, unsigned way) { expected_[set * ways_ + way] = kSoon; }
  void filled(std::size_t set, unsigned way) { expected_[set * ways_ + way] = kLate; }
  /// The first that is expected last; all are aged until there is one.
  unsigned victim(std::size_t set) {
    std::uint8_t* first = &expected_[set * ways_];
    for (;;) {
      for (unsigned way = 0; way < ways_; ++way) {
        if (first[way] == kLast) return way;
      }
      for (unsigned way = 0; way < ways_; ++way) ++first[way];
    }
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(expected_);
  }

 private:
  static constexpr std::uint8_t kSoon = 0, kLate = 2, kLast = 3;

  unsigned ways_;
  std::vector<std::uint8_t> expected_;
};

}  // namespace eptsim::mmu
