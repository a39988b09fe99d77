#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eptsim::sim {

/// A run of physical memory and the bytes that fill it from its start; the rest, up to `size`, is
/// zero.
struct PhysicalSegment {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::span<const std::byte> bytes;
};

bool is_elf(std::span<const std::byte> file);

/// The PT_LOAD segments of an ELF64 core for x86-64, by physical address (p_paddr), as hypervisors'
/// memory-dump commands write them. Throws InputError with the byte offset of the header that is
/// wrong: another class, machine or type; segments that reach beyond the file.
std::vector<PhysicalSegment> segments_of_core(std::span<const std::byte> file,
                                              const std::string& path);

}  // namespace eptsim::sim
