#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"

namespace eptsim::ept {

/// What `check` finds: the rules of format::Rule, and what is wrong between tables.
enum class FindingKind : std::uint8_t {
  kWriteWithoutRead,
  kExecuteOnly,
  kPagingWriteWithoutRead,
  kReservedAddressBits,
  kReservedLowBits,
  kPageSizeNotSupported,
  kReservedPageAddressBits,
  kReservedMemoryType,
  kTableUsedTwice,    ///< the entry refers to a table that another entry, or the EPTP, refers to
  kUnreachableTable,  ///< no walk gets to the table: the entry above it is misconfigured or lies
                      ///< beyond the guest-physical width, or no entry refers to it at all
};

/// A word for machines, as `write_without_read`.
std::string_view name(FindingKind kind);
/// A sentence for people, with the section of the SDM.
std::string_view explain(FindingKind kind);

/// One thing that is wrong in an image of tables.
struct Finding {
  FindingKind kind = FindingKind::kWriteWithoutRead;
  unsigned level = 0;       ///< of the entry; 0 for a table that no entry refers to
  arch::Hpa entry_address;  ///< or the table's, for a table that no entry refers to
  std::uint64_t value = 0;  ///< of the entry
  arch::Gpa gpa;            ///< first address that the entry covers

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// Checks the tables under `eptp`, one that VM entry accepts (its depth counts, not that of the
/// settings), and reports every rule that a present entry breaks and every table that is used twice
/// or cannot be reached, in ascending order of guest-physical address. `known_tables` are frames
/// that were taken for tables: those that no entry refers to are reported last.
std::vector<Finding> check(const arch::PhysicalMemory& memory, std::uint64_t eptp,
                           const Settings& settings, std::span<const arch::Hpa> known_tables = {});

}  // namespace eptsim::ept
