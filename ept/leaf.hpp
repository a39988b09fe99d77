#pragma once

#include <optional>

#include "ept/errors.hpp"
#include "ept/extended_page_table.hpp"

/// What a request to map says of the leaf entry: common to `map` and `map_range`.
namespace eptsim::ept::leaf {

/// The entry for a page of `size` without its address.
constexpr std::uint64_t attributes(Permission permission, const MapOptions& options,
                                   arch::PageSize size) {
  using namespace arch::ept_entry;
  Flags allowed =
      flag::kVerify | flag::kPagingWriteAccess | flag::kSupervisorShadowStack | flag::kSuppressVe;
  if (size == arch::PageSize::k4K) allowed = allowed | flag::kSubpageWritePermission;
  return permission.bits() | kMemoryType.set(0, static_cast<std::uint64_t>(options.memory_type)) |
         kIgnorePat.set(0, options.ignore_pat) | kPageSize.set(0, size != arch::PageSize::k4K) |
         (options.flags & allowed).bits();
}

/// Whether a leaf with the rights and flags in `entry` may be written: never one without any right,
/// and one whose rights hardware calls a misconfiguration only if `raw`.
inline bool permits(std::uint64_t entry, bool raw, const Settings& settings) {
  using format::Rule;
  if (!format::is_present(entry, settings)) return false;
  if (raw) return true;
  for (const Rule rule :
       {Rule::kWriteWithoutRead, Rule::kExecuteOnly, Rule::kPagingWriteWithoutRead}) {
    if (format::breaks(rule, entry, 1, settings)) return false;
  }
  return true;
}

/// `entry` with other rights.
constexpr std::uint64_t with_permission(std::uint64_t entry, Permission permission) {
  return (entry & ~Permission::mask()) | permission.bits();
}

/// Whether a right of `entry` that counts is not in `permission`.
constexpr bool loses_a_right(std::uint64_t entry, Permission permission, const Settings& settings) {
  std::uint64_t counts = Permission::mask();
  if (!settings.mode_based_execute) counts &= ~arch::ept_entry::kUserExecute.mask();
  return (entry & ~permission.bits() & counts) != 0;
}

/// The checks of `map` that need no table: `bytes` bytes in pages of at least `size`.
inline std::optional<MapError> refuse(arch::Gpa gpa, arch::Hpa hpa, std::uint64_t bytes,
                                      arch::PageSize size, Permission permission,
                                      const MapOptions& options, const Settings& settings) {
  const std::uint64_t page = arch::bytes(size);
  if (!gpa.is_aligned(page) || !hpa.is_aligned(page) || (bytes & (page - 1)) != 0) {
    return MapError::kUnaligned;
  }
  const auto fits = [&](std::uint64_t address, unsigned width) {
    const std::uint64_t limit = std::uint64_t{1} << width;
    return bytes <= limit && address <= limit - bytes;
  };
  if (!fits(gpa.value(), settings.guest_physical_width()) ||
      !fits(hpa.value(), settings.maxphyaddr)) {
    return MapError::kAddressTooWide;
  }
  if (!permits(attributes(permission, options, size), options.raw, settings)) {
    return MapError::kBadPermission;
  }
  const auto type = static_cast<std::uint64_t>(options.memory_type);
  if (!options.raw && !arch::is_valid_ept_memory_type(type)) return MapError::kBadMemoryType;
  if (!format::supports(size, settings)) return MapError::kPageSizeNotSupported;
  return std::nullopt;
}

}  // namespace eptsim::ept::leaf
