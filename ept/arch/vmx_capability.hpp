#pragma once

#include "ept/arch/bit_field.hpp"

/// IA32_VMX_EPT_VPID_CAP, MSR 48CH (SDM appendix A.10).
namespace eptsim::arch::ept_vpid_cap {
inline constexpr FieldFact kFields[] = {
    {"EXECUTE_ONLY", {0, 0}, "A.10", "EPT entries may give execute alone"},
    {"WALK_LENGTH_4", {6, 6}, "A.10", "EPT of 4 levels"},
    {"WALK_LENGTH_5", {7, 7}, "A.10", "EPT of 5 levels"},
    {"TYPE_UC", {8, 8}, "A.10", "EPT tables may be UC"},
    {"TYPE_WB", {14, 14}, "A.10", "EPT tables may be WB"},
    {"PAGE_2M", {16, 16}, "A.10", "EPT pages of 2 MiB"},
    {"PAGE_1G", {17, 17}, "A.10", "EPT pages of 1 GiB"},
    {"INVEPT", {20, 20}, "A.10", "INVEPT"},
    {"ACCESSED_DIRTY", {21, 21}, "A.10", "accessed and dirty flags for EPT"},
    {"ADVANCED_EXIT_INFORMATION", {22, 22}, "A.10", "EPT violations tell the guest's rights"},
    {"SUPERVISOR_SHADOW_STACK", {23, 23}, "A.10", "supervisor shadow-stack control"},
    {"INVEPT_SINGLE", {25, 25}, "A.10", "INVEPT of one EPT"},
    {"INVEPT_ALL", {26, 26}, "A.10", "INVEPT of all"},
    {"INVVPID", {32, 32}, "A.10", "INVVPID"},
    {"INVVPID_ADDRESS", {40, 40}, "A.10", "INVVPID of an address"},
    {"INVVPID_SINGLE", {41, 41}, "A.10", "INVVPID of one VPID"},
    {"INVVPID_ALL", {42, 42}, "A.10", "INVVPID of all"},
    {"INVVPID_KEEPING_GLOBALS", {43, 43}, "A.10", "INVVPID of one VPID but for globals"},
    {"HLAT_PREFIX_SIZE", {53, 48}, "A.10", "greatest HLAT prefix size"},
};
inline constexpr BitField kExecuteOnly = bits_of(kFields, "EXECUTE_ONLY");
inline constexpr BitField kWalkLength4 = bits_of(kFields, "WALK_LENGTH_4");
inline constexpr BitField kWalkLength5 = bits_of(kFields, "WALK_LENGTH_5");
inline constexpr BitField kTypeUc = bits_of(kFields, "TYPE_UC");
inline constexpr BitField kTypeWb = bits_of(kFields, "TYPE_WB");
inline constexpr BitField kPage2M = bits_of(kFields, "PAGE_2M");
inline constexpr BitField kPage1G = bits_of(kFields, "PAGE_1G");
inline constexpr BitField kInvept = bits_of(kFields, "INVEPT");
inline constexpr BitField kAccessedDirty = bits_of(kFields, "ACCESSED_DIRTY");
inline constexpr BitField kAdvancedExitInformation = bits_of(kFields, "ADVANCED_EXIT_INFORMATION");
inline constexpr BitField kSupervisorShadowStack = bits_of(kFields, "SUPERVISOR_SHADOW_STACK");
inline constexpr BitField kInveptSingle = bits_of(kFields, "INVEPT_SINGLE");
inline constexpr BitField kInveptAll = bits_of(kFields, "INVEPT_ALL");
inline constexpr BitField kInvvpid = bits_of(kFields, "INVVPID");
inline constexpr BitField kInvvpidAddress = bits_of(kFields, "INVVPID_ADDRESS");
inline constexpr BitField kInvvpidSingle = bits_of(kFields, "INVVPID_SINGLE");
inline constexpr BitField kInvvpidAll = bits_of(kFields, "INVVPID_ALL");
inline constexpr BitField kInvvpidKeepingGlobals = bits_of(kFields, "INVVPID_KEEPING_GLOBALS");
inline constexpr BitField kHlatPrefixSize = bits_of(kFields, "HLAT_PREFIX_SIZE");
}  // namespace eptsim::arch::ept_vpid_cap

namespace eptsim::arch {

/// VM-instruction error numbers, VMCS field 0x4400 (SDM 33.4).
enum class VmInstructionError : std::uint8_t {
  kVmcallInRoot = 1,
  kVmlaunchNotClear = 4,
  kVmresumeNotLaunched = 5,
  kInvalidControls = 7,
  kInvalidHostState = 8,
  kUnsupportedField = 12,
  kReadOnlyField = 13,
  kVmxonInRoot = 15,
  kInvalidOperand = 28,  ///< of INVEPT or INVVPID
};

/// Vectors of the exceptions that translation and its instructions raise (SDM 7.15).
enum class Vector : std::uint8_t {
  kInvalidOpcode = 6,
  kDoubleFault = 8,
  kStackSegment = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kVirtualization = 20,
};

}  // namespace eptsim::arch
