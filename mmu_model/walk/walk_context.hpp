#pragma once

#include <array>
#include <cstdint>

#include "ept/arch/memory_type.hpp"
#include "mmu_model/walk/context.hpp"

namespace eptsim::mmu {

/// A Context that `check` accepted, taken apart once for any number of walks: which paging modes
/// are on, where the tables are, and which bits of their entries are reserved. Nothing in it
/// changes after construction.
struct WalkContext {
  explicit WalkContext(const Context& context);

  Context raw;

  // The EPT (SDM 31.3). Meaningless with EPT off, but for `ept` itself.
  bool ept = false;
  bool ept_accessed_dirty = false;  ///< EPTP bit 6
  bool mode_based_execute = false;
  bool execute_only = false;
  unsigned ept_levels = 0;        ///< 4 or 5; 0 with EPT off
  std::uint64_t ept_root = 0;     ///< EPTRTA, as an address
  std::uint64_t ept_present = 0;  ///< an entry is present if it has any of these bits
  std::uint64_t ept_execute = 0;  ///< the execute bits: 2, and 10 with mode-based execute

  // Guest paging (SDM 5.1).
  bool long_mode = false;             ///< EFER.LMA: addresses of 64 bits, LASS, protection keys
  unsigned guest_levels = 0;          ///< entries read from memory: 0, 2, 4 or 5
  bool wide_guest_entries = true;     ///< 8-byte entries
  std::uint64_t guest_root = 0;       ///< guest-physical address of the first table
  std::uint64_t linear_mask = 0;      ///< bits that a linear address has
  unsigned linear_width = 32;         ///< bits of a canonical linear address
  std::uint64_t execute_disable = 0;  ///< the XD bit of guest entries; 0 without EFER.NXE

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

}  // namespace eptsim::mmu
