#include "sim/report/numbers.hpp"

#include <fmt/format.h>

#include "sim/output/style.hpp"

namespace eptsim::sim::report {

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string share(std::uint64_t part, std::uint64_t whole, int decimals) {
  return whole == 0 ? "-" : fmt::format("{:.{}f}\u00a0%", 100 * ratio(part, whole), decimals);
}

std::string times(double left, double right) {
  return left > 0 ? grouped(right / left, 2) + "\u00a0×" : "-";
}

std::string times(std::uint64_t left, std::uint64_t right) {
  return times(static_cast<double>(left), static_cast<double>(right));
}

}  // namespace eptsim::sim::report
