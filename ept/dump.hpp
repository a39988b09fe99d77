#pragma once

#include <cstdint>
#include <iosfwd>

#include "ept/arch/physical_memory.hpp"
#include "ept/settings.hpp"

namespace eptsim::ept {

/// Prints the tables under `eptp`, one that VM entry accepts, for people: every table with the
/// entries that are present, runs of leaves that continue one another on one line. A table that was
/// printed before is only named.
void dump_text(std::ostream& out, const arch::PhysicalMemory& memory, std::uint64_t eptp,
               const Settings& settings);

/// The same as a JSON object: `eptp`, `levels`, `tables` (level, address, gpa, entries in use) and
/// `mappings`, the runs of pages (gpa, hpa, bytes, page_size, permission, memory_type, …).
/// Addresses are strings in hexadecimal. The same tables give the same bytes.
void dump_json(std::ostream& out, const arch::PhysicalMemory& memory, std::uint64_t eptp,
               const Settings& settings);

}  // namespace eptsim::ept
