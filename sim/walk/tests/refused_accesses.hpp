#pragma once

#include <cstdint>
#include <vector>

#include "ept/arch/access.hpp"
#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "sim/tests/walk_image.hpp"

namespace eptsim::sim::test {

/// Memory and the context, which an access finds and a change changes.
struct World {
  WalkImage image;
  mmu::Context context;
};

/// An access that is refused, and what its diagnosis must lead to.
struct Case {
  mmu::Reason reason;
  World world;
  mmu::Request request{.address = 0x5000};
  mmu::Reason then = mmu::Reason::kNone;  ///< after the changes; kNone: it is translated
};

/// Linear page 5 is mapped to 0x20000.
WalkImage image();

/// A 4-level guest on the EPT of an image.
mmu::Context context();

/// Of one byte in page 5.
mmu::Request request(arch::AccessKind access, bool user = false, std::uint64_t address = 0x5000);

/// Accesses refused for each reason there is.
std::vector<Case> all_cases();

}  // namespace eptsim::sim::test
