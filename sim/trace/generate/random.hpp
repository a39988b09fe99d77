#pragma once

#include <cstdint>

namespace eptsim::sim::generate {

/// A bijection of 64-bit numbers that leaves no pattern: the finalizer of SplitMix64.
constexpr std::uint64_t scrambled(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
  x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
  return x ^ (x >> 31);
}

/// The i-th number of the random sequence that `seed` names. Any of them can be had at once.
constexpr std::uint64_t random_at(std::uint64_t seed, std::uint64_t i) {
  return scrambled(seed + (i + 1) * 0x9e37'79b9'7f4a'7c15);
}

/// `random`, of 64 bits, brought into [0, limit).
constexpr std::uint64_t below(std::uint64_t limit, std::uint64_t random) {
  __extension__ using Product = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Product>(random) * limit) >> 64);
}

}  // namespace eptsim::sim::generate
