#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ept/arch/registers.hpp"

namespace eptsim::ept {

/// The paging modes of a guest (SDM 5.1.1).
enum class PagingMode : std::uint8_t { kNone, k32Bit, kPae, k4Level, k5Level };

std::string_view name(PagingMode mode);

/// The registers of a guest on which translation depends.
struct GuestState {
  std::uint64_t cr0 = 0;
  std::uint64_t cr3 = 0;
  std::uint64_t cr4 = 0;
  std::uint64_t efer = 0;
  std::uint32_t pkru = 0;
  std::uint32_t pkrs = 0;
  bool rflags_ac = false;
  std::array<std::uint64_t, 4> pdptes{};  ///< the PDPTE registers, in PAE paging
  bool page_1g = true;  ///< CPUID's Page1GB: 1 GiB pages in the guest's own tables

  PagingMode mode() const;
};

}  // namespace eptsim::ept
