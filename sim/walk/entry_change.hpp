#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/walk/walk_path.hpp"

/// Changes of entries and registers in words, with the bits and the value that results.
namespace eptsim::sim {

/// A bit of an entry that is to change, to `to`.
struct BitChange {
  unsigned bit = 0;
  std::string name;
  bool to = false;

  std::uint64_t mask() const { return std::uint64_t{1} << bit; }
};

/// "EPT PTE at host-physical 0x4100".
std::string at(const Visit& visit);

/// "EPT PTE at host-physical 0x4100: bit 0 (READ) from 0 to 1, which makes it 0x20031".
std::string change(const Visit& visit, const std::vector<BitChange>& bits);

/// The same for nameless bits that are set and must not be.
std::string clear_bits(const Visit& visit, std::uint64_t bits);

/// "CR4.SMEP (bit 20) from 1 to 0".
std::string register_change(std::string_view name, unsigned bit, bool to);

/// The bits of `mask`, by number: "13, 14 and 51".
std::string numbers_of(std::uint64_t mask);

}  // namespace eptsim::sim
