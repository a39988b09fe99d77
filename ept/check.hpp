#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"

namespace eptsim::ept {

/// What `check` finds: the rules of format::Rule, what is wrong between tables, and what is legal
/// but seldom meant.
enum class FindingKind : std::uint8_t {
  kWriteWithoutRead,
  kExecuteOnly,
  kPagingWriteWithoutRead,
  kReservedAddressBits,
  kReservedLowBits,
  kPageSizeNotSupported,
  kReservedPageAddressBits,
  kReservedMemoryType,
  kTableUsedTwice,    ///< the entry refers to a table that another entry of its level refers to
  kTableAtTwoLevels,  ///< … that an entry of another level, or the EPTP, refers to
  kTableCycle,        ///< … that the way to this entry leads through: a circle
  kUnreachableTable,  ///< no walk gets to the table: the entry above it is misconfigured or lies
                      ///< beyond the guest-physical width, or no entry refers to it at all
  // Oddities, reported on demand.
  kTableOutsideMemory,    ///< the memory at hand does not hold the table
  kPageOutOfReach,        ///< a page beyond the guest-physical width
  kNoAccess,              ///< the entries on the way to a page have no right in common
  kBitsInAbsentEntry,     ///< an entry without rights holds more than SUPPRESS_VE
  kDirtyWithoutAccessed,  ///< no processor sets DIRTY alone
  kTablesWritable,        ///< the guest can write these very tables
  kMemoryTypesDiffer,     ///< another entry maps the same memory with another memory type
};
inline constexpr std::size_t kFindingKinds = 19;

/// A word for machines, as `write_without_read`.
std::string_view name(FindingKind kind);
/// A sentence for people, with the section of the SDM.
std::string_view explain(FindingKind kind);
/// Whether an access through such an entry is an EPT misconfiguration.
bool is_misconfiguration(FindingKind kind);

/// One thing that is wrong in an image of tables, in one entry or in several that follow one
/// another.
struct Finding {
  FindingKind kind = FindingKind::kWriteWithoutRead;
  unsigned level = 0;         ///< of the entry; 0 for a table that no entry refers to
  arch::Hpa entry_address;    ///< or the table's, for a table that no entry refers to
  std::uint64_t value = 0;    ///< of the entry
  arch::Gpa gpa;              ///< first address that the entry covers
  std::uint64_t bits = 0;     ///< those of the value that are wrong
  std::uint64_t entries = 1;  ///< from this one on, all with the same fault
  /// The other side: the entry that refers to the same table (nothing: the EPTP does) or maps the
  /// same memory; the first of the tables that the guest can write.
  std::optional<arch::Hpa> other = std::nullopt;

  friend bool operator==(const Finding&, const Finding&) = default;
};

/// How far `survey` goes.
struct SurveyScope {
  /// Frames that were taken for tables: those that no entry refers to are reported last.
  std::span<const arch::Hpa> known_tables = {};
  bool oddities = false;
  /// Whether the memory at hand has a word at an address; all words if empty.
  std::function<bool(arch::Hpa)> holds = {};
  /// The survey ends where it comes upon more than so many tables, findings, or runs of pages. The
  /// first bounds the time, and all three the memory that it takes, whatever the image.
  std::size_t most_tables = std::size_t{1} << 20;
  std::size_t most_findings = 100'000;
  std::size_t most_runs = std::size_t{1} << 23;
};

struct Survey {
  std::vector<Finding> findings;
  std::uint64_t tables = 0;             ///< examined
  std::uint64_t pages = 0;              ///< mapped by them, of whatever size
  std::optional<arch::Gpa> stopped_at;  ///< a limit was met: what lies from here on is not examined
};

/// Examines the tables under `eptp`, one that VM entry accepts (its depth and accessed and dirty
/// flags count, not those of the settings), and reports every rule that a present entry breaks,
/// every table that is used twice or cannot be reached and, if asked to, what is odd, in ascending
/// order of guest-physical address. A table is examined once, where it is first met; so tables that
/// share or contain one another cost no more than their number.
Survey survey(const arch::PhysicalMemory& memory, std::uint64_t eptp, const Settings& settings,
              const SurveyScope& scope);

/// The same without oddities and limits.
std::vector<Finding> check(const arch::PhysicalMemory& memory, std::uint64_t eptp,
                           const Settings& settings, std::span<const arch::Hpa> known_tables = {});

}  // namespace eptsim::ept
