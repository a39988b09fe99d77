#include "sim/number.hpp"

namespace eptsim::sim {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.front() == '_' || text.back() == '_') return std::nullopt;
  constexpr std::uint64_t kLargest = ~std::uint64_t{0};
  std::uint64_t base = 10;
  std::uint64_t largest_before = kLargest / 10;  // what one more digit may follow
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    largest_before = kLargest / 16;
    text.remove_prefix(2);
    if (text.empty()) return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c == '_') continue;
    std::uint64_t digit = base;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint64_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint64_t>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint64_t>(c - 'A') + 10;
    if (digit >= base || value > largest_before) return std::nullopt;
    value *= base;
    if (value > ~digit) return std::nullopt;
    value += digit;
  }
  return value;
}

}  // namespace eptsim::sim
