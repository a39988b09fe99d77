#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/ept_rules.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

/// The walk as a step machine: state and the last answer go in, the next thing to do comes out.
/// Nothing here knows time; nothing outside repeats a rule of the architecture. Run at once it
/// answers `eptsim walk`; run in time it is the walker.
///
///   CR3 ─► guest L4 ─► guest L3 ─► guest L2 ─► guest L1 ─► page     an arrow is a guest-physical
///     4321       4321        4321        4321        4321           address: EPT levels 4 to 1
namespace eptsim::mmu {

/// Checks a request against a context that `check(context)` accepted: addresses that do not exist,
/// keys that do not belong to a guest-physical request (`user`, `implicit`), and shadow-stack
/// accesses without CR4.CET. `key` of the error is the request's: "gva", "gpa", "access", "user",
/// "implicit" or "size". Empty if a walk may use it.
std::optional<ContextError> check(const Context& context, const Request& request);

enum class StepKind : std::uint8_t {
  kLookup,           ///< ask a cache; "miss" is always a correct answer
  kRead,             ///< read a paging-structure entry: this is a reference
  kCompareExchange,  ///< accessed and dirty flags
  kLoad,             ///< read another word, no reference: #VE information
  kWrite,            ///< plain store: PML, #VE information
  kDone,             ///< `Walk::outcome()` holds the end
};

enum class LookupKind : std::uint8_t {
  kCombined,      ///< linear-address bits ─► host-physical address of the next guest table; with
                  ///< EPT off the same holds what comes from the guest tables alone. Or the table's
                  ///< guest-physical address: CachedEntry::guest_physical
  kEptStructure,  ///< guest-physical bits ─► host-physical address of the next EPT table
  kNestedTlb,     ///< guest-physical page ─► host-physical page
};

/// What a structure cache or the nested TLB holds, as it is looked up and as it is filled.
struct CachedEntry {
  LookupKind kind = LookupKind::kNestedTlb;
  /// kCombined, kEptStructure: level of the last entry that need not be read (2 = the PDE; one of
  /// 32-bit paging covers 4 MiB).
  /// kNestedTlb: level of the leaf: 1, 2 or 3.
  std::uint8_t level = 0;
  std::uint64_t key = 0;    ///< the linear or guest-physical address, aligned to what is covered
  std::uint64_t frame = 0;  ///< host-physical address of the next table, or of the page
  /// kCombined: `frame` is guest-physical and must be translated; nothing of the EPT is held.
  bool guest_physical = false;
  GuestRights guest_rights{};  ///< kCombined: AND over the skipped guest entries
  /// The EPT entries that it stands for, the last of them that of `level`; kCombined: those that
  /// map the next guest table. What their bits give is for the controls of the walk that uses them.
  EptPath ept{};
  /// kCombined: the EPT leaves that map the skipped guest entries and the next table all have
  /// paging-write access, as guest-paging verification demands.
  bool paging_verified = false;
};

/// What the walk asks for next.
struct Step {
  StepKind kind = StepKind::kDone;
  Place place{};               ///< of the entry concerned
  std::uint64_t address = 0;   ///< host-physical; a multiple of `size`
  std::uint8_t size = 8;       ///< bytes: 2, 4 or 8
  std::uint64_t expected = 0;  ///< kCompareExchange
  std::uint64_t desired = 0;   ///< kCompareExchange; kWrite: the value
  LookupKind lookup = LookupKind::kCombined;
  std::uint64_t key = 0;  ///< kLookup: the whole address, linear or guest-physical
  /// kLookup of the nested TLB: only a page whose dirty flag is set answers.
  bool dirty = false;
};

/// What the last step gave.
struct Answer {
  std::uint64_t value = 0;             ///< kRead, kLoad; kCompareExchange: the word found
  const CachedEntry* entry = nullptr;  ///< kLookup: the deepest hit, or nothing for a miss
};

/// One translation under way: a small value, copyable at any moment. The context must outlive it.
///
/// A hit may stand for entries that were read earlier, but no access is refused for want of rights
/// on what a hit said: such a refusal starts the translation again without lookups, so what is
/// reported is what memory holds (SDM 31.4.3 leaves that open).
class Walk {
 public:
  /// Whether the walk asks caches at all; kOff saves the steps that would all be misses. With
  /// kAskedOfGuest those of linear addresses are filled with guest-physical addresses.
  enum class Lookups : std::uint8_t { kAsked, kAskedOfGuest, kOff };

  Walk() = default;
  Walk(const WalkContext& context, const Request& request, Lookups lookups = Lookups::kAsked)
      : Walk(context, request, lookups, context.raw.pml_index) {}
  /// With the PML index that an earlier walk left.
  Walk(const WalkContext& context, const Request& request, Lookups lookups,
       std::uint16_t pml_index);

  /// The first call ignores its answer; each later one takes the answer to the step before.
  /// After kDone it may not be called again.
  Step next(const Answer& answer);

  const Outcome& outcome() const { return outcome_; }
  /// Reads of paging-structure entries so far.
  unsigned references() const { return references_; }
  /// The PML index, a VMCS field, as the walk leaves it whatever its end: each page that it logged
  /// counted it down (SDM 31.3.6).
  std::uint16_t pml_index() const { return pml_index_; }
  /// What the last `next` proved fit for caching: used by a translation that succeeded, accessed
  /// flags set. Valid until `next` is called again. Guest-physical entries come with the end of
  /// each guest-physical translation, combined ones with that of the whole.
  std::span<const CachedEntry> fills() const {
    return fills_ ? std::span(*fills_).first(fill_count_) : std::span<const CachedEntry>{};
  }

