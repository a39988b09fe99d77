#pragma once

#include "ept/arch/bit_field.hpp"

/// Bits of the VMCS's control fields: those that this processor knows (SDM 27.6 to 27.8).
namespace eptsim::arch::pin_controls {
inline constexpr FieldFact kFields[] = {
    {"NMI_EXITING", {3, 3}, "27.6.1", "NMIs cause VM exits"},
    {"VIRTUAL_NMIS", {5, 5}, "27.6.1", "NMIs are virtual, and so is their blocking"},
};
inline constexpr BitField kNmiExiting = bits_of(kFields, "NMI_EXITING");
inline constexpr BitField kVirtualNmis = bits_of(kFields, "VIRTUAL_NMIS");
}  // namespace eptsim::arch::pin_controls

namespace eptsim::arch::primary_controls {
inline constexpr FieldFact kFields[] = {
    {"HLT_EXITING", {7, 7}, "27.6.2", "HLT causes VM exits"},
    {"INVLPG_EXITING", {9, 9}, "27.6.2", "INVLPG and INVPCID cause VM exits"},
    {"CR3_LOAD_EXITING", {15, 15}, "27.6.2", "MOV to CR3 causes VM exits"},
    {"TERTIARY", {17, 17}, "27.6.2", "the tertiary controls are in use"},
    {"MSR_BITMAPS", {28, 28}, "27.6.2", "a bitmap says which MSRs cause VM exits"},
    {"SECONDARY", {31, 31}, "27.6.2", "the secondary controls are in use"},
};
inline constexpr BitField kHltExiting = bits_of(kFields, "HLT_EXITING");
inline constexpr BitField kInvlpgExiting = bits_of(kFields, "INVLPG_EXITING");
inline constexpr BitField kCr3LoadExiting = bits_of(kFields, "CR3_LOAD_EXITING");
inline constexpr BitField kTertiary = bits_of(kFields, "TERTIARY");
inline constexpr BitField kMsrBitmaps = bits_of(kFields, "MSR_BITMAPS");
inline constexpr BitField kSecondary = bits_of(kFields, "SECONDARY");
}  // namespace eptsim::arch::primary_controls

namespace eptsim::arch::secondary_controls {
inline constexpr FieldFact kFields[] = {
    {"EPT", {1, 1}, "27.6.2", "extended page tables"},
    {"VPID", {5, 5}, "27.6.2", "cached translations are tagged with a VPID"},
    {"UNRESTRICTED_GUEST", {7, 7}, "27.6.2", "the guest may run without paging or protection"},
    {"INVPCID", {12, 12}, "27.6.2", "the guest may use INVPCID"},
    {"VM_FUNCTIONS", {13, 13}, "27.6.2", "the guest may use VMFUNC"},
    {"PML", {17, 17}, "27.6.2", "page-modification logging"},
    {"EPT_VIOLATION_VE", {18, 18}, "27.6.2", "EPT violations may become #VE"},
    {"MODE_BASED_EXECUTE", {22, 22}, "27.6.2", "execute permission by mode of the linear address"},
    {"SUB_PAGE_PERMISSION", {23, 23}, "27.6.2", "write permission by 128 bytes"},
};
inline constexpr BitField kEpt = bits_of(kFields, "EPT");
inline constexpr BitField kVpid = bits_of(kFields, "VPID");
inline constexpr BitField kUnrestrictedGuest = bits_of(kFields, "UNRESTRICTED_GUEST");
inline constexpr BitField kInvpcid = bits_of(kFields, "INVPCID");
inline constexpr BitField kVmFunctions = bits_of(kFields, "VM_FUNCTIONS");
inline constexpr BitField kPml = bits_of(kFields, "PML");
inline constexpr BitField kEptViolationVe = bits_of(kFields, "EPT_VIOLATION_VE");
inline constexpr BitField kModeBasedExecute = bits_of(kFields, "MODE_BASED_EXECUTE");
inline constexpr BitField kSubPagePermission = bits_of(kFields, "SUB_PAGE_PERMISSION");
}  // namespace eptsim::arch::secondary_controls

namespace eptsim::arch::tertiary_controls {
inline constexpr FieldFact kFields[] = {
    {"HLAT", {1, 1}, "27.6.2", "hypervisor-managed linear-address translation"},
    {"PAGING_WRITE", {2, 2}, "27.6.2", "EPT entries may allow paging writes alone"},
    {"GUEST_PAGING_VERIFICATION", {3, 3}, "27.6.2", "EPT entries may ask how they were reached"},
};
inline constexpr BitField kHlat = bits_of(kFields, "HLAT");
inline constexpr BitField kPagingWrite = bits_of(kFields, "PAGING_WRITE");
inline constexpr BitField kGuestPagingVerification = bits_of(kFields, "GUEST_PAGING_VERIFICATION");
}  // namespace eptsim::arch::tertiary_controls

