#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// How text for people is set off: bold headings on a terminal, unless
/// NO_COLOR is set or TERM is "dumb".
struct Style {
  bool bold = false;

  static Style for_standard_output();
  std::string heading(std::string_view text) const;
};

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t value);
/// As above with `decimals` places: "2,424.00".
std::string grouped(double value, int decimals);
/// 1536 as "1.5 KiB".
std::string size_text(std::uint64_t bytes);
/// `part` of `whole` in percent, "48.60 %"; "-" of nothing.
std::string percent(double part, double whole, int decimals);
/// A bar of `width` letters for a whole one.
std::string bar(double part, double whole, std::size_t width);

}  // namespace eptsim::sim
