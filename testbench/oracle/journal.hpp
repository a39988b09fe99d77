#pragma once

#include <cstdint>

#include "testbench/oracle/oracle.hpp"

namespace eptsim::oracle {

// Passes accesses on to memory and notes them in the result.
class Journal {
 public:
  Journal(const Memory& memory, Result& result) : memory_(memory), result_(result) {}

  // Reads a paging-structure entry of 4 or 8 bytes and notes the reference.
  std::uint64_t read_entry(Structure structure, unsigned level, std::uint64_t address,
                           unsigned size = 8);

  // Reads 4 or 8 bytes that are no reference.
  std::uint64_t read(std::uint64_t address, unsigned size) const;

  // Writes 2, 4 or 8 bytes, naturally aligned, and notes it.
  void write(std::uint64_t address, unsigned size, std::uint64_t value);

  // A locked update: sets what is missing of these flags in the entry as it stands in memory now.
  void set_flags(std::uint64_t address, unsigned size, std::uint64_t flags);

 private:
  const Memory& memory_;
  Result& result_;
};

}  // namespace eptsim::oracle
