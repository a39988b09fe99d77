#pragma once

#include <array>
#include <cstdint>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/registers.hpp"
#include "ept/arch/vmx_controls.hpp"

namespace eptsim::mmu {

/// The registers of a logical processor, as far as translation and its faults depend on them. At
/// first: protected mode without paging, at CPL 0.
struct Registers {
  std::uint64_t cr0 = arch::cr0::kPe.mask();
  std::uint64_t cr2 = 0;
  std::uint64_t cr3 = 0;
  std::uint64_t cr4 = 0;
  std::uint64_t efer = 0;
  std::uint64_t pat = arch::kResetPat;
  std::uint32_t pkru = 0;
  std::uint32_t pkrs = 0;
  std::uint64_t rip = 0;
  std::uint64_t rflags = arch::guest_state::kRflagsFixed.mask();
  std::uint8_t cpl = 0;
  bool code_64_bit = false;               ///< CS.L
  std::array<std::uint64_t, 4> pdptes{};  ///< the PDPTE registers of PAE paging
  bool nmi_blocked = false;               ///< NMIs, or virtual NMIs, wait for an IRET

  constexpr bool protection() const { return arch::cr0::kPe.any(cr0); }
  constexpr bool paging() const { return arch::cr0::kPg.any(cr0); }
  constexpr bool long_mode() const { return arch::efer::kLma.any(efer); }
  constexpr bool long_64_bit() const { return long_mode() && code_64_bit; }
  constexpr bool pae_paging() const { return paging() && arch::cr4::kPae.any(cr4) && !long_mode(); }
  /// Bits of a linear address in a register or instruction pointer: outside 64-bit mode, 31:0.
  constexpr std::uint64_t linear_mask() const {
    return long_64_bit() ? ~std::uint64_t{0} : 0xffff'ffff;
  }
  /// Bits of a canonical linear address in 64-bit mode.
  constexpr unsigned linear_width() const { return arch::cr4::kLa57.any(cr4) ? 57 : 48; }
};

}  // namespace eptsim::mmu
