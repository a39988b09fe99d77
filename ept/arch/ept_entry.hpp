#pragma once

#include "ept/arch/bit_field.hpp"

/// EPT paging-structure entries: 64 bits, 512 to a table (SDM 31.3.2, tables 31-1 to 31-6).
namespace eptsim::arch::ept_entry {

inline constexpr FieldFact kFields[] = {
    {"READ", {0, 0}, "31.3.2", "data reads allowed"},
    {"WRITE", {1, 1}, "31.3.2", "data writes allowed"},
    {"EXECUTE",
     {2, 2},
     "31.3.2",
     "instruction fetches allowed; with mode-based execute control, from supervisor-mode "
     "addresses"},
    {"MEMORY_TYPE", {5, 3}, "31.3.7", "memory type of the page (leaf)"},
    {"IGNORE_PAT", {6, 6}, "31.3.7", "the guest's PAT is ignored for the page (leaf)"},
    {"PAGE_SIZE", {7, 7}, "31.3.2", "the entry maps a large page (PDPTE, PDE)"},
    {"ACCESSED", {8, 8}, "31.3.5", "used by a translation, if EPTP bit 6 is set"},
    {"DIRTY", {9, 9}, "31.3.5", "written through, if EPTP bit 6 is set (leaf)"},
    {"USER_EXECUTE",
     {10, 10},
     "31.3.2",
     "instruction fetches from user-mode addresses allowed, with mode-based execute control"},
    {"ADDRESS", {51, 12}, "31.3.2", "host-physical address of the next table or of the page"},
    {"VERIFY", {57, 57}, "31.3.3.2", "verify guest paging (leaf)"},
    {"PAGING_WRITE_ACCESS", {58, 58}, "31.3.3.2", "paging writes allowed (leaf)"},
    {"SUPERVISOR_SHADOW_STACK",
     {60, 60},
     "31.3.3.2",
     "supervisor shadow-stack accesses allowed, if EPTP bit 7 is set (leaf)"},
    {"SUBPAGE_WRITE_PERMISSION", {61, 61}, "31.3.4", "sub-page permissions apply (4 KiB leaf)"},
    {"SUPPRESS_VE",
     {63, 63},
     "28.5.7.1",
     "violations cause VM exits, not virtualization exceptions"},
};

inline constexpr BitField kRead = bits_of(kFields, "READ");
inline constexpr BitField kWrite = bits_of(kFields, "WRITE");
inline constexpr BitField kExecute = bits_of(kFields, "EXECUTE");
inline constexpr BitField kMemoryType = bits_of(kFields, "MEMORY_TYPE");
inline constexpr BitField kIgnorePat = bits_of(kFields, "IGNORE_PAT");
inline constexpr BitField kPageSize = bits_of(kFields, "PAGE_SIZE");
inline constexpr BitField kAccessed = bits_of(kFields, "ACCESSED");
inline constexpr BitField kDirty = bits_of(kFields, "DIRTY");
inline constexpr BitField kUserExecute = bits_of(kFields, "USER_EXECUTE");
inline constexpr BitField kAddress = bits_of(kFields, "ADDRESS");
inline constexpr BitField kVerify = bits_of(kFields, "VERIFY");
inline constexpr BitField kPagingWriteAccess = bits_of(kFields, "PAGING_WRITE_ACCESS");
inline constexpr BitField kSupervisorShadowStack = bits_of(kFields, "SUPERVISOR_SHADOW_STACK");
inline constexpr BitField kSubpageWritePermission = bits_of(kFields, "SUBPAGE_WRITE_PERMISSION");
inline constexpr BitField kSuppressVe = bits_of(kFields, "SUPPRESS_VE");

inline constexpr unsigned kEntriesPerTable = 512;
inline constexpr unsigned kTableBytes = 4096;

}  // namespace eptsim::arch::ept_entry

/// The EPT pointer, VMCS field 0x201A (SDM 27.6.11).
namespace eptsim::arch::eptp {

inline constexpr FieldFact kFields[] = {
    {"MEMORY_TYPE", {2, 0}, "27.6.11", "memory type of the EPT paging structures: 0 UC or 6 WB"},
    {"WALK_LENGTH", {5, 3}, "27.6.11", "levels of the walk less one: 3 or 4"},
    {"ACCESSED_DIRTY", {6, 6}, "27.6.11", "accessed and dirty flags are in use"},
    {"SUPERVISOR_SHADOW_STACK", {7, 7}, "27.6.11", "supervisor shadow-stack control is in use"},
    {"RESERVED", {11, 8}, "27.6.11", "must be zero"},
    {"ADDRESS", {51, 12}, "27.6.11", "host-physical address of the root table"},
};

inline constexpr BitField kMemoryType = bits_of(kFields, "MEMORY_TYPE");
inline constexpr BitField kWalkLength = bits_of(kFields, "WALK_LENGTH");
inline constexpr BitField kAccessedDirty = bits_of(kFields, "ACCESSED_DIRTY");
inline constexpr BitField kSupervisorShadowStack = bits_of(kFields, "SUPERVISOR_SHADOW_STACK");
inline constexpr BitField kReserved = bits_of(kFields, "RESERVED");
inline constexpr BitField kAddress = bits_of(kFields, "ADDRESS");

}  // namespace eptsim::arch::eptp
