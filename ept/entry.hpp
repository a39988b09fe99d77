#pragma once

#include <tl/expected.hpp>

#include <optional>
#include <variant>

#include "ept/entry_format.hpp"

/// EPT entries as plain values, one type per level (SDM 31.3.2, tables 31-2 to 31-7).
namespace eptsim::ept {

/// Why an address was refused. The entry is unchanged.
enum class SetPaError : std::uint8_t {
  kUnaligned,       ///< not a multiple of 4 KiB or, in a leaf, of the page's size
  kAddressTooWide,  ///< bits at or above MAXPHYADDR
};

/// The table that an entry refers to.
struct TableBelow {
  arch::Hpa address;
  friend constexpr bool operator==(const TableBelow&, const TableBelow&) = default;
};

/// The page that an entry maps.
struct MappedPage {
  arch::Hpa address;
  arch::PageSize size = arch::PageSize::k4K;
  friend constexpr bool operator==(const MappedPage&, const MappedPage&) = default;
};

/// Where an entry leads: nowhere if it is not present.
using Target = std::variant<std::monostate, TableBelow, MappedPage>;

/// An entry of the tables of `Level`: 1 = table of 4 KiB pages, 5 = root of a 5-level walk.
template <unsigned Level>
class Entry {
  static_assert(Level >= 1 && Level <= 5);

 public:
  static constexpr unsigned kLevel = Level;

  constexpr Entry() = default;
  explicit constexpr Entry(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }

  constexpr bool is_present(const Settings& settings) const {
    return format::is_present(value_, settings);
  }
  /// Whether the entry, if present, maps a page.
  constexpr bool maps_page() const { return format::maps_page(value_, Level); }

  /// The host-physical address of the table or page, or nothing if the entry is not present.
  constexpr std::optional<arch::Hpa> pa(const Settings& settings) const {
    if (!is_present(settings)) return std::nullopt;
    return format::address(value_, Level, settings);
  }

  /// The flags that have a meaning in this entry and are set.
  constexpr Flags flags(const Settings& settings) const {
    return Flags::of(value_, meaningful_flags(settings));
  }

  constexpr Permission permission() const { return Permission::of(value_); }

  /// The code of the memory type (SDM 31.3.7; it may be a reserved one), if the entry maps a page.
  constexpr std::optional<std::uint64_t> memory_type(const Settings& settings) const {
    if (!is_present(settings) || !maps_page()) return std::nullopt;
    return arch::ept_entry::kMemoryType.get(value_);
  }

  /// Changes the address and nothing else. The alignment asked for is that of the page, if bit 7
  /// says that the entry maps a large one.
  constexpr tl::expected<void, SetPaError> set_pa(arch::Hpa address, const Settings& settings) {
    const std::uint64_t alignment = maps_page() ? format::coverage(Level) : 4096;
    if (!address.is_aligned(alignment)) return tl::unexpected(SetPaError::kUnaligned);
    if (address.value() >> settings.maxphyaddr != 0) {
      return tl::unexpected(SetPaError::kAddressTooWide);
    }
    value_ = (value_ & ~arch::ept_entry::kAddress.mask()) | address.value();
    return {};
  }

  /// Changes the rights and nothing else.
  constexpr void set_permission(Permission permission) {
    value_ = (value_ & ~Permission::mask()) | permission.bits();
  }

  constexpr Target leads_to(const Settings& settings) const {
    if (!is_present(settings)) return std::monostate{};
    const arch::Hpa address = format::address(value_, Level, settings);
    if (maps_page()) return MappedPage{address, arch::page_of_level(Level)};
    return TableBelow{address};
  }

  friend constexpr bool operator==(Entry, Entry) = default;

 private:
  constexpr Flags meaningful_flags(const Settings& settings) const {
    if (!is_present(settings)) return flag::kSuppressVe;
    Flags known =
        flag::kRead | flag::kWrite | flag::kExecute | flag::kAccessed | flag::kUserExecute;
    if (Level == 2 || Level == 3) known = known | flag::kPageSize;
    if (maps_page()) {
      known = known | flag::kIgnorePat | flag::kDirty | flag::kVerify | flag::kPagingWriteAccess |
              flag::kSupervisorShadowStack | flag::kSuppressVe;
    }
    if (Level == 1) known = known | flag::kSubpageWritePermission;
    return known;
  }

  std::uint64_t value_ = 0;
};

using PML5E = Entry<5>;
using PML4E = Entry<4>;
using PDPTE = Entry<3>;
using PDE = Entry<2>;
using PTE = Entry<1>;

}  // namespace eptsim::ept
