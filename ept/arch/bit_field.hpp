#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace eptsim::arch {

/// Bits high..low of a register or table entry, both included.
struct BitField {
  std::uint8_t high;
  std::uint8_t low;

  constexpr std::uint64_t mask() const {
    const unsigned width = high - low + 1u;
    const std::uint64_t ones = width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    return ones << low;
  }
  /// The field's value, moved down to bit 0.
  constexpr std::uint64_t get(std::uint64_t word) const { return (word & mask()) >> low; }
  /// `word` with the field replaced by `value`; bits of `value` beyond the field are dropped.
  constexpr std::uint64_t set(std::uint64_t word, std::uint64_t value) const {
    return (word & ~mask()) | ((value << low) & mask());
  }
  constexpr bool any(std::uint64_t word) const { return (word & mask()) != 0; }

  friend constexpr bool operator==(BitField, BitField) = default;
};

/// One row of a table of fields: the only place where a name, its bits and its meaning meet.
/// C++ takes its constants from the tables by name, and the SystemVerilog package is printed from
/// them.
struct FieldFact {
  std::string_view name;  ///< upper case, the manual's name
  BitField bits;
  std::string_view section;  ///< of the SDM, volume 3
  std::string_view meaning;
};

/// The bits of the field called `name`; a name that is not in the table does not compile.
template <std::size_t N>
consteval BitField bits_of(const FieldFact (&table)[N], std::string_view name) {
  for (const FieldFact& fact : table) {
    if (fact.name == name) return fact.bits;
  }
  throw "no field of that name in the table";
}

}  // namespace eptsim::arch
