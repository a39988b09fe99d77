#pragma once

#include <cstddef>
#include <cstdint>

namespace eptsim::mmu {

/// A way drawn by a xorshift generator of its own: the same seed gives the same run everywhere.
class RandomReplacement {
 public:
  RandomReplacement(unsigned ways, std::uint64_t seed) : ways_(ways), state_(mix(seed)) {}

  void used(std::size_t, unsigned) {}
  void filled(std::size_t, unsigned) {}
  unsigned victim(std::size_t) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<unsigned>(((state_ >> 32) * ways_) >> 32);
  }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(state_);
  }

 private:
  /// Seeds are small numbers that lie close together; the generator wants bits everywhere, and
  /// never zero.
  static constexpr std::uint64_t mix(std::uint64_t seed) {
    seed = (seed + 0x9E37'79B9'7F4A'7C15) * 0xBF58'476D'1CE4'E5B9;
    seed ^= seed >> 29;
    return seed != 0 ? seed : 1;
  }

  unsigned ways_;
  std::uint64_t state_;
};

}  // namespace eptsim::mmu
