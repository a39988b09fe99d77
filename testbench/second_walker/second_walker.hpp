#pragma once

#include <memory>

#include "testbench/device/foreign_walker.hpp"

namespace eptsim::tb {

/// The walker of second_walker.sv, Verilated.
std::unique_ptr<ForeignWalker> make_second_walker();

}  // namespace eptsim::tb
