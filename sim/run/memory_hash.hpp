#pragma once

#include <string>

#include "mmu_model/dram.hpp"

namespace eptsim::sim {

/// XXH3-128 of what `memory` holds, as 32 hexadecimal digits: of each page that isn't all zeros, in
/// ascending order, its address and its words, all little-endian. Memories that read alike have the
/// same hash, however they came to be so.
std::string hash_of_memory(const mmu::Dram& memory);

}  // namespace eptsim::sim
