#include "ept/guest_state.hpp"

namespace eptsim::ept {

std::string_view name(PagingMode mode) {
  switch (mode) {
    case PagingMode::kNone: return "none";
    case PagingMode::k32Bit: return "32-bit";
    case PagingMode::kPae: return "PAE";
    case PagingMode::k4Level: return "4-level";
    case PagingMode::k5Level: return "5-level";
  }
  return "?";
}

PagingMode GuestState::mode() const {
  if (!arch::cr0::kPg.any(cr0)) return PagingMode::kNone;
  if (!arch::cr4::kPae.any(cr4)) return PagingMode::k32Bit;
  if (!arch::efer::kLma.any(efer)) return PagingMode::kPae;
  return arch::cr4::kLa57.any(cr4) ? PagingMode::k5Level : PagingMode::k4Level;
}

}  // namespace eptsim::ept
