#pragma once

#include <cstdint>
#include <string_view>

namespace eptsim::arch {

/// A page's size; the value is the number of offset bits. 4 MiB exists in 32-bit guest paging only.
enum class PageSize : std::uint8_t { k4K = 12, k2M = 21, k4M = 22, k1G = 30 };

constexpr unsigned offset_bits(PageSize size) { return static_cast<unsigned>(size); }
constexpr std::uint64_t bytes(PageSize size) { return std::uint64_t{1} << offset_bits(size); }
constexpr PageSize smaller(PageSize a, PageSize b) { return a < b ? a : b; }

/// The level of the entry that maps a page of this size in 8-byte tables: 1, 2 or 3.
constexpr unsigned leaf_level(PageSize size) { return (offset_bits(size) - 12) / 9 + 1; }
/// The page that a leaf entry of `level` (1, 2 or 3) maps in 8-byte tables.
constexpr PageSize page_of_level(unsigned level) {
  return static_cast<PageSize>(12 + 9 * (level - 1));
}

constexpr std::string_view name(PageSize size) {
  switch (size) {
    case PageSize::k4K: return "4K";
    case PageSize::k2M: return "2M";
    case PageSize::k4M: return "4M";
    case PageSize::k1G: return "1G";
  }
  return "?";
}

}  // namespace eptsim::arch
