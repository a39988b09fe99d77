#pragma once

#include <cstdint>

#include "testbench/oracle/oracle.hpp"
#include "testbench/oracle/registers.hpp"

// The formats of guest paging-structure entries (SDM, "Paging": the formats of each mode). Level 1
// is a page table. PDPTE registers of PAE paging are not entries of a walk.
namespace eptsim::oracle {

unsigned guest_levels(Paging mode);
unsigned guest_entry_size(Paging mode);  // bytes
std::uint64_t guest_table_index(Paging mode, unsigned level, std::uint64_t gva);

// A reserved bit is 1, in an entry that is present.
bool guest_reserved_bit_set(const State& state, unsigned level, std::uint64_t entry);

// The entry maps a page, rather than reference another structure.
bool guest_maps_page(const State& state, unsigned level, std::uint64_t entry);

// The table that an entry references.
std::uint64_t guest_next_table(const State& state, std::uint64_t entry);

// Of the page that an entry maps.
std::uint64_t guest_page_size(Paging mode, unsigned level);
std::uint64_t guest_page_address(const State& state, unsigned level, std::uint64_t entry,
                                 std::uint64_t gva);
bool guest_pat_bit(unsigned level, std::uint64_t entry);

}  // namespace eptsim::oracle
