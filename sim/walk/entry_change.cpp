#include "sim/walk/entry_change.hpp"

#include <fmt/format.h>

#include <iterator>

namespace eptsim::sim {

std::string at(const Visit& visit) {
  return fmt::format("{} at host-physical {:#x}", visit.name(), visit.reference.address);
}

std::string change(const Visit& visit, const std::vector<BitChange>& bits) {
  std::string out = at(visit) + ":";
  std::uint64_t value = visit.reference.value;
  for (const BitChange& bit : bits) {
    fmt::format_to(std::back_inserter(out), " bit {} ({}) from {:d} to {:d},", bit.bit, bit.name,
                   !bit.to, bit.to);
    value = bit.to ? value | bit.mask() : value & ~bit.mask();
  }
  return out + fmt::format(" which makes it {:#x}", value);
}

std::string clear_bits(const Visit& visit, std::uint64_t bits) {
  return fmt::format("{}: {} {} from 1 to 0, which makes it {:#x}", at(visit),
                     (bits & (bits - 1)) == 0 ? "bit" : "bits", numbers_of(bits),
                     visit.reference.value & ~bits);
}

std::string register_change(std::string_view name, unsigned bit, bool to) {
  return fmt::format("{} (bit {}) from {:d} to {:d}", name, bit, !to, to);
}

std::string numbers_of(std::uint64_t mask) {
  std::string out;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    mask &= ~(std::uint64_t{1} << bit);
    out += fmt::format("{}{}", out.empty() ? "" : (mask == 0 ? " and " : ", "), bit);
  }
  return out;
}

}  // namespace eptsim::sim
