#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ept/arch/access.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"

namespace eptsim::mmu {

/// One access to be translated. `size` bytes from `address`, within one 4 KiB page: an access that
/// crosses is two requests, the lower first.
struct Request {
  std::uint64_t address = 0;
  bool linear = true;  ///< false: `address` is guest-physical, and only the EPT is walked
  arch::AccessKind access = arch::AccessKind::kRead;
  bool user = false;      ///< CPL 3
  bool implicit = false;  ///< an implicit supervisor access, whatever `user` says
  std::uint8_t size = 1;
};

/// Whether the access counts as one of user mode (CPL 3, and not implicit; SDM 5.6).
constexpr bool is_user_access(const Request& request) { return request.user && !request.implicit; }

/// Whether it is one that only shadow-stack pages allow (SDM 5.6).
constexpr bool is_shadow_stack_access(const Request& request) {
  return request.access == arch::AccessKind::kShadowStackRead ||
         request.access == arch::AccessKind::kShadowStackWrite;
}

/// Where in the two-dimensional walk a reference is made. `guest_level` is the level of the guest
/// entry being located or read, 0 for the access's own guest-physical address; `ept_level` is the
/// level of the EPT entry read, 0 for the guest entry itself. A walk has 24 such places with 4
/// levels in each dimension, 35 with 5; the HLAT tables, walked before a restart from CR3, have as
/// many again but for the access itself, and a write refused by the EPT up to 4 in the sub-page
/// permission tables.
struct Place {
  std::uint8_t guest_level = 0;
  std::uint8_t ept_level = 0;
  bool hlat = false;           ///< the guest entry is one of the HLAT tables
  std::uint8_t spp_level = 0;  ///< of the sub-page permission table read; 0: none

  constexpr bool is_guest_entry() const { return ept_level == 0 && spp_level == 0; }
  friend constexpr bool operator==(Place, Place) = default;
};

enum class OutcomeKind : std::uint8_t {
  kTranslated,
  kPageFault,
  kEptViolation,
  kEptMisconfiguration,
  kPmlFull,
  kSppEvent,
  kVirtualizationException,
  kGeneralProtection,
};

/// As results spell it: "ept_violation".
constexpr std::string_view name(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kTranslated: return "translated";
    case OutcomeKind::kPageFault: return "page_fault";
    case OutcomeKind::kEptViolation: return "ept_violation";
    case OutcomeKind::kEptMisconfiguration: return "ept_misconfig";
    case OutcomeKind::kPmlFull: return "pml_full";
    case OutcomeKind::kSppEvent: return "spp_event";
    case OutcomeKind::kVirtualizationException: return "virtualization_exception";
    case OutcomeKind::kGeneralProtection: return "general_protection";
  }
  return "?";
}

/// Which rule decided an outcome other than kTranslated.
enum class Reason : std::uint8_t {
  kNone,
  // general protection
  kNotCanonical,
  kLass,
  // page faults
  kGuestNotPresent,
  kGuestReservedBit,
  kGuestNotWritable,
  kGuestSupervisorPage,  ///< a user access to a page with U/S = 0
  kGuestExecuteDisable,
  kGuestSmep,
  kGuestSmap,
  kGuestProtectionKey,
  kGuestShadowStack,
  // EPT violations
  kEptNotPresent,
  kEptAddressTooWide,  ///< bits 51:48 of a guest-physical address under a 4-level EPT
  kEptNotReadable,
  kEptNotWritable,
  kEptNotExecutable,
  kEptShadowStack,
  kEptPagingVerification,
  // EPT misconfigurations
  kEptWriteWithoutRead,
  kEptExecuteOnlyUnsupported,
  kEptPagingWriteWithoutRead,
  kEptReservedBit,
  kEptMemoryType,
  // others
  kPmlIndex,
  kSppMiss,
  kSppMisconfiguration,
};

/// Rights of a translation. For guest rights `execute` is "not execute-disable".
struct EptRights {
  bool read = true;
  bool write = true;
  bool execute = true;
  bool user_execute = true;
  /// What a walk may write of guest paging structures: `write`, or where the leaf alone lacks that,
  /// its paging-write access (SDM 31.3.3.2).
  bool paging_write = true;
  /// Supervisor shadow-stack accesses, where EPTP bit 7 is set: reads at every level, writes above
  /// the leaf, and the leaf's own bit (SDM 31.3.3.2).
  bool supervisor_shadow_stack = true;
  friend constexpr bool operator==(EptRights, EptRights) = default;
};
struct GuestRights {
  bool write = true;
  bool user = true;
  bool execute = true;
  friend constexpr bool operator==(GuestRights, GuestRights) = default;
};

/// The end of a walk.
struct Outcome {
  OutcomeKind kind = OutcomeKind::kTranslated;

  // kTranslated: where it led. Guest-physical also for every EPT outcome.
  std::uint64_t gpa = 0;
  std::uint64_t hpa = 0;
  std::optional<arch::PageSize> guest_page_size{};  ///< none without guest paging
  std::optional<arch::PageSize> ept_page_size{};    ///< none with EPT off
  arch::PageSize page_size = arch::PageSize::k4K;   ///< what one TLB entry may cover
  arch::MemoryType memory_type = arch::MemoryType::kWB;

  // kTranslated: what a TLB entry made from this walk holds beside the addresses.
  GuestRights guest_rights{};
  EptRights ept_rights{};
  bool dirty =
      false;  ///< a write through the entry needs no walk: every D flag it would set is set
  bool global = false;        ///< guest leaf G with CR4.PGE
  bool shadow_stack = false;  ///< the guest's page is a shadow-stack page (SDM 5.6)
  std::uint8_t protection_key = 0;

  // Refusals.
  std::uint64_t qualification = 0;  ///< exit qualification
  std::uint32_t error_code = 0;     ///< page fault
  bool linear_valid = false;        ///< the guest linear-address field is valid
  Reason reason = Reason::kNone;
  Place place{};                    ///< the entry that decided
  std::uint64_t entry_address = 0;  ///< host-physical
  std::uint64_t entry = 0;          ///< its value as judged, with an accessed flag set since
};

}  // namespace eptsim::mmu
