#pragma once

#include <compare>
#include <cstdint>

namespace eptsim::arch {

/// A byte address in one of the three address spaces. The spaces are distinct types without any
/// conversion between them: only a translation leads from one to the next.
template <class Space>
class Address {
 public:
  constexpr Address() = default;
  explicit constexpr Address(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr bool is_aligned(std::uint64_t bytes) const { return (value_ & (bytes - 1)) == 0; }
  constexpr Address align_down(std::uint64_t bytes) const { return Address(value_ & ~(bytes - 1)); }
  constexpr std::uint64_t offset_in(std::uint64_t bytes) const { return value_ & (bytes - 1); }

  friend constexpr Address operator+(Address address, std::uint64_t bytes) {
    return Address(address.value_ + bytes);
  }
  friend constexpr Address operator-(Address address, std::uint64_t bytes) {
    return Address(address.value_ - bytes);
  }
  /// Distance in bytes.
  friend constexpr std::uint64_t operator-(Address a, Address b) { return a.value_ - b.value_; }
  friend constexpr auto operator<=>(Address, Address) = default;

 private:
  std::uint64_t value_ = 0;
};

using Gva = Address<struct GuestVirtual>;   ///< guest-virtual (linear)
using Gpa = Address<struct GuestPhysical>;  ///< guest-physical
using Hpa = Address<struct HostPhysical>;   ///< host-physical

/// Bits 11:3 of a table entry's address at `level` (1 = table of 4 KiB pages) for `address`:
/// the index of the entry among 512 (SDM 5.5.4, 31.3.2).
constexpr unsigned table_index(std::uint64_t address, unsigned level) {
  return static_cast<unsigned>(address >> (12 + 9 * (level - 1))) & 511u;
}

/// Whether bits 63:width-1 are all equal: the linear addresses that exist with 48 or 57 bits.
constexpr bool is_canonical(std::uint64_t linear, unsigned width) {
  const auto extended = static_cast<std::int64_t>(linear << (64 - width)) >> (64 - width);
  return static_cast<std::uint64_t>(extended) == linear;
}

}  // namespace eptsim::arch
