#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>

#include "ept/arch/physical_memory.hpp"
#include "ept/guest_state.hpp"
#include "ept/settings.hpp"

/// Tables printed as a tree: each table with the entries that are present, pages that follow one
/// another with equal flags on one line, over as many tables as they go on. A table is gone into
/// once: where it comes up again it is only named, so circles end.
namespace eptsim::ept {

struct DumpOptions {
  bool colour = false;  ///< for a terminal
  /// No more lines of text, or mappings in JSON, than so many; nor more than a million tables.
  std::size_t most_lines = 1'000'000;
  /// Whether the memory at hand has a word at an address; all words if empty. Tables elsewhere are
  /// named and not gone into.
  std::function<bool(arch::Hpa)> holds = {};
};

/// A guest's own tables.
struct GuestRoot {
  std::uint64_t cr3 = 0;
  PagingMode mode = PagingMode::k4Level;  ///< not kNone
  unsigned maxphyaddr = 46;               ///< that the guest sees
  bool large_pages = true;                ///< CR4.PSE, which counts in 32-bit paging alone
  /// Where guest-physical memory lies; nothing: guest-physical is host-physical.
  std::optional<std::uint64_t> eptp = std::nullopt;
};

/// Prints the tables under `eptp`, one that VM entry accepts, for people. Returns the first address
/// that is not covered, if a limit of the options was met.
std::optional<std::uint64_t> dump_text(std::ostream& out, const arch::PhysicalMemory& memory,
                                       std::uint64_t eptp, const Settings& settings,
                                       const DumpOptions& options = {});

/// The same as a JSON object: `eptp`, `levels`, `complete`, `tables` (level, address, gpa, entries
/// in use) and `mappings`, the runs of pages (gpa, hpa, bytes, page_size, permission, memory_type,
/// …). Addresses are strings in hexadecimal. The same tables give the same bytes.
std::optional<std::uint64_t> dump_json(std::ostream& out, const arch::PhysicalMemory& memory,
                                       std::uint64_t eptp, const Settings& settings,
                                       const DumpOptions& options = {});

/// A guest's tables in the same way. Where `guest.eptp` is set, each table's address is translated
/// through that EPT, as `settings` has it, and a table that it does not map is named only.
std::optional<std::uint64_t> dump_guest_text(std::ostream& out, const arch::PhysicalMemory& memory,
                                             const GuestRoot& guest, const Settings& settings,
                                             const DumpOptions& options = {});

/// The same as JSON: `cr3`, `eptp` or null, `levels`, `complete`, `tables` (with `gva`) and
/// `mappings` (from `gva` to `gpa`).
std::optional<std::uint64_t> dump_guest_json(std::ostream& out, const arch::PhysicalMemory& memory,
                                             const GuestRoot& guest, const Settings& settings,
                                             const DumpOptions& options = {});

}  // namespace eptsim::ept