 private:
  /// What the last step asked, and so what the next answer is.
  enum class State : std::uint8_t {
    kStart,
    kCombinedLookup,
    kNestedLookup,
    kStructureLookup,
    kEptEntry,
    kEptFlags,
    kGuestEntry,
    kGuestAccessed,
    kGuestDirty,
    kSubPageEntry,
    kPageLog,
    kExceptionBusy,
    kExceptionField,
    kDone,
  };
  // Levels are written before they are read, and a walk touches few: none has a value before.
  /// An EPT entry of the guest-physical translation under way.
  struct EptLevel {
    std::uint64_t address;
    std::uint64_t entry;
    std::uint64_t above;  ///< AND of the entries above
  };
  /// A guest entry of the walk, and how its own address was translated.
  struct GuestLevel {
    std::uint64_t address;  ///< host-physical
    std::uint64_t entry;
    EptPath page;        ///< the EPT entries that map the entry's page
    GuestRights rights;  ///< AND from the root down to and with this entry
    /// The pages of the entries from the root down to and with this one all have paging-write
    /// access.
    bool paging_verified;
  };

  // The guest dimension.
  Step start();
  Step restart();
  Step start_from_tables();
  Step start_from_pdpte();
  Step leave_hlat();
  Step after_combined_lookup(const CachedEntry* hit);
  Step locate_guest_entry(std::uint64_t table);
  Step read_guest_entry();
  Step take_guest_entry(std::uint64_t entry);
  Step use_guest_entry();
  Step check_guest_access();
  Step swap_guest_entry(State state, std::uint64_t flag);
  Step translate_access();
  bool on_shadow_stack_page() const;
  // The EPT dimension.
  Step start_ept(std::uint64_t gpa);
  Step after_nested_lookup(const CachedEntry* hit);
  Step after_structure_lookup(const CachedEntry* hit);
  Step read_ept_entry(std::uint64_t table);
  Step take_ept_entry(std::uint64_t entry);
  EptPath path_down_to(unsigned ept_level) const {
    return {.above = ept_[ept_level].above, .last = ept_[ept_level].entry};
  }
  /// The rights that the entries from the root down to and with that of `ept_level` leave.
  EptRights rights_down_to(unsigned ept_level) const {
    return ept_rights(*context_, path_down_to(ept_level), ept_level == ept_level_);
  }
  Step check_ept_access();
  Step verify_guest_paging();
  std::uint64_t flagged_ept_entry(unsigned level) const;
  Step set_ept_flags();
  Step after_ept_swap(std::uint64_t found);
  Step log_page();
  Step finish_ept();
  // Sub-page permissions.
  Step read_sub_page_entry(std::uint64_t table);
  Step take_sub_page_entry(std::uint64_t entry);
  Step sub_page_event(Reason reason, std::uint64_t entry);
  // Ends.
  Step finish(std::uint64_t hpa);
  Step page_fault(Reason reason, std::uint32_t error_code);
  Step refuse_ept_access(EptDemand demand);
  Step ept_violation(Reason reason, EptDemand demand, std::uint8_t blamed_level);
  Step after_exception_busy(std::uint64_t busy);
  Step write_exception_field();
  Step ept_exit(OutcomeKind kind, Reason reason);
  Step done(OutcomeKind kind);
  /// Of an EPT entry of `ept_level`, or of the guest entry itself (0), for what is in hand.
  Place place(std::uint8_t ept_level) const {
    return {.guest_level = guest_level_, .ept_level = ept_level, .hlat = hlat_};
  }
  // What may be cached.
  void fill_guest_physical();
  void fill_combined();

  const WalkContext* context_ = nullptr;
  Request request_;
  State state_ = State::kStart;
  bool caching_ = false;                 ///< caches are there to be filled
  bool guest_physical_ = false;          ///< those of linear addresses with the guest's addresses
  bool lookups_ = false;                 ///< and to be asked
  bool hit_ = false;                     ///< a hit has been used since the start
  bool hlat_ = false;                    ///< the guest entries in hand are HLAT entries
  std::uint8_t hlat_restart_level_ = 0;  ///< of the HLAT entry that led to CR3; 0: none
  std::uint8_t fill_count_ = 0;
  std::uint8_t sub_page_level_ = 0;   ///< of the SPP table in hand
  std::uint8_t exception_field_ = 0;  ///< of the #VE information being written
  std::uint16_t references_ = 0;
  std::uint16_t pml_index_ = 0;
  std::uint64_t sub_page_address_ = 0;  ///< of the SPP entry in hand

  // The arrays are indexed by level. The guest's element above the first entry that is read holds
  // what the entries above it left: all rights at the root, a hit's rights beneath a hit.
  std::uint8_t guest_level_ = 0;        ///< of the guest entry in hand; 0: the access itself
  std::uint8_t guest_first_level_ = 0;  ///< of the first guest entry read
  std::uint8_t guest_leaf_level_ = 0;   ///< 0 without guest paging, or not there yet
  std::array<GuestLevel, 7> guest_;

  std::uint64_t gpa_ = 0;             ///< being translated
  EptDemand demand_{};                ///< of the access to it
  std::uint8_t ept_level_ = 0;        ///< of the EPT entry in hand
  std::uint8_t ept_first_level_ = 0;  ///< of the first EPT entry read; 0: the nested TLB hit
  std::uint8_t ept_flag_level_ = 0;   ///< of the EPT entry whose flags are being set
  std::array<EptLevel, 7> ept_;

  std::optional<std::array<CachedEntry, 9>> fills_;  ///< there if `caching_`
  Outcome outcome_;
};

}  // namespace eptsim::mmu
