#pragma once

#include <vector>

#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/table_builder.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Breaks a valid case in one place of its walk, in one way, and notes it in `test.planted`. What a
/// fault needs beside the entry (a capability that is off, an access that asks for the right) is
/// set as well. Whether the walk fails there is for the walkers to say: an earlier fault may hide
/// this one.
void plant_fault(Random& random, Levels levels, const std::vector<Spot>& spots, TestCase& test);

}  // namespace eptsim::tb
