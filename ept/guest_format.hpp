#pragma once

#include <algorithm>
#include <cstdint>

#include "ept/arch/address.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/guest_state.hpp"

/// The shape of a guest's paging structures in each paging mode (SDM 5.3 to 5.5): what the walk in
/// software and the builder have in common.
namespace eptsim::ept::guest {

/// Levels, indices and addresses. Level 1 is a page table, 2 a page directory; in PAE paging the
/// four PDPTEs count as level 3.
class Format {
 public:
  explicit constexpr Format(PagingMode mode) : mode_(mode) {}

  constexpr unsigned levels() const {
    switch (mode_) {
      case PagingMode::kNone: return 0;
      case PagingMode::k32Bit: return 2;
      case PagingMode::kPae: return 3;
      case PagingMode::k4Level: return 4;
      case PagingMode::k5Level: return 5;
    }
    return 0;
  }
  constexpr unsigned entry_bytes() const { return mode_ == PagingMode::k32Bit ? 4 : 8; }
  constexpr unsigned index_bits() const { return mode_ == PagingMode::k32Bit ? 10 : 9; }

  /// Bytes of linear addresses that one entry of `level` covers.
  constexpr std::uint64_t coverage(unsigned level) const {
    return std::uint64_t{4096} << (index_bits() * (level - 1));
  }
  constexpr std::uint64_t index(arch::Gva gva, unsigned level) const {
    return gva.value() / coverage(level) & (entries(level) - 1);
  }
  constexpr unsigned entries(unsigned level) const {
    return mode_ == PagingMode::kPae && level == 3 ? 4 : 1u << index_bits();
  }

  /// Whether a present entry maps a page. `pse` is CR4.PSE, which counts in 32-bit paging alone.
  constexpr bool maps_page(std::uint64_t entry, unsigned level, bool pse) const {
    if (level == 1) return true;
    if (!arch::guest_entry::kPageSize.any(entry)) return false;
    switch (mode_) {
      case PagingMode::k32Bit: return pse;
      case PagingMode::kPae: return level == 2;
      default: return level <= 3;
    }
  }

  /// The page that a leaf of `level` maps.
  constexpr arch::PageSize page_size(unsigned level) const {
    return static_cast<arch::PageSize>(12 + index_bits() * (level - 1));
  }

  /// The table that an entry refers to. `address_mask` is bits MAXPHYADDR-1:12.
  constexpr std::uint64_t table_address(std::uint64_t entry, std::uint64_t address_mask) const {
    return entry & address_mask & arch::guest_entry::kAddress.mask();
  }

  /// The page that a leaf maps. In a 4 MiB leaf bits 20:13 hold bits 39:32 of it (PSE-36).
  constexpr std::uint64_t page_address(std::uint64_t entry, arch::PageSize size,
                                       std::uint64_t address_mask) const {
    if (size == arch::PageSize::k4M) {
      return (entry & kLarge32Low) | kLarge32High.get(entry) << 32;
    }
    return entry & address_mask & ~(arch::bytes(size) - 1);
  }

  /// The address bits of a leaf for a page at `address`, which fits.
  constexpr std::uint64_t leaf_address(std::uint64_t address, arch::PageSize size) const {
    if (size == arch::PageSize::k4M) {
      return (address & kLarge32Low) | kLarge32High.set(0, address >> 32);
    }
    return address;
  }

  /// Width of the addresses that leaves for pages of `size` can hold.
  constexpr unsigned address_width(arch::PageSize size, unsigned maxphyaddr) const {
    if (mode_ != PagingMode::k32Bit) return maxphyaddr;
    return size == arch::PageSize::k4M ? std::min(maxphyaddr, 40u) : 32;
  }

 private:
  static constexpr std::uint64_t kLarge32Low = 0xffc0'0000;
  static constexpr arch::BitField kLarge32High{20, 13};

  PagingMode mode_;
};

/// Bits that must be zero in a present entry (SDM 5.3, 5.4.2, 5.5.4).
constexpr std::uint64_t reserved_bits(PagingMode mode, unsigned level, bool leaf,
                                      unsigned maxphyaddr, bool execute_disable_on, bool page_1g) {
  using arch::BitField;
  if (mode == PagingMode::k32Bit) {
    if (!leaf || level == 1) return 0;
    const unsigned lowest = std::min(maxphyaddr, 40u) - 19;
    return BitField{21, static_cast<std::uint8_t>(lowest)}.mask();
  }
  std::uint64_t reserved = 0;
  if (maxphyaddr < 52) reserved |= BitField{51, static_cast<std::uint8_t>(maxphyaddr)}.mask();
  if (mode == PagingMode::kPae) reserved |= BitField{62, 52}.mask();
  if (!execute_disable_on) reserved |= arch::guest_entry::kExecuteDisable.mask();
  if (level >= 4) reserved |= arch::guest_entry::kPageSize.mask();
  if (level == 3 && !page_1g) reserved |= arch::guest_entry::kPageSize.mask();
  if (leaf && level == 3) reserved |= BitField{29, 13}.mask();
  if (leaf && level == 2) reserved |= BitField{20, 13}.mask();
  return reserved;
}

}  // namespace eptsim::ept::guest
