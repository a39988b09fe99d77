#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace eptsim::tb {

/// Random numbers that are the same with every compiler and library: xoshiro256**, its state filled
/// by splitmix64. Each (seed, stream) gives a sequence of its own, so that any walk of a run can be
/// made again without those before it.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) {
    std::uint64_t state = split(seed) ^ (stream * 0xd1342543de82ef95);
    for (std::uint64_t& word : state_) word = split(state);
  }

  std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// 0 to limit-1.
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  bool coin() { return (next() >> 63) != 0; }

  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& choices) {
    return choices[below(N)];
  }

  /// One of the bits that are set in `mask`, which is not 0.
  std::uint64_t bit_of(std::uint64_t mask) {
    for (auto skipped = below(static_cast<std::uint64_t>(std::popcount(mask))); skipped > 0;
         --skipped) {
      mask &= mask - 1;
    }
    return mask & (~mask + 1);
  }

 private:
  static constexpr std::uint64_t split(std::uint64_t& state) {
    std::uint64_t value = state += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace eptsim::tb
