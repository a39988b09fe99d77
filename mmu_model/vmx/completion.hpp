#pragma once

#include <cstdint>
#include <optional>

#include "ept/arch/exit_reason.hpp"
#include "ept/arch/vmx_capability.hpp"
#include "ept/arch/vmx_controls.hpp"
#include "mmu_model/vmx/vmcs.hpp"

/// How an operation of a logical processor ends. All of it is a value: faults and VM exits too.
namespace eptsim::mmu {

/// A fault that software gets to handle. The instruction has changed nothing.
struct Fault {
  arch::Vector vector{};
  std::optional<std::uint32_t> error_code{};  ///< of those exceptions that have one
  std::uint64_t address = 0;                  ///< of #PF: what CR2 holds

  friend bool operator==(const Fault&, const Fault&) = default;
};

/// An event that is being delivered through the IDT (SDM 27.9.3).
struct Event {
  /// Of arch::event_information's types.
  static constexpr std::uint8_t kExternalInterrupt = 0;
  static constexpr std::uint8_t kHardwareException = 3;

  arch::Vector vector{};
  std::uint8_t type = kHardwareException;
  std::optional<std::uint32_t> error_code{};

  /// The two fields that report it.
  constexpr std::uint64_t information() const {
    using namespace arch::event_information;
    std::uint64_t word = kVector.set(kValid.mask(), static_cast<std::uint64_t>(vector));
    word = kType.set(word, type);
    return kErrorCodeValid.set(word, error_code.has_value());
  }
};

struct Completion {
  enum class Kind : std::uint8_t {
    kDone,           ///< done; of a VMX instruction: VMsucceed
    kVmFailInvalid,  ///< a VMX instruction failed, and there is no current VMCS
    kVmFailValid,    ///< a VMX instruction failed: `error` stands in the VMCS
    kFault,          ///< `fault`
    kVmExit,         ///< `exit`, and the VMCS says the rest; the processor is in VMX root operation
    kShutdown,       ///< a triple fault outside VMX non-root operation, or a VMX abort
  };
  Kind kind = Kind::kDone;
  std::uint64_t value = 0;  ///< what a load or VMREAD gave
  arch::VmInstructionError error{};
  Fault fault{};
  arch::ExitReason exit{};

  static Completion done(std::uint64_t value = 0) { return {.kind = Kind::kDone, .value = value}; }

  explicit operator bool() const { return kind == Kind::kDone; }
  bool is_exit(arch::ExitReason reason) const { return kind == Kind::kVmExit && exit == reason; }
  bool is_fault(arch::Vector vector) const {
    return kind == Kind::kFault && fault.vector == vector;
  }
};

}  // namespace eptsim::mmu
