#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eptsim::sim {

/// Physical addresses have at most 52 bits (SDM 5.1.4): no memory lies at or beyond this one.
inline constexpr std::uint64_t kEndOfPhysicalMemory = std::uint64_t{1} << 52;

/// A run of physical memory and the bytes that fill it from its start; the rest, up to `size`, is
/// zero.
struct PhysicalSegment {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::span<const std::byte> bytes;
};

/// A note of a core: who wrote it ("QEMU"), what it is to them, and its content.
struct CoreNote {
  std::string owner;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;  ///< of the note's header in the file
  std::span<const std::byte> content;
};

bool is_elf(std::span<const std::byte> file);

/// Whether the core says that it is of a processor in IA-32e mode (machine x86-64, not i386). The
/// file is one that `segments_of_core` accepts.
bool is_x86_64_core(std::span<const std::byte> file);

/// The PT_LOAD segments of an ELF64 core for x86, by physical address (p_paddr), in ascending
/// order, as hypervisors' memory-dump commands write them. Segments without bytes, which such
/// commands write for devices, are left out, and bytes that several segments show, as they do in a
/// dump by linear address, appear once. Throws InputError with the byte offset of the header that
/// is wrong: another class, byte order, machine or type; counts, offsets and sizes beyond the file;
/// segments beyond physical memory, or that give the same address different bytes.
std::vector<PhysicalSegment> segments_of_core(std::span<const std::byte> file,
                                              const std::string& path);

/// The notes (PT_NOTE) of such a core, in the order of the file. Throws InputError as above, and
/// for a note that reaches beyond its segment.
std::vector<CoreNote> notes_of_core(std::span<const std::byte> file, const std::string& path);

}  // namespace eptsim::sim
