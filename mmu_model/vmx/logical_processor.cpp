#include "mmu_model/vmx/logical_processor.hpp"

#include <stdexcept>

namespace eptsim::mmu {

namespace vmcs = arch::vmcs;
using arch::ExitReason;
using arch::Vector;
using arch::VmInstructionError;

LogicalProcessor::LogicalProcessor(const VmxCapabilities& capabilities,
                                   const CacheSettings& settings, arch::PhysicalMemory& memory,
                                   const Registers& host, std::uint64_t seed)
    : capabilities_(capabilities), caches_(settings, seed), memory_(&memory), registers_(host) {}

const WalkContext& LogicalProcessor::context() {
  if (!context_) {
    const Context raw = in_non_root() ? guest_context(*vmcs_, capabilities_, registers_)
                                      : host_context(capabilities_, registers_);
    // VM entry and the instructions that write registers have let nothing else in.
    if (const auto error = check(raw)) throw std::logic_error(error->key + ": " + error->text);
    context_.emplace(raw);
    context_->pdptes = registers_.pdptes;
  }
  return *context_;
}

void LogicalProcessor::change(const Registers& registers) {
  registers_ = registers;
  context_.reset();
}

Completion LogicalProcessor::complete(std::uint64_t value) {
  registers_.rip = (registers_.rip + instruction_.length) & registers_.linear_mask();
  registers_.rflags = arch::guest_state::kResumeFlag.set(registers_.rflags, 0);
  return Completion::done(value);
}

void LogicalProcessor::invalidate(const InvalidationScopes& scopes) {
  if (scopes.empty()) return;
  caches_.invalidate(scopes);
  ++activity_.invalidations;
}

void LogicalProcessor::set_code_segment(std::uint8_t cpl, bool code_64_bit) {
  registers_.cpl = cpl;
  registers_.code_64_bit = code_64_bit;
}

void LogicalProcessor::set_rflags(std::uint64_t value) {
  Registers after = registers_;
  after.rflags = value | arch::guest_state::kRflagsFixed.mask();
  change(after);
}

// SDM 33.3: the checks that VMX instructions begin with, in this order.
LogicalProcessor::Refused LogicalProcessor::begin_vmx_instruction(std::uint8_t length,
                                                                  ExitReason reason) {
  instruction_ = {.length = length};
  const bool compatibility_mode = registers_.long_mode() && !registers_.code_64_bit;
  if (!registers_.protection() || compatibility_mode) return raise(Vector::kInvalidOpcode);
  if (mode_ == Mode::kOutside && reason != ExitReason::kVmxon) {
    return raise(Vector::kInvalidOpcode);
  }
  if (in_non_root()) return exit(reason);
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  return std::nullopt;
}

// SDM 33.2.
Completion LogicalProcessor::vmx_result(VmxResult result) {
  if (result) return complete();
  Completion completion = complete();
  if (vmcs_ == nullptr) {
    completion.kind = Completion::Kind::kVmFailInvalid;
    return completion;
  }
  completion.kind = Completion::Kind::kVmFailValid;
  completion.error = result.error;
  vmcs_->set(vmcs::kInstructionError, static_cast<std::uint64_t>(result.error));
  return completion;
}

Completion LogicalProcessor::vmxon() {
  if (Refused refused = begin_vmx_instruction(4, ExitReason::kVmxon)) return *refused;
  if (mode_ == Mode::kRoot) return vmx_result(VmxResult::fail(VmInstructionError::kVmxonInRoot));
  mode_ = Mode::kRoot;
  return complete();
}

Completion LogicalProcessor::vmxoff() {
  if (Refused refused = begin_vmx_instruction(3, ExitReason::kVmxoff)) return *refused;
  mode_ = Mode::kOutside;
  vmcs_ = nullptr;
  return complete();
}

Completion LogicalProcessor::vmptrld(Vmcs& vmcs) {
  if (Refused refused = begin_vmx_instruction(3, ExitReason::kVmptrld)) return *refused;
  vmcs_ = &vmcs;
  return complete();
}

Completion LogicalProcessor::vmclear(Vmcs& vmcs) {
  if (Refused refused = begin_vmx_instruction(4, ExitReason::kVmclear)) return *refused;
  vmcs.set_launched(false);
  if (vmcs_ == &vmcs) vmcs_ = nullptr;
  return complete();
}

Completion LogicalProcessor::vmread(std::uint64_t encoding) {
  if (Refused refused = begin_vmx_instruction(3, ExitReason::kVmread)) return *refused;
  if (vmcs_ == nullptr) return vmx_result({VmxResult::Kind::kFailInvalid});
  const Vmcs::Read read = vmcs_->vmread(encoding);
  return read.result ? complete(read.value) : vmx_result(read.result);
}

Completion LogicalProcessor::vmwrite(std::uint64_t encoding, std::uint64_t value) {
  if (Refused refused = begin_vmx_instruction(3, ExitReason::kVmwrite)) return *refused;
  if (vmcs_ == nullptr) return vmx_result({VmxResult::Kind::kFailInvalid});
  return vmx_result(vmcs_->vmwrite(encoding, value, capabilities_.writes_any_field));
}

Completion LogicalProcessor::vmcall() {
  instruction_ = {.length = 3};
  if (in_non_root()) return exit(ExitReason::kVmcall);
  if (Refused refused = begin_vmx_instruction(3, ExitReason::kVmcall)) return *refused;
  return vmx_result(VmxResult::fail(VmInstructionError::kVmcallInRoot));
}

Completion LogicalProcessor::cpuid() {
  instruction_ = {.length = 2};
  return in_non_root() ? exit(ExitReason::kCpuid) : complete();
}

Completion LogicalProcessor::hlt() {
  instruction_ = {.length = 1};
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  if (in_non_root() && primary_control(*vmcs_, arch::primary_controls::kHltExiting)) {
    return exit(ExitReason::kHlt);
  }
  return complete();
}

// SDM chapter 29.
Completion LogicalProcessor::enter(ExitReason instruction) {
  if (Refused refused = begin_vmx_instruction(3, instruction)) return *refused;
  if (vmcs_ == nullptr) return vmx_result({VmxResult::Kind::kFailInvalid});
  const bool launch = instruction == ExitReason::kVmlaunch;
  if (launch && vmcs_->is_launched()) {
    return vmx_result(VmxResult::fail(VmInstructionError::kVmlaunchNotClear));
  }
  if (!launch && !vmcs_->is_launched()) {
    return vmx_result(VmxResult::fail(VmInstructionError::kVmresumeNotLaunched));
  }
  entry_refusal_ = check_vm_entry(*vmcs_, capabilities_, registers_, *memory_);
  if (entry_refusal_) {
    switch (entry_refusal_->kind) {
      case VmEntryRefusal::Kind::kControls:
        return vmx_result(VmxResult::fail(VmInstructionError::kInvalidControls));
      case VmEntryRefusal::Kind::kHostState:
        return vmx_result(VmxResult::fail(VmInstructionError::kInvalidHostState));
      case VmEntryRefusal::Kind::kGuestState: return fail_entry();
    }
  }
  change(guest_registers(*vmcs_, registers_, *memory_));
  mode_ = Mode::kNonRoot;
  context_.reset();
  if (launch) vmcs_->set_launched(true);
  invalidate(
      invalidation::vm_transition(secondary_control(*vmcs_, arch::secondary_controls::kVpid)));
  ++activity_.vm_entries;
  return Completion::done();
}

}  // namespace eptsim::mmu
