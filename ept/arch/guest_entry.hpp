#pragma once

#include "ept/arch/bit_field.hpp"

/// Guest paging-structure entries of 64 bits: PAE, 4- and 5-level paging (SDM 5.4, 5.5), and the
/// 32-bit entries of 32-bit paging, whose low 12 bits have the same meaning (SDM 5.3).
namespace eptsim::arch::guest_entry {

inline constexpr FieldFact kFields[] = {
    {"PRESENT", {0, 0}, "5.5.4", "the entry is in use"},
    {"WRITABLE", {1, 1}, "5.6", "writes allowed"},
    {"USER", {2, 2}, "5.6", "user-mode accesses allowed"},
    {"WRITE_THROUGH", {3, 3}, "5.9.2", "bit 0 of the PAT index"},
    {"CACHE_DISABLE", {4, 4}, "5.9.2", "bit 1 of the PAT index"},
    {"ACCESSED", {5, 5}, "5.8", "used by a translation"},
    {"DIRTY", {6, 6}, "5.8", "written through (leaf)"},
    {"PAGE_SIZE", {7, 7}, "5.5.4", "the entry maps a large page (PDPTE, PDE)"},
    {"PAT_4K", {7, 7}, "5.9.2", "bit 2 of the PAT index, in an entry that maps a 4 KiB page"},
    {"GLOBAL", {8, 8}, "5.10.2.4", "translation kept when CR3 changes, if CR4.PGE is set (leaf)"},
    {"RESTART", {11, 11}, "5.5.5", "HLAT paging restarts with ordinary paging"},
    {"PAT_LARGE", {12, 12}, "5.9.2", "bit 2 of the PAT index, in an entry that maps a large page"},
    {"ADDRESS", {51, 12}, "5.5.4", "guest-physical address of the next table or of the page"},
    {"PROTECTION_KEY", {62, 59}, "5.6.2", "key of the page, if CR4.PKE or CR4.PKS is set (leaf)"},
    {"EXECUTE_DISABLE", {63, 63}, "5.6", "instruction fetches refused, if EFER.NXE is set"},
};

inline constexpr BitField kPresent = bits_of(kFields, "PRESENT");
inline constexpr BitField kWritable = bits_of(kFields, "WRITABLE");
inline constexpr BitField kUser = bits_of(kFields, "USER");
inline constexpr BitField kWriteThrough = bits_of(kFields, "WRITE_THROUGH");
inline constexpr BitField kCacheDisable = bits_of(kFields, "CACHE_DISABLE");
inline constexpr BitField kAccessed = bits_of(kFields, "ACCESSED");
inline constexpr BitField kDirty = bits_of(kFields, "DIRTY");
inline constexpr BitField kPageSize = bits_of(kFields, "PAGE_SIZE");
inline constexpr BitField kPat4K = bits_of(kFields, "PAT_4K");
inline constexpr BitField kGlobal = bits_of(kFields, "GLOBAL");
inline constexpr BitField kRestart = bits_of(kFields, "RESTART");
inline constexpr BitField kPatLarge = bits_of(kFields, "PAT_LARGE");
inline constexpr BitField kAddress = bits_of(kFields, "ADDRESS");
inline constexpr BitField kProtectionKey = bits_of(kFields, "PROTECTION_KEY");
inline constexpr BitField kExecuteDisable = bits_of(kFields, "EXECUTE_DISABLE");

}  // namespace eptsim::arch::guest_entry
