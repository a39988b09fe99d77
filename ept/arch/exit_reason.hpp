#pragma once

#include <cstdint>
#include <string_view>

#include "ept/arch/bit_field.hpp"

namespace eptsim::arch {

/// Basic exit reasons, bits 15:0 of the exit-reason field (SDM appendix C).
enum class ExitReason : std::uint16_t {
  kException = 0,
  kExternalInterrupt = 1,
  kTripleFault = 2,
  kCpuid = 10,
  kHlt = 12,
  kInvlpg = 14,
  kVmcall = 18,
  kVmclear = 19,
  kVmlaunch = 20,
  kVmptrld = 21,
  kVmread = 23,
  kVmresume = 24,
  kVmwrite = 25,
  kVmxoff = 26,
  kVmxon = 27,
  kControlRegister = 28,
  kIo = 30,
  kRdmsr = 31,
  kWrmsr = 32,
  kInvalidGuestState = 33,
  kMsrLoading = 34,
  kMonitorTrap = 37,
  kApicAccess = 44,
  kGdtrIdtr = 46,
  kLdtrTr = 47,
  kEptViolation = 48,
  kEptMisconfiguration = 49,
  kInvept = 50,
  kRdtscp = 51,
  kPreemptionTimer = 52,
  kInvvpid = 53,
  kWbinvd = 54,
  kXsetbv = 55,
  kApicWrite = 56,
  kInvpcid = 58,
  kVmfunc = 59,
  kPmlFull = 62,
  kXsaves = 63,
  kXrstors = 64,
  kSppEvent = 66,
  kBusLock = 74,
  kInstructionTimeout = 75,
};

/// The spelling of statistics and results.
constexpr std::string_view name(ExitReason reason) {
  switch (reason) {
    case ExitReason::kException: return "exception";
    case ExitReason::kExternalInterrupt: return "external_interrupt";
    case ExitReason::kTripleFault: return "triple_fault";
    case ExitReason::kCpuid: return "cpuid";
    case ExitReason::kHlt: return "hlt";
    case ExitReason::kInvlpg: return "invlpg";
    case ExitReason::kVmcall: return "vmcall";
    case ExitReason::kVmclear: return "vmclear";
    case ExitReason::kVmlaunch: return "vmlaunch";
    case ExitReason::kVmptrld: return "vmptrld";
    case ExitReason::kVmread: return "vmread";
    case ExitReason::kVmresume: return "vmresume";
    case ExitReason::kVmwrite: return "vmwrite";
    case ExitReason::kVmxoff: return "vmxoff";
    case ExitReason::kVmxon: return "vmxon";
    case ExitReason::kControlRegister: return "control_register";
    case ExitReason::kIo: return "io";
    case ExitReason::kRdmsr: return "rdmsr";
    case ExitReason::kWrmsr: return "wrmsr";
    case ExitReason::kInvalidGuestState: return "invalid_guest_state";
    case ExitReason::kMsrLoading: return "msr_loading";
    case ExitReason::kMonitorTrap: return "monitor_trap";
    case ExitReason::kApicAccess: return "apic_access";
    case ExitReason::kGdtrIdtr: return "gdtr_idtr";
    case ExitReason::kLdtrTr: return "ldtr_tr";
    case ExitReason::kEptViolation: return "ept_violation";
    case ExitReason::kEptMisconfiguration: return "ept_misconfig";
    case ExitReason::kInvept: return "invept";
    case ExitReason::kRdtscp: return "rdtscp";
    case ExitReason::kPreemptionTimer: return "preemption_timer";
    case ExitReason::kInvvpid: return "invvpid";
    case ExitReason::kWbinvd: return "wbinvd";
    case ExitReason::kXsetbv: return "xsetbv";
    case ExitReason::kApicWrite: return "apic_write";
    case ExitReason::kInvpcid: return "invpcid";
    case ExitReason::kVmfunc: return "vmfunc";
    case ExitReason::kPmlFull: return "pml_full";
    case ExitReason::kXsaves: return "xsaves";
    case ExitReason::kXrstors: return "xrstors";
    case ExitReason::kSppEvent: return "spp_event";
    case ExitReason::kBusLock: return "bus_lock";
    case ExitReason::kInstructionTimeout: return "instruction_timeout";
  }
  return "?";
}

}  // namespace eptsim::arch

/// The exit-reason field, 0x4402 (SDM 27.9.1).
namespace eptsim::arch::exit_reason {
inline constexpr FieldFact kFields[] = {
    {"BASIC", {15, 0}, "27.9.1", "the basic exit reason"},
    {"SHADOW_STACK_BUSY", {25, 25}, "27.9.1", "a shadow stack was left prematurely busy"},
    {"BUS_LOCK", {26, 26}, "27.9.1", "a bus lock was asserted"},
    {"ENCLAVE", {27, 27}, "27.9.1", "the exit was in enclave mode"},
    {"ROOT", {29, 29}, "27.9.1", "exit from VMX root operation"},
    {"ENTRY_FAILURE", {31, 31}, "27.9.1", "VM entry failed"},
};
inline constexpr BitField kBasic = bits_of(kFields, "BASIC");
inline constexpr BitField kEntryFailure = bits_of(kFields, "ENTRY_FAILURE");
}  // namespace eptsim::arch::exit_reason

/// Exit qualification of VM-entry failures due to guest state (SDM 29.8) and of control-register
/// accesses (SDM 30.2.1).
namespace eptsim::arch::qualification {
inline constexpr std::uint64_t kPdpteLoading = 2;

inline constexpr FieldFact kControlRegisterFields[] = {
    {"REGISTER", {3, 0}, "30.2.1", "number of the control register"},
    {"ACCESS", {5, 4}, "30.2.1", "0: MOV to it"},
    {"OPERAND", {11, 8}, "30.2.1", "the general-purpose register: 0 is RAX"},
};
inline constexpr BitField kControlRegister = bits_of(kControlRegisterFields, "REGISTER");
}  // namespace eptsim::arch::qualification
