#pragma once

#include <string>

#include "sim/tests/test_folder.hpp"

namespace eptsim::sim::test {

/// What a run of the program left behind.
struct Ran {
  int status = 0;  ///< exit status, or 128 and the signal's number
  std::string out;
  std::string err;
};

/// Runs a shell command in `folder`, where `eptsim`, or "$program", is the program.
Ran run(const std::string& command, const TestFolder& folder);

/// A small lackey trace that walks: one load and one fetch of each of `pages` pages, `rounds`
/// times.
std::string small_trace(unsigned pages, unsigned rounds);

}  // namespace eptsim::sim::test
