#pragma once

#include <cstdint>

#include "ept/arch/address.hpp"

/// Which linear addresses instructions take that remove the translations of one.
namespace eptsim::mmu {

/// INVVPID type 0 (SDM 33.3). It names an address of a guest whose paging mode need not be the
/// host's, so the addresses are as wide as the processor has them in any mode; those of others make
/// it fail.
constexpr bool invvpid_takes(std::uint64_t linear) {
  constexpr unsigned kWidestLinear = 57;
  return arch::is_canonical(linear, kWidestLinear);
}

/// INVPCID type 0 and INVLPG (SDM volume 2): addresses that exist in the mode of the processor,
/// where canonical ones have `width` bits. With others the first is #GP(0) and the second a NOP.
constexpr bool invpcid_takes(std::uint64_t linear, bool long_64_bit, unsigned width) {
  return !long_64_bit || arch::is_canonical(linear, width);
}

}  // namespace eptsim::mmu
