#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/page_size.hpp"

/// How addresses are put together from entries and offsets. One place for both dimensions: EPT and
/// 8-byte guest entries hold addresses in the same bits. The 4-byte entries of 32-bit paging, 1024
/// to a table, are the narrow ones.
namespace eptsim::mmu {

/// Bytes that one entry of `level` covers, whether it maps a page or leads to a table.
constexpr std::uint64_t covered_bytes(unsigned level) {
  return std::uint64_t{1} << (12 + 9 * (level - 1));
}

/// Address of the table that `entry` leads to.
constexpr std::uint64_t table_address(std::uint64_t entry) {
  return entry & arch::ept_entry::kAddress.mask();
}

/// Address of the entry of `level` for `address` in the table at `table`.
constexpr std::uint64_t entry_address(std::uint64_t table, std::uint64_t address, unsigned level) {
  return table | (std::uint64_t{arch::table_index(address, level)} << 3);
}

/// Where `address` lands in the page that the leaf `entry` of `level` maps. Bits of a large page's
/// entry below its frame (the guest's PAT bit) are no part of the address.
constexpr std::uint64_t page_address(std::uint64_t entry, std::uint64_t address, unsigned level) {
  const std::uint64_t offset = covered_bytes(level) - 1;
  return (table_address(entry) & ~offset) | (address & offset);
}

/// The same of 32-bit paging (SDM 5.3).
constexpr std::uint64_t narrow_entry_address(std::uint64_t table, std::uint64_t address,
                                             unsigned level) {
  return table | ((address >> (12 + 10 * (level - 1)) & 1023) << 2);
}

/// A 4 MiB page's entry of 32-bit paging holds bits 39:32 of the address in bits 20:13 (PSE-36; SDM
/// 5.3).
constexpr std::uint64_t narrow_page_address(std::uint64_t entry, std::uint64_t address,
                                            unsigned level) {
  if (level == 1) return (entry & 0xffff'f000) | (address & 0xfff);
  return (entry & 0x1f'e000) << 19 | (entry & 0xffc0'0000) | (address & 0x3f'ffff);
}

}  // namespace eptsim::mmu