namespace eptsim::arch::exit_controls {
inline constexpr FieldFact kFields[] = {
    {"HOST_64_BIT", {9, 9}, "27.7.1", "the host runs in 64-bit mode"},
    {"SAVE_PAT", {18, 18}, "27.7.1", "the guest's PAT is saved"},
    {"LOAD_PAT", {19, 19}, "27.7.1", "the host's PAT is loaded"},
    {"SAVE_EFER", {20, 20}, "27.7.1", "the guest's EFER is saved"},
    {"LOAD_EFER", {21, 21}, "27.7.1", "the host's EFER is loaded"},
    {"LOAD_PKRS", {29, 29}, "27.7.1", "the host's PKRS is loaded"},
};
inline constexpr BitField kHost64Bit = bits_of(kFields, "HOST_64_BIT");
inline constexpr BitField kSavePat = bits_of(kFields, "SAVE_PAT");
inline constexpr BitField kLoadPat = bits_of(kFields, "LOAD_PAT");
inline constexpr BitField kSaveEfer = bits_of(kFields, "SAVE_EFER");
inline constexpr BitField kLoadEfer = bits_of(kFields, "LOAD_EFER");
inline constexpr BitField kLoadPkrs = bits_of(kFields, "LOAD_PKRS");
}  // namespace eptsim::arch::exit_controls

namespace eptsim::arch::entry_controls {
inline constexpr FieldFact kFields[] = {
    {"IA32E_GUEST", {9, 9}, "27.8.1", "the guest is in IA-32e mode"},
    {"LOAD_PAT", {14, 14}, "27.8.1", "the guest's PAT is loaded"},
    {"LOAD_EFER", {15, 15}, "27.8.1", "the guest's EFER is loaded"},
    {"LOAD_PKRS", {22, 22}, "27.8.1", "the guest's PKRS is loaded"},
};
inline constexpr BitField kIa32eGuest = bits_of(kFields, "IA32E_GUEST");
inline constexpr BitField kLoadPat = bits_of(kFields, "LOAD_PAT");
inline constexpr BitField kLoadEfer = bits_of(kFields, "LOAD_EFER");
inline constexpr BitField kLoadPkrs = bits_of(kFields, "LOAD_PKRS");
}  // namespace eptsim::arch::entry_controls

/// VM-function controls (SDM 27.6.14, 28.5.6).
namespace eptsim::arch::vm_functions {
inline constexpr FieldFact kFields[] = {
    {"EPTP_SWITCHING", {0, 0}, "28.5.6.3", "VMFUNC leaf 0: another EPTP from a list"},
};
inline constexpr BitField kEptpSwitching = bits_of(kFields, "EPTP_SWITCHING");
inline constexpr unsigned kEptpListEntries = 512;
}  // namespace eptsim::arch::vm_functions

/// Information about an event, as a VM exit reports it (SDM 27.9.2, 27.9.3).
namespace eptsim::arch::event_information {
inline constexpr FieldFact kFields[] = {
    {"VECTOR", {7, 0}, "27.9.2", "vector of interrupt or exception"},
    {"TYPE", {10, 8}, "27.9.2", "0 external interrupt, 2 NMI, 3 hardware exception, 4 software"},
    {"ERROR_CODE_VALID", {11, 11}, "27.9.2", "the event has an error code"},
    {"NMI_UNBLOCKING", {12, 12}, "27.9.2", "NMI unblocking due to IRET"},
    {"VALID", {31, 31}, "27.9.2", "the field holds an event"},
};
inline constexpr BitField kVector = bits_of(kFields, "VECTOR");
inline constexpr BitField kType = bits_of(kFields, "TYPE");
inline constexpr BitField kErrorCodeValid = bits_of(kFields, "ERROR_CODE_VALID");
inline constexpr BitField kNmiUnblocking = bits_of(kFields, "NMI_UNBLOCKING");
inline constexpr BitField kValid = bits_of(kFields, "VALID");
}  // namespace eptsim::arch::event_information

/// Guest state beside the control registers (SDM 27.4).
namespace eptsim::arch::guest_state {
inline constexpr FieldFact kFields[] = {
    {"CODE_64_BIT", {13, 13}, "27.4.1", "CS access rights: L, 64-bit code"},
    {"STACK_DPL", {6, 5}, "27.4.1", "SS access rights: DPL, which is the CPL"},
    {"BLOCKING_BY_NMI", {3, 3}, "27.4.2", "interruptibility: NMIs, or virtual NMIs, are blocked"},
    {"RFLAGS_FIXED", {1, 1}, "29.3.1.4", "RFLAGS: always 1"},
    {"RESUME_FLAG", {16, 16}, "30.3.3", "RFLAGS: RF"},
    {"ALIGNMENT_CHECK", {18, 18}, "5.6", "RFLAGS: AC"},
};
inline constexpr BitField kCode64Bit = bits_of(kFields, "CODE_64_BIT");
inline constexpr BitField kStackDpl = bits_of(kFields, "STACK_DPL");
inline constexpr BitField kBlockingByNmi = bits_of(kFields, "BLOCKING_BY_NMI");
inline constexpr BitField kRflagsFixed = bits_of(kFields, "RFLAGS_FIXED");
inline constexpr BitField kResumeFlag = bits_of(kFields, "RESUME_FLAG");
inline constexpr BitField kAlignmentCheck = bits_of(kFields, "ALIGNMENT_CHECK");
}  // namespace eptsim::arch::guest_state
