#pragma once

#include <cstdint>

// Bits named as the manual names them: 51:12 is bits(value, 51, 12).
namespace eptsim::oracle {

constexpr bool bit(std::uint64_t value, unsigned number) { return ((value >> number) & 1) != 0; }

// The bits high:low where they stand; no bits at all if high < low (as 51:M where M is 52).
constexpr std::uint64_t in_place(std::uint64_t value, unsigned high, unsigned low) {
  if (high < low) return 0;
  const std::uint64_t up_to_high = ~std::uint64_t{0} >> (63 - high);
  const std::uint64_t from_low = ~std::uint64_t{0} << low;
  return value & up_to_high & from_low;
}

// The bits high:low as a number.
constexpr std::uint64_t bits(std::uint64_t value, unsigned high, unsigned low) {
  return in_place(value, high, low) >> low;
}

constexpr bool any_bit(std::uint64_t value, unsigned high, unsigned low) {
  return in_place(value, high, low) != 0;
}

constexpr std::uint64_t one_bit(bool set, unsigned number) {
  return set ? std::uint64_t{1} << number : 0;
}

}  // namespace eptsim::oracle
