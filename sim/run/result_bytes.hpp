#pragma once

#include <string>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// A result as bytes, for another process of the same program: they mean nothing to any other.
std::string bytes_of(RunResult result);

/// Throws std::runtime_error if they aren't all there.
RunResult result_of(const std::string& bytes);

}  // namespace eptsim::sim
