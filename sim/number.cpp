#include "sim/number.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

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

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, unsigned>, 11> kUnits = {{{"KiB", 10},
                                                                             {"MiB", 20},
                                                                             {"GiB", 30},
                                                                             {"TiB", 40},
                                                                             {"PiB", 50},
                                                                             {"B", 0},
                                                                             {"K", 10},
                                                                             {"M", 20},
                                                                             {"G", 30},
                                                                             {"T", 40},
                                                                             {"P", 50}}};
  unsigned shift = 0;
  for (const auto& [unit, bits] : kUnits) {
    if (!text.ends_with(unit) || text.starts_with("0x")) continue;
    text.remove_suffix(unit.size());
    if (text.ends_with(' ')) text.remove_suffix(1);
    shift = bits;
    break;
  }
  const auto value = parse_number(text);
  if (!value || (*value << shift) >> shift != *value) return std::nullopt;
  return *value << shift;
}

std::string bytes_text(std::uint64_t value) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  const auto unit = static_cast<std::size_t>(std::countr_zero(value)) / 10;
  if (value == 0 || unit == 0) return std::to_string(value);
  const std::size_t used = std::min(unit, kUnits.size());
  return std::to_string(value >> (10 * used)) + " " + kUnits.at(used - 1);
}

}  // namespace eptsim::sim
