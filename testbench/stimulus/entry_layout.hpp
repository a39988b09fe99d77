#pragma once

#include <algorithm>
#include <cstdint>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/walk/context.hpp"

/// Which bits of an entry mean nothing, and which must be 0: what stimulus fills at random, and
/// what it breaks. Written apart from the walkers' own rules, or a bit that they forget would never
/// be tried.
namespace eptsim::tb {

struct EntryLayout {
  std::uint64_t ignored = 0;
  std::uint64_t reserved_high = 0;  ///< address bits that the processor lacks
  std::uint64_t reserved_low = 0;
};

constexpr std::uint64_t bits(unsigned high, unsigned low) {
  return arch::BitField{static_cast<std::uint8_t>(high), static_cast<std::uint8_t>(low)}.mask();
}

/// How many levels there are. 0: no EPT, no guest paging.
struct Levels {
  unsigned guest = 4;  ///< of guest entries that walks read: 2 for both of the older modes
  unsigned ept = 4;
  bool pae = false;  ///< of the two older modes, PAE paging

  bool legacy() const { return guest == 2; }
  bool narrow() const { return legacy() && !pae; }  ///< entries of 4 bytes
};

/// Bits of the page offset, and of all indexes beneath `level`.
inline unsigned offset_bits(Levels levels, unsigned level) {
  return 12 + (levels.narrow() ? 10 : 9) * (level - 1);
}

inline std::uint64_t beyond_width(const mmu::Context& context) {
  return context.cpu.maxphyaddr < 52 ? bits(51, context.cpu.maxphyaddr) : 0;
}

/// SDM tables 31-1 to 31-6. Page sizes that the processor lacks are no concern here.
inline EntryLayout ept_layout(const mmu::Context& context, unsigned level, bool leaf) {
  EntryLayout layout{.ignored = bits(63, 52) | bits(11, 11),
                     .reserved_high = beyond_width(context),
                     .reserved_low = 0};
  if (!context.controls.mode_based_execute) layout.ignored |= bits(10, 10);
  const bool flags = (context.eptp & bits(6, 6)) != 0;
  if (!flags) layout.ignored |= bits(8, 8);
  if (!flags || !leaf) layout.ignored |= bits(9, 9);
  if (level == 1) layout.ignored |= bits(7, 7);
  if (!leaf) layout.reserved_low = level >= 4 ? bits(7, 3) : bits(6, 3);
  if (leaf && level == 3) layout.reserved_low = bits(29, 12);
  if (leaf && level == 2) layout.reserved_low = bits(20, 12);
  return layout;
}

/// Entries of 4 bytes: SDM tables 5-4 to 5-6. With PSE-36 a 4 MiB page has an address of up to 40
/// bits, those from 32 up in bits 20:13 of the entry.
inline EntryLayout narrow_layout(const mmu::Context& context, unsigned level, bool leaf) {
  EntryLayout layout{.ignored = bits(11, 9)};
  if (!leaf) layout.ignored |= bits(8, 8) | bits(6, 6);
  if (!leaf && !arch::cr4::kPse.any(context.cr4)) layout.ignored |= bits(7, 7);
  if (leaf && level == 2) {
    layout.reserved_low = bits(21, std::min(context.cpu.maxphyaddr, 40u) - 19);
  }
  return layout;
}

/// SDM tables 5-8 to 5-20.
inline EntryLayout guest_layout(const mmu::Context& context, Levels levels, unsigned level,
                                bool leaf) {
  if (levels.narrow()) return narrow_layout(context, level, leaf);
  EntryLayout layout{
      .ignored = bits(11, 9), .reserved_high = beyond_width(context), .reserved_low = 0};
  if (levels.pae) {
    layout.reserved_high |= bits(62, 52);
  } else {
    layout.ignored |= bits(58, 52);
    const bool keys = arch::cr4::kPke.any(context.cr4) || arch::cr4::kPks.any(context.cr4);
    if (!leaf || !keys) layout.ignored |= bits(62, 59);
  }
  if (!leaf) layout.ignored |= bits(8, 8) | bits(6, 6);
  if (!leaf && level >= 4) layout.reserved_low = bits(7, 7);
  if (leaf && level == 3) layout.reserved_low = bits(29, 13);
  if (leaf && level == 2) layout.reserved_low = bits(20, 13);
  return layout;
}

}  // namespace eptsim::tb
