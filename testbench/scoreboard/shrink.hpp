#pragma once

#include <functional>

#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Takes away what a failing case does not need (stores, back-pressure, words, bits of entries and
/// registers) as long as `fails` says that it still does.
TestCase shrink(const TestCase& test, const std::function<bool(const TestCase&)>& fails);

}  // namespace eptsim::tb
