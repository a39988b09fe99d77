#pragma once

#include <cstdint>

#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// A type of IA32_PAT (SDM, "Page Attribute Table"): 0 UC, 1 WC, 4 WT, 5 WP, 6 WB, 7 UC-.
constexpr std::uint64_t kPatWb = 6;

// The PAT entry that a guest leaf entry selects with PAT, PCD and PWT.
std::uint64_t pat_type(const State& state, bool pat, bool pcd, bool pwt);

// The type of a data access (SDM 31.3.7.2). The leaf is the EPT entry that maps the page; with EPT
// off it is null and the MTRRs are taken as WB.
MemoryType effective_type(const State& state, const std::uint64_t* ept_leaf, std::uint64_t pat);

}  // namespace eptsim::oracle
