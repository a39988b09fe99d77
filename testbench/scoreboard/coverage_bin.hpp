#pragma once

#include <cstdint>
#include <string_view>

#include "ept/arch/access.hpp"
#include "mmu_model/walk/outcome.hpp"

namespace eptsim::tb {

inline constexpr unsigned kReasons = static_cast<unsigned>(mmu::Reason::kSppMisconfiguration) + 1;
inline constexpr unsigned kAccesses =
    static_cast<unsigned>(arch::AccessKind::kShadowStackWrite) + 1;
/// Guest and HLAT entries of 5 levels, each with an EPT walk of 5 levels; the access; SPP tables.
inline constexpr unsigned kPlaces = 2 * 6 * 6 + 4;

/// A way for a walk to be refused: by which rule, where, for whom. Which ones exist, and why the
/// others can't, is written down once, apart from the walkers.
struct Bin {
  mmu::Place place;
  mmu::Reason reason = mmu::Reason::kNone;
  arch::AccessKind access = arch::AccessKind::kRead;
  bool user = false;  ///< user mode, and not implicit

  static constexpr unsigned kCount = kPlaces * kReasons * kAccesses * 2;
  unsigned index() const;
  static Bin of_index(unsigned index);

  /// Why the architecture, with the choices of docs/microarchitecture.md, doesn't have it; empty if
  /// it does.
  std::string_view impossible() const;
  bool possible() const { return impossible().empty(); }
};

}  // namespace eptsim::tb
