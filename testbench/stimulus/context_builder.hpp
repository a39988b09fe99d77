#pragma once

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/random.hpp"

namespace eptsim::tb {

/// How many levels there are. 0: no EPT, no guest paging.
struct Levels {
  unsigned guest = 4;
  unsigned ept = 4;
};

Levels random_levels(Random& random, Features features);

/// A context that VM entry accepts, with these levels and random roots; what translation ignores is
/// random too.
mmu::Context random_context(Random& random, Features features, Levels levels);

/// A request that is not refused before paging. Its bytes lie in one 4 KiB page.
mmu::Request random_request(Random& random, const mmu::Context& context, Levels levels);

/// Breaks one rule of VM entry, so that the context must be refused.
void spoil(Random& random, mmu::Context& context);

/// A random number of `width` bits; extreme numbers are frequent.
std::uint64_t random_address(Random& random, unsigned width);

/// Bits of the guest-physical addresses that these tables can use.
unsigned guest_physical_width(const mmu::Context& context, Levels levels);

}  // namespace eptsim::tb
