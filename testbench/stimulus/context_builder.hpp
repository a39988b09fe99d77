#pragma once

#include "mmu_model/walk/context.hpp"
#include "testbench/stimulus/entry_layout.hpp"
#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/random.hpp"

namespace eptsim::tb {

Levels random_levels(Random& random, Features features);

/// A context that VM entry accepts, with these levels and random roots; what translation ignores is
/// random too. With EPT off and PAE paging the PDPTEs in memory are the table builder's.
mmu::Context random_context(Random& random, Features features, Levels levels);
/// Another of a processor that can do `cpu`, but for supervisor shadow stacks, which it may need.
mmu::Context random_context(Random& random, Features features, Levels levels,
                            const mmu::Capabilities& cpu);

/// A PDPTE that is present, or one that is not.
std::uint64_t random_pdpte(Random& random, const mmu::Context& context, Levels levels,
                           bool present);

/// A random number of `width` bits; extreme numbers are frequent.
std::uint64_t random_address(Random& random, unsigned width);

/// A page's address of `width` bits.
std::uint64_t random_frame(Random& random, unsigned width);

/// Bits of the guest-physical addresses that these tables can use.
unsigned guest_physical_width(const mmu::Context& context, Levels levels);

}  // namespace eptsim::tb
