#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sim/trace/generate/random.hpp"

/// Random orders that are computed, not stored: what lets a generator shuffle 2^40 bytes of nodes
/// without a table of them.
namespace eptsim::sim::generate {

/// A random permutation of [0, 2^bits), and its inverse. Rounds of steps that each can be undone:
/// multiplication by an odd number, which carries upwards, and xor with the upper half, which
/// carries downwards.
class Permutation {
 public:
  /// Of 0 to 63 bits.
  Permutation(unsigned bits, std::uint64_t seed)
      : mask_((std::uint64_t{1} << bits) - 1), shift_(std::max(1U, (bits + 1) / 2)) {
    for (std::size_t i = 0; i < kRounds; ++i) {
      multipliers_[i] = random_at(seed, 2 * i) | 1;
      summands_[i] = random_at(seed, 2 * i + 1);
      std::uint64_t inverse = multipliers_[i];  // right in the low 3 bits; each turn doubles them
      for (int turn = 0; turn < 5; ++turn) inverse *= 2 - multipliers_[i] * inverse;
      inverses_[i] = inverse;
    }
  }

  std::uint64_t operator()(std::uint64_t x) const {
    for (std::size_t i = 0; i < kRounds; ++i) {
      x = (x * multipliers_[i] + summands_[i]) & mask_;
      x ^= x >> shift_;
    }
    return x;
  }

  std::uint64_t inverse(std::uint64_t x) const {
    for (std::size_t i = kRounds; i-- > 0;) {
      x ^= x >> shift_;  // the shift is at least half the bits: once undoes it
      x = ((x - summands_[i]) * inverses_[i]) & mask_;
    }
    return x;
  }

 private:
  static constexpr std::size_t kRounds = 4;

  std::uint64_t mask_;
  unsigned shift_;
  std::array<std::uint64_t, kRounds> multipliers_ = {};
  std::array<std::uint64_t, kRounds> summands_ = {};
  std::array<std::uint64_t, kRounds> inverses_ = {};
};

/// The number of bits that every number below `size` fits in.
constexpr unsigned bits_below(std::uint64_t size) {
  return static_cast<unsigned>(std::bit_width(size - 1));
}

/// A random permutation of [0, size): follows one of a power of two until it comes back inside.
class SizedPermutation {
 public:
  SizedPermutation(std::uint64_t size, std::uint64_t seed)
      : size_(size), permutation_(bits_below(size), seed) {}

  std::uint64_t operator()(std::uint64_t x) const {
    do {
      x = permutation_(x);
    } while (x >= size_);
    return x;
  }

 private:
  std::uint64_t size_;
  Permutation permutation_;
};

/// Goes round [0, size) for ever in one random order, each number once in a turn.
class RandomCycle {
 public:
  RandomCycle(std::uint64_t size, std::uint64_t seed)
      : size_(size),
        last_((std::uint64_t{1} << bits_below(size)) - 1),
        permutation_(bits_below(size), seed) {}

  std::uint64_t next() {
    if (given_ == ready_) refill();
    return numbers_[given_++];
  }

 private:
  static constexpr std::size_t kAhead = 128;

  /// Without a branch for numbers that are too large: they are overwritten by the next. Local
  /// copies, for a store to `numbers_` could change members as far as the compiler knows.
  void refill() {
    const auto permutation = permutation_;
    const auto size = size_;
    const auto last = last_;
    auto position = position_;
    std::size_t ready = 0;
    while (ready == 0) {
      for (std::size_t i = 0; i < kAhead; ++i) {
        const auto number = permutation(position);
        position = (position + 1) & last;
        numbers_[ready] = number;
        ready += number < size ? 1 : 0;
      }
    }
    position_ = position;
    ready_ = ready;
    given_ = 0;
  }

  std::uint64_t size_;
  std::uint64_t last_;
  Permutation permutation_;
  std::uint64_t position_ = 0;
  std::array<std::uint64_t, kAhead> numbers_ = {};
  std::size_t ready_ = 0;
  std::size_t given_ = 0;
};

}  // namespace eptsim::sim::generate
