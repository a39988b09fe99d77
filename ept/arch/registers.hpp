#pragma once

#include "ept/arch/bit_field.hpp"

/// Control registers and EFER, as far as translation depends on them (SDM 2.2.1, 2.5).
namespace eptsim::arch::cr0 {
inline constexpr FieldFact kFields[] = {
    {"PE", {0, 0}, "2.5", "protection"},
    {"WP", {16, 16}, "2.5", "supervisor writes respect read-only pages"},
    {"CD", {30, 30}, "2.5", "caches disabled: every access is UC"},
    {"PG", {31, 31}, "2.5", "paging"},
};
inline constexpr BitField kPe = bits_of(kFields, "PE");
inline constexpr BitField kWp = bits_of(kFields, "WP");
inline constexpr BitField kCd = bits_of(kFields, "CD");
inline constexpr BitField kPg = bits_of(kFields, "PG");
}  // namespace eptsim::arch::cr0

namespace eptsim::arch::cr3 {
inline constexpr FieldFact kFields[] = {
    {"PCID", {11, 0}, "5.10.1", "process-context identifier, if CR4.PCIDE is set"},
    {"WRITE_THROUGH", {3, 3}, "5.9.2", "bit 0 of the PAT index for the first table"},
    {"CACHE_DISABLE", {4, 4}, "5.9.2", "bit 1 of the PAT index for the first table"},
    {"PAE_ADDRESS", {31, 5}, "5.4.1", "address of the four PDPTEs in PAE paging"},
    {"ADDRESS", {51, 12}, "5.5.2", "guest-physical address of the first table"},
    {"LAM_U57", {61, 61}, "4.4", "linear-address masking for user pointers, 57 bits"},
    {"LAM_U48", {62, 62}, "4.4", "linear-address masking for user pointers, 48 bits"},
};
inline constexpr BitField kPcid = bits_of(kFields, "PCID");
inline constexpr BitField kWriteThrough = bits_of(kFields, "WRITE_THROUGH");
inline constexpr BitField kCacheDisable = bits_of(kFields, "CACHE_DISABLE");
inline constexpr BitField kPaeAddress = bits_of(kFields, "PAE_ADDRESS");
inline constexpr BitField kAddress = bits_of(kFields, "ADDRESS");
inline constexpr BitField kLamU57 = bits_of(kFields, "LAM_U57");
inline constexpr BitField kLamU48 = bits_of(kFields, "LAM_U48");
}  // namespace eptsim::arch::cr3

namespace eptsim::arch::cr4 {
inline constexpr FieldFact kFields[] = {
    {"PSE", {4, 4}, "2.5", "4 MiB pages in 32-bit paging"},
    {"PAE", {5, 5}, "2.5", "entries of 64 bits"},
    {"PGE", {7, 7}, "2.5", "global pages"},
    {"LA57", {12, 12}, "2.5", "5-level paging"},
    {"PCIDE", {17, 17}, "2.5", "process-context identifiers"},
    {"SMEP", {20, 20}, "2.5", "no supervisor fetches from user pages"},
    {"SMAP", {21, 21}, "2.5", "no supervisor data accesses to user pages"},
    {"PKE", {22, 22}, "2.5", "protection keys for user pages"},
    {"CET", {23, 23}, "2.5", "control-flow enforcement: shadow stacks"},
    {"PKS", {24, 24}, "2.5", "protection keys for supervisor pages"},
    {"LASS", {27, 27}, "2.5", "linear-address-space separation"},
    {"LAM_SUP", {28, 28}, "2.5", "linear-address masking for supervisor pointers"},
};
inline constexpr BitField kPse = bits_of(kFields, "PSE");
inline constexpr BitField kPae = bits_of(kFields, "PAE");
inline constexpr BitField kPge = bits_of(kFields, "PGE");
inline constexpr BitField kLa57 = bits_of(kFields, "LA57");
inline constexpr BitField kPcide = bits_of(kFields, "PCIDE");
inline constexpr BitField kSmep = bits_of(kFields, "SMEP");
inline constexpr BitField kSmap = bits_of(kFields, "SMAP");
inline constexpr BitField kPke = bits_of(kFields, "PKE");
inline constexpr BitField kCet = bits_of(kFields, "CET");
inline constexpr BitField kPks = bits_of(kFields, "PKS");
inline constexpr BitField kLass = bits_of(kFields, "LASS");
inline constexpr BitField kLamSup = bits_of(kFields, "LAM_SUP");
}  // namespace eptsim::arch::cr4

namespace eptsim::arch::efer {
inline constexpr FieldFact kFields[] = {
    {"LME", {8, 8}, "2.2.1", "IA-32e mode enabled"},
    {"LMA", {10, 10}, "2.2.1", "IA-32e mode active"},
    {"NXE", {11, 11}, "2.2.1", "execute-disable bit in use"},
};
inline constexpr BitField kLme = bits_of(kFields, "LME");
inline constexpr BitField kLma = bits_of(kFields, "LMA");
inline constexpr BitField kNxe = bits_of(kFields, "NXE");
}  // namespace eptsim::arch::efer
