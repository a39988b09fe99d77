#pragma once

#include <charconv>
#include <cstdint>
#include <string>

namespace eptsim::sim {

/// "0x1f3000", as messages and results spell addresses.
inline std::string hexadecimal(std::uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace eptsim::sim
