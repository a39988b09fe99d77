#include "sim/number.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>

namespace eptsim::sim {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.empty() || text.front() == '_' || text.back() == '_') return std::nullopt;
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != '_'; });
  const bool hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
  const char* first = digits.data() + (hexadecimal ? 2 : 0);
  const char* last = digits.data() + digits.size();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(first, last, value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != last) return std::nullopt;
  return value;
}

}  // namespace eptsim::sim
