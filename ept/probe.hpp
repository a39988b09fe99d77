#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "ept/arch/access.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/entry_format.hpp"
#include "ept/guest_state.hpp"

/// Translations answered in software, from the tables as they lie in memory. Nothing is written: no
/// accessed or dirty flag is set, but an access that would have to set one is refused where the
/// processor would refuse it.
namespace eptsim::ept {

/// An access to memory, as far as translation depends on it.
struct Access {
  arch::AccessKind kind = arch::AccessKind::kRead;
  bool user = false;      ///< made at CPL 3
  bool implicit = false;  ///< an implicit supervisor access, whatever the CPL
};

/// A translation that succeeded.
struct Translated {
  arch::Gpa gpa;
  arch::Hpa hpa;
  /// Nothing without paging, and for a guest-physical address.
  std::optional<arch::PageSize> guest_page_size;
  /// Nothing without EPT.
  std::optional<arch::PageSize> ept_page_size;

  friend bool operator==(const Translated&, const Translated&) = default;
};

/// An entry at which a translation ended.
struct EntryAt {
  unsigned level = 0;  ///< 1 = table of 4 KiB pages; 0 if no entry was read
  arch::Hpa address;
  std::uint64_t value = 0;

  friend bool operator==(const EntryAt&, const EntryAt&) = default;
};

/// VM exit 48 (SDM 31.3.3.2).
struct EptViolation {
  arch::Gpa gpa;                    ///< with its offset
  std::uint64_t qualification = 0;  ///< arch::qualification
  EntryAt entry;                    ///< the EPT entry: absent, or the leaf

  friend bool operator==(const EptViolation&, const EptViolation&) = default;
};

/// VM exit 49 (SDM 31.3.3.1).
struct EptMisconfiguration {
  arch::Gpa gpa;
  EntryAt entry;                                        ///< the EPT entry
  format::Rule rule = format::Rule::kWriteWithoutRead;  ///< that it breaks

  friend bool operator==(const EptMisconfiguration&, const EptMisconfiguration&) = default;
};

/// A guest's page fault (SDM 5.7).
struct PageFault {
  arch::Gva gva;
  std::uint64_t error_code = 0;  ///< arch::error_code
  EntryAt entry;                 ///< the guest's entry: absent, with a reserved bit, or the leaf

  friend bool operator==(const PageFault&, const PageFault&) = default;
};

/// A linear address that is not canonical, or that LASS refuses (SDM 4.4): no entry is read.
struct GeneralProtection {
  arch::Gva gva;
  friend bool operator==(const GeneralProtection&, const GeneralProtection&) = default;
};

using GpaOutcome = std::variant<Translated, EptViolation, EptMisconfiguration>;
using GvaOutcome =
    std::variant<Translated, EptViolation, EptMisconfiguration, PageFault, GeneralProtection>;

/// Looks translations up. Sub-page permissions, HLAT, guest-paging verification, #VE and
/// page-modification logging count as off.
class Probe {
 public:
  /// `eptp` names the tables and their depth, and EPTP bits 6 and 7; nothing means that EPT is off
  /// and that guest-physical is host-physical. It is one that VM entry accepts. The other settings
  /// are taken from `settings`.
  Probe(const arch::PhysicalMemory& memory, std::optional<std::uint64_t> eptp,
        const Settings& settings);

  /// Where the byte at `gpa` lies. The access has no linear address: bits 11:7 of a qualification
  /// are zero, and with mode-based execute control a fetch needs EXECUTE.
  GpaOutcome gpa_to_hpa(arch::Gpa gpa, arch::AccessKind kind = arch::AccessKind::kRead) const;

  /// Where the byte at `gva` lies: walks the guest's paging structures, each of whose addresses is
  /// translated through the EPT first, and then the final guest-physical address, by itself.
  GvaOutcome gva_to_hpa(const GuestState& guest, arch::Gva gva, Access access = {}) const;

 private:
  const arch::PhysicalMemory* memory_;
  std::optional<arch::Hpa> root_;
  Settings settings_;
};

}  // namespace eptsim::ept
