#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/context.hpp"

namespace eptsim::mmu {

/// A Context that `check` accepted, taken apart once for any number of walks: which paging modes
/// are on, where the tables are, and which bits of their entries are reserved. Nothing in it
/// changes after construction, but by `load_pdptes`.
struct WalkContext {
  explicit WalkContext(const Context& context);

  Context raw;

  // The EPT (SDM 31.3). Meaningless with EPT off, but for `ept` itself.
  bool ept = false;
  bool ept_accessed_dirty = false;  ///< EPTP bit 6
  bool mode_based_execute = false;
  bool execute_only = false;
  unsigned ept_levels = 0;                 ///< 4 or 5; 0 with EPT off
  std::uint64_t ept_root = 0;              ///< EPTRTA, as an address
  std::uint64_t ept_present = 0;           ///< an entry is present if it has any of these bits
  std::uint64_t ept_execute = 0;           ///< the execute bits: 2, and 10 with mode-based execute
  std::uint64_t ept_paging_write = 0;      ///< bit 58 of a leaf; 0 without paging-write control
  bool ept_shadow_stacks = false;          ///< EPTP bit 7: supervisor shadow-stack control
  bool verifies_guest_paging = false;      ///< guest-paging verification, with paging-write control
  bool sub_page_permissions = false;       ///< sub-page write permissions (SDM 31.3.4)
  std::uint64_t sub_page_root = 0;         ///< host-physical address of their first table
  bool page_modification_log = false;      ///< with EPTP bit 6, without which nothing is logged
  bool virtualization_exceptions = false;  ///< violations may become #VE: the control, and CR0.PE

  // Guest paging (SDM 5.1).
  bool long_mode = false;                 ///< EFER.LMA: addresses of 64 bits, LASS, protection keys
  unsigned guest_levels = 0;              ///< entries read from memory: 0, 2, 4 or 5
  bool wide_guest_entries = true;         ///< 8-byte entries; 32-bit paging has 4-byte ones
  std::uint8_t guest_entry_size = 8;      ///< the same in bytes
  bool pae = false;                       ///< PAE paging: the walk starts from a PDPTE register
  std::array<std::uint64_t, 4> pdptes{};  ///< the PDPTE registers
  bool hlat = false;                      ///< the HLAT pointer replaces CR3
  bool hlat_upper_half_only = false;      ///< but only for addresses with bit 63 set
  std::uint64_t hlat_root = 0;            ///< guest-physical address of the first HLAT table
  std::uint64_t guest_root = 0;           ///< guest-physical address of the first table
  std::uint64_t linear_mask = 0;          ///< bits that a linear address has
  unsigned linear_width = 32;             ///< bits of a canonical linear address
  std::uint64_t execute_disable = 0;      ///< the XD bit of guest entries; 0 without EFER.NXE

  // Rights of the guest (SDM 5.6).
  bool write_protect = false;  ///< CR0.WP
  bool smep = false;
  bool smap = false;
  bool lass = false;
  bool user_keys = false;           ///< CR4.PKE
  bool supervisor_keys = false;     ///< CR4.PKS
  bool reports_fetch = false;       ///< page faults tell fetches in bit 4
  bool global_pages = false;        ///< CR4.PGE
  bool alignment_override = false;  ///< RFLAGS.AC: explicit supervisor accesses pass SMAP

  // Memory types (SDM 13.12, 31.3.7).
  bool caches_off = false;                      ///< CR0.CD
  std::array<arch::MemoryType, 8> pat_types{};  ///< by PAT index

  /// Reserved bits of entries, indexed by level: 1 for a table of 4 KiB pages.
  struct ReservedBits {
    std::array<std::uint64_t, 6> table{};  ///< of an entry that leads to another table
    std::array<std::uint64_t, 6> page{};   ///< of an entry that maps a page
    std::array<bool, 6> large{};           ///< bit 7 makes an entry of this level map a page
  };
  std::uint64_t address_high = 0;  ///< bits 51:MAXPHYADDR
  ReservedBits ept_reserved;
  ReservedBits guest_reserved;
};

/// Reserved bits of a PDPTE that is present (SDM 5.4.1).
constexpr std::uint64_t pdpte_reserved_bits(unsigned maxphyaddr) {
  return ~std::uint64_t{0} << maxphyaddr | arch::BitField{8, 5}.mask() |
         arch::BitField{2, 1}.mask();
}

/// With PAE paging and EPT off the PDPTE registers are loaded from memory at CR3, as MOV to CR3
/// does (SDM 5.4.1): whoever starts walks does it first, and again when CR3 is loaded. Does nothing
/// in any other mode. An entry with a reserved bit is refused, and `context` stays as it was.
std::optional<ContextError> load_pdptes(WalkContext& context, const arch::PhysicalMemory& memory);

}  // namespace eptsim::mmu
