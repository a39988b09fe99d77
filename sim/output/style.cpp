#include "sim/output/style.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>

namespace eptsim::sim {
namespace {

std::string with_commas(std::string digits, std::size_t end) {
  for (std::size_t place = end; place > 3; place -= 3) digits.insert(place - 3, 1, ',');
  return digits;
}

}  // namespace

Style Style::for_standard_output() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool refused = (no_color != nullptr && *no_color != '\0') ||
                       (terminal != nullptr && std::string_view(terminal) == "dumb");
  return {::isatty(STDOUT_FILENO) == 1 && !refused};
}

std::string Style::heading(std::string_view text) const {
  return bold ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string(text);
}

std::string grouped(std::uint64_t value) {
  const std::string digits = std::to_string(value);
  return with_commas(digits, digits.size());
}

std::string grouped(double value, int decimals) {
  const std::string digits = fmt::format("{:.{}f}", value, decimals);
  return with_commas(digits, std::min(digits.find('.'), digits.size()));
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string percent(double part, double whole, int decimals) {
  return whole > 0 ? fmt::format("{:.{}f} %", 100 * part / whole, decimals) : "-";
}

std::string bar(double part, double whole, std::size_t width) {
  if (whole <= 0) return {};
  const double letters = std::round(part / whole * static_cast<double>(width));
  return std::string(static_cast<std::size_t>(letters), '#');
}

}  // namespace eptsim::sim
