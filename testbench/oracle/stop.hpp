#pragma once

#include <cstdint>
#include <optional>

#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// Thrown where a translation ends early: what is reported, and for an EPT violation the entry whose
// bit 63 decides whether it becomes a virtualization exception (absent: none does, it stays an
// exit).
struct Stop {
  Page page;
  std::optional<std::uint64_t> deciding_entry{};
};

}  // namespace eptsim::oracle
