#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"

/// The walk as a step machine: state and the last answer go in, the next thing to do comes out.
/// Nothing here knows time; nothing outside repeats a rule of the architecture. Run at once it
/// answers `eptsim walk`; run in time it is the walker.
///
///   CR3 ─► guest L4 ─► guest L3 ─► guest L2 ─► guest L1 ─► page      each arrow is a
///   guest-physical
///     EPT 4321    4321        4321        4321        4321           address: EPT levels 4 to 1
namespace eptsim::mmu {

/// A context checked and taken apart once, for any number of walks. (Members: walk_context.hpp's
/// business; built from a Context that `check` accepted.)
struct WalkContext {
  explicit WalkContext(const Context& context);

  Context raw;
  bool ept = false;  ///< EPT on
  bool ept_accessed_dirty = false;
  unsigned ept_levels = 0;         ///< 4 or 5; 0 with EPT off
  std::uint64_t ept_root = 0;      ///< EPTRTA, as an address
  unsigned guest_levels = 0;       ///< entries read from memory: 0, 2, 4 or 5
  bool wide_guest_entries = true;  ///< 8-byte entries
  std::uint64_t address_high = 0;  ///< bits 51:MAXPHYADDR
};

enum class StepKind : std::uint8_t {
  kLookup,           ///< ask a cache; "miss" is always a correct answer
  kRead,             ///< read a paging-structure entry: this is a reference
  kCompareExchange,  ///< accessed and dirty flags
  kWrite,            ///< plain store: PML, #VE information
  kDone,             ///< `Walk::outcome()` holds the end
};

enum class LookupKind : std::uint8_t {
  kCombined,      ///< linear-address bits ─► host-physical address of the next guest table
  kEptStructure,  ///< guest-physical bits ─► host-physical address of the next EPT table
  kNestedTlb,     ///< guest-physical page ─► host-physical page
};

/// What a structure cache or the nested TLB holds, as it is looked up and as it is filled.
struct CachedEntry {
  LookupKind kind = LookupKind::kNestedTlb;
  /// kCombined, kEptStructure: level of the last entry that need not be read (2 = the PDE).
  /// kNestedTlb: level of the leaf: 1, 2 or 3.
  std::uint8_t level = 0;
  std::uint64_t key = 0;     ///< the linear or guest-physical address, aligned to what is covered
  std::uint64_t frame = 0;   ///< host-physical address of the next table, or of the page
  GuestRights guest_rights;  ///< kCombined: AND over the skipped guest entries
  EptRights ept_rights;      ///< others: AND over the skipped EPT entries
  std::uint64_t leaf = 0;    ///< kNestedTlb: the EPT leaf as it stood, for its other bits
  std::uint8_t memory_type_bits = 0;  ///< kCombined: PWT and PCD for the next table
  std::uint8_t guest_levels_skipped = 0;
};

/// What the walk asks for next.
struct Step {
  StepKind kind = StepKind::kDone;
  Place place;                 ///< of the entry concerned
  std::uint64_t address = 0;   ///< host-physical (kRead, kCompareExchange, kWrite)
  std::uint8_t size = 8;       ///< bytes: 2, 4 or 8
  std::uint64_t expected = 0;  ///< kCompareExchange
  std::uint64_t desired = 0;   ///< kCompareExchange; kWrite: the value
  LookupKind lookup = LookupKind::kCombined;
  std::uint64_t key = 0;  ///< kLookup: the whole address, linear or guest-physical
};

/// What the last step gave.
struct Answer {
  std::uint64_t value = 0;             ///< kRead: the entry; kCompareExchange: the word found
  const CachedEntry* entry = nullptr;  ///< kLookup: the deepest hit, or nothing for a miss
};

/// One translation under way: a small value, copyable at any moment. The context must outlive it.
class Walk {
 public:
  Walk() = default;
  Walk(const WalkContext& context, const Request& request);

  /// The first call ignores its answer; each later one takes the answer to the step before.
  /// After kDone it may not be called again.
  Step next(const Answer& answer);

  const Outcome& outcome() const;
  /// Reads of paging-structure entries so far.
  unsigned references() const;
  /// What the last `next` proved fit for caching: used by a translation that succeeded, accessed
  /// flags set. Valid until `next` is called again.
  std::span<const CachedEntry> fills() const;
};

}  // namespace eptsim::mmu
