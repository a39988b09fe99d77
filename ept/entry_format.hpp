#pragma once

#include <cstdint>
#include <optional>

#include "ept/arch/address.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/entry_flags.hpp"
#include "ept/settings.hpp"

/// What the 64 bits of an EPT entry mean at a level known at run time (1 = table of 4 KiB pages):
/// what the typed entries, the table engine and the software walk have in common.
namespace eptsim::ept::format {

/// An entry is in use if it gives any right (SDM 31.3.2); with mode-based execute control
/// user-execute is one.
constexpr bool is_present(std::uint64_t entry, const Settings& settings) {
  return (entry & 7) != 0 ||
         (settings.mode_based_execute && arch::ept_entry::kUserExecute.any(entry));
}

/// Whether a present entry of `level` maps a page: a PTE always, a PDPTE or PDE if bit 7 is set.
constexpr bool maps_page(std::uint64_t entry, unsigned level) {
  return level == 1 || (level <= 3 && arch::ept_entry::kPageSize.any(entry));
}

/// Bytes of guest-physical memory that one entry of `level` covers.
constexpr std::uint64_t coverage(unsigned level) {
  return std::uint64_t{4096} << (9 * (level - 1));
}

/// The address bits of a present entry: from 12 or, in a leaf, from its page's alignment up to
/// MAXPHYADDR-1.
constexpr arch::Hpa address(std::uint64_t entry, unsigned level, const Settings& settings) {
  const std::uint64_t below = maps_page(entry, level) ? coverage(level) - 1 : 0;
  return arch::Hpa(entry & settings.address_mask() & ~below);
}

/// Whether tables may map pages of `size` on this processor.
constexpr bool supports(arch::PageSize size, const Settings& settings) {
  switch (size) {
    case arch::PageSize::k4K: return true;
    case arch::PageSize::k2M: return settings.page_2m;
    case arch::PageSize::k1G: return settings.page_1g;
    case arch::PageSize::k4M: return false;
  }
  return false;
}

/// The rules that a present entry can break; an access through such an entry is an EPT
/// misconfiguration (SDM 31.3.3.1).
enum class Rule : std::uint8_t {
  kWriteWithoutRead,        ///< bit 1 without bit 0
  kExecuteOnly,             ///< execute without read, and the processor has no execute-only
  kPagingWriteWithoutRead,  ///< bit 58 of a leaf without bit 0, under paging-write control
  kReservedAddressBits,     ///< one of bits 51:MAXPHYADDR
  kReservedLowBits,         ///< one of 7:3 (PML5E, PML4E) or 6:3 in an entry that refers to a table
  kPageSizeNotSupported,    ///< bit 7 for a page size that the processor does not have
  kReservedPageAddressBits,  ///< 29:12 of a 1 GiB leaf or 20:12 of a 2 MiB leaf
  kReservedMemoryType,       ///< 2, 3 or 7 in a leaf
};

inline constexpr Rule kRules[] = {
    Rule::kWriteWithoutRead,        Rule::kExecuteOnly,        Rule::kPagingWriteWithoutRead,
    Rule::kReservedAddressBits,     Rule::kReservedLowBits,    Rule::kPageSizeNotSupported,
    Rule::kReservedPageAddressBits, Rule::kReservedMemoryType,
};

/// Whether a present entry of `level` breaks the rule.
bool breaks(Rule rule, std::uint64_t entry, unsigned level, const Settings& settings);

/// The first rule, in the order above, that a present entry of `level` breaks, if any.
std::optional<Rule> broken_rule(std::uint64_t entry, unsigned level, const Settings& settings);

/// An entry that refers to a table: every right, user-execute included, so that leaves decide.
constexpr std::uint64_t table_entry(arch::Hpa table) { return table.value() | kAllAccess.bits(); }

}  // namespace eptsim::ept::format
