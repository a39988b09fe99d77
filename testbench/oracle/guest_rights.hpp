#pragma once

#include <cstdint>
#include <optional>

#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// What the entries of a guest walk say together.
struct GuestRights {
  bool user = true;              // U/S is 1 in every entry
  bool writable = true;          // R/W is 1 in every entry
  bool writable_above = true;    // R/W is 1 in every entry but the last
  bool execute_disable = false;  // XD is 1 in some entry, and in force
  std::uint64_t leaf = 0;
};

// The error code of the page fault that the rights demand, or nothing (SDM, "Access Rights" and
// "Page-Fault Exceptions").
std::optional<std::uint32_t> permission_fault(const State& state, const Access& access,
                                              const GuestRights& rights);

// Of a page fault for an entry that is not present or has a reserved bit set.
std::uint32_t entry_fault(const State& state, const Access& access, bool reserved, bool in_hlat);

// The general-protection checks before paging: canonical form and LASS (SDM, "Linear-Address
// Pre-Processing").
bool general_protection(const State& state, const Access& access, std::uint64_t gva);

}  // namespace eptsim::oracle
