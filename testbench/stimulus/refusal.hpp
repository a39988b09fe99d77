#pragma once

#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Breaks one rule of VM entry (SDM 29.2.1, 29.3.1), or of what a request may ask, so that the case
/// must be refused.
void spoil(Random& random, TestCase& test);

}  // namespace eptsim::tb
