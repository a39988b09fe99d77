#pragma once

#include <vector>

#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/reserved_bit.hpp"
#include "testbench/stimulus/table_builder.hpp"
#include "testbench/stimulus/test_case.hpp"

/// What chance seldom comes to, and some cases are made for.
namespace eptsim::tb {

/// A refusal to bring about, in the tables of a guest.
struct Aim {
  mmu::Place place;
  mmu::Reason reason;
  arch::AccessKind access;
  bool user;
};

/// Turns on in the context what the refusal needs.
void set_context(const Aim& aim, mmu::Context& context);

/// An entry with one reserved bit set.
struct ReservedBitAim {
  ReservedBit reserved;
  mmu::Place place;
};

/// A processor that has entries of this kind in which the bit is reserved.
mmu::Capabilities capabilities_for(Random& random, Features features, const ReservedBit& reserved);
void plant_reserved_bit(const std::vector<Spot>& spots, const ReservedBitAim& aim, TestCase& test);

}  // namespace eptsim::tb
