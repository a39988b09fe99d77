#include "ept/arch/ept_entry.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// VM functions: EPTP switching (SDM 28.5.6).
namespace eptsim::mmu {

namespace vmcs = arch::vmcs;
namespace secondary = arch::secondary_controls;
using arch::ExitReason;
using arch::Vector;

Completion LogicalProcessor::vmfunc(std::uint32_t eax, std::uint32_t ecx) {
  constexpr std::uint32_t kFunctions = 64;
  instruction_ = {.length = 3};
  if (!in_non_root() || !secondary_control(*vmcs_, secondary::kVmFunctions) || eax >= kFunctions) {
    return raise(Vector::kInvalidOpcode);
  }
  if ((vmcs_->get(vmcs::kVmFunctionControls) >> eax & 1) == 0 ||
      ecx >= arch::vm_functions::kEptpListEntries) {
    return exit(ExitReason::kVmfunc);
  }
  const std::uint64_t current = vmcs_->get(vmcs::kEptPointer);
  const std::uint64_t wanted =
      memory_->read64(arch::Hpa(vmcs_->get(vmcs::kEptpListAddress) + 8ull * ecx));
  if (!is_valid_eptp(wanted, capabilities_.cpu) ||
      arch::eptp::kWalkLength.get(wanted) != arch::eptp::kWalkLength.get(current)) {
    return exit(ExitReason::kVmfunc);
  }
  vmcs_->set(vmcs::kEptPointer, wanted);
  if (secondary::kEptViolationVe.any(capabilities_.secondary_controls)) {
    vmcs_->set(vmcs::kEptpIndex, ecx);
  }
  context_.reset();
  invalidate(invalidation::vmfunc_eptp_switch(secondary_control(*vmcs_, secondary::kVpid)));
  return complete();
}

}  // namespace eptsim::mmu
