#pragma once

#include "ept/arch/bit_field.hpp"
#include "ept/arch/exit_reason.hpp"

/// What a refused translation reports: the exit qualification of EPT violations (SDM 30.2.1,
/// table 30-7), and the error code of page faults (SDM 5.7).
namespace eptsim::arch::qualification {

inline constexpr FieldFact kFields[] = {
    {"READ", {0, 0}, "30.2.1", "the access was a data read"},
    {"WRITE", {1, 1}, "30.2.1", "the access was a data write"},
    {"FETCH", {2, 2}, "30.2.1", "the access was an instruction fetch"},
    {"READABLE", {3, 3}, "30.2.1", "READ is set in every EPT entry used"},
    {"WRITABLE", {4, 4}, "30.2.1", "WRITE is set in every EPT entry used"},
    {"EXECUTABLE", {5, 5}, "30.2.1", "EXECUTE is set in every EPT entry used"},
    {"USER_EXECUTABLE",
     {6, 6},
     "30.2.1",
     "USER_EXECUTE is set in every EPT entry used, with mode-based execute control"},
    {"LINEAR_VALID", {7, 7}, "30.2.1", "the guest linear-address field is valid"},
    {"FINAL",
     {8, 8},
     "30.2.1",
     "the access was to the translation of a linear address, not to a paging structure"},
    {"USER_ADDRESS", {9, 9}, "30.2.1", "the linear address is user-mode (advanced information)"},
    {"GUEST_WRITABLE", {10, 10}, "30.2.1", "the guest's page is read/write (advanced information)"},
    {"GUEST_NX", {11, 11}, "30.2.1", "the guest's page is execute-disable (advanced information)"},
    {"NMI_UNBLOCKING", {12, 12}, "30.2.1", "NMI unblocking due to IRET"},
    {"SHADOW_STACK", {13, 13}, "30.2.1", "the access was a shadow-stack access"},
    {"SUPERVISOR_SHADOW_STACK", {14, 14}, "30.2.1", "bit 60 of the EPT leaf, if EPTP bit 7 is set"},
    {"GUEST_PAGING_VERIFICATION", {15, 15}, "30.2.1", "guest-paging verification failed"},
    {"ASYNCHRONOUS", {16, 16}, "30.2.1", "asynchronous to instruction execution"},
};
inline constexpr BitField kRead = bits_of(kFields, "READ");
inline constexpr BitField kWrite = bits_of(kFields, "WRITE");
inline constexpr BitField kFetch = bits_of(kFields, "FETCH");
inline constexpr BitField kReadable = bits_of(kFields, "READABLE");
inline constexpr BitField kWritable = bits_of(kFields, "WRITABLE");
inline constexpr BitField kExecutable = bits_of(kFields, "EXECUTABLE");
inline constexpr BitField kUserExecutable = bits_of(kFields, "USER_EXECUTABLE");
inline constexpr BitField kLinearValid = bits_of(kFields, "LINEAR_VALID");
inline constexpr BitField kFinal = bits_of(kFields, "FINAL");
inline constexpr BitField kUserAddress = bits_of(kFields, "USER_ADDRESS");
inline constexpr BitField kGuestWritable = bits_of(kFields, "GUEST_WRITABLE");
inline constexpr BitField kGuestNx = bits_of(kFields, "GUEST_NX");
inline constexpr BitField kNmiUnblocking = bits_of(kFields, "NMI_UNBLOCKING");
inline constexpr BitField kShadowStack = bits_of(kFields, "SHADOW_STACK");
inline constexpr BitField kSupervisorShadowStack = bits_of(kFields, "SUPERVISOR_SHADOW_STACK");
inline constexpr BitField kGuestPagingVerification = bits_of(kFields, "GUEST_PAGING_VERIFICATION");

}  // namespace eptsim::arch::qualification

namespace eptsim::arch::error_code {

inline constexpr FieldFact kFields[] = {
    {"PRESENT", {0, 0}, "5.7", "a right was missing, or a reserved bit set: not an absent page"},
    {"WRITE", {1, 1}, "5.7", "the access was a write"},
    {"USER", {2, 2}, "5.7", "the access was made in user mode"},
    {"RESERVED", {3, 3}, "5.7", "a reserved bit was set in an entry"},
    {"FETCH", {4, 4}, "5.7", "the access was an instruction fetch"},
    {"PROTECTION_KEY", {5, 5}, "5.7", "a protection key refused the access"},
    {"SHADOW_STACK", {6, 6}, "5.7", "the access was a shadow-stack access"},
    {"HLAT", {7, 7}, "5.7", "the fault arose in HLAT paging"},
};
inline constexpr BitField kPresent = bits_of(kFields, "PRESENT");
inline constexpr BitField kWrite = bits_of(kFields, "WRITE");
inline constexpr BitField kUser = bits_of(kFields, "USER");
inline constexpr BitField kReserved = bits_of(kFields, "RESERVED");
inline constexpr BitField kFetch = bits_of(kFields, "FETCH");
inline constexpr BitField kProtectionKey = bits_of(kFields, "PROTECTION_KEY");
inline constexpr BitField kShadowStack = bits_of(kFields, "SHADOW_STACK");
inline constexpr BitField kHlat = bits_of(kFields, "HLAT");

}  // namespace eptsim::arch::error_code
