#include "ept/arch/exit_reason.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// Exceptions: whether one exits, and what becomes of one that arises while an event is delivered.
namespace eptsim::mmu {

using arch::ExitReason;
using arch::Vector;

namespace {

/// How an exception combines with one that is being delivered (SDM 7.15, "Interrupt 8").
enum class Class : std::uint8_t { kBenign, kContributory, kPageFault, kDoubleFault };

constexpr Class class_of(Vector vector) {
  switch (static_cast<unsigned>(vector)) {
    case 0:
    case 10:
    case 11:
    case 12:
    case 13:
    case 21: return Class::kContributory;
    case 14:
    case 20: return Class::kPageFault;  // a virtualization exception counts as a page fault
    case 8: return Class::kDoubleFault;
    default: return Class::kBenign;
  }
}

/// What a fault under the delivery of `first` turns into.
enum class Nested : std::uint8_t { kSerial, kDoubleFault, kTripleFault };

Nested nested(const Event& first, Vector second) {
  const Class one =
      first.type == Event::kHardwareException ? class_of(first.vector) : Class::kBenign;
  const Class two = class_of(second);
  if (two == Class::kBenign) return Nested::kSerial;
  switch (one) {
    case Class::kBenign: return Nested::kSerial;
    case Class::kContributory:
      return two == Class::kContributory ? Nested::kDoubleFault : Nested::kSerial;
    case Class::kPageFault: return Nested::kDoubleFault;
    case Class::kDoubleFault: return Nested::kTripleFault;
  }
  return Nested::kSerial;
}

/// Whether the exception bitmap makes the fault a VM exit; for page faults, with mask and match of
/// the error code (SDM 28.2).
bool exits(const Vmcs& vmcs, const Fault& fault) {
  const bool bit =
      (vmcs.get(arch::vmcs::kExceptionBitmap) >> static_cast<unsigned>(fault.vector) & 1) != 0;
  if (fault.vector != Vector::kPageFault) return bit;
  const std::uint64_t masked = fault.error_code.value_or(0) & vmcs.get(arch::vmcs::kPageFaultMask);
  return bit == (masked == vmcs.get(arch::vmcs::kPageFaultMatch));
}

}  // namespace

Completion LogicalProcessor::raise(Vector vector) {
  Fault fault{.vector = vector};
  switch (vector) {
    case Vector::kGeneralProtection:
    case Vector::kStackSegment:
    case Vector::kDoubleFault: fault.error_code = 0; break;
    default: break;
  }
  return raise(fault);
}

Completion LogicalProcessor::raise(const Fault& fault) {
  if (in_non_root() && exits(*vmcs_, fault)) {
    using namespace arch::event_information;
    const Event event{.vector = fault.vector, .error_code = fault.error_code};
    // A double fault does not say which event's delivery caused it (SDM 30.2.4).
    const bool during_delivery = fault.vector != Vector::kDoubleFault;
    ExitInformation information{.interruption = event.information(),
                                .interruption_error = fault.error_code.value_or(0),
                                .fault_like = true,
                                .during_delivery = during_delivery};
    if (fault.vector == Vector::kPageFault) information.qualification = fault.address;
    information.interruption = kNmiUnblocking.set(information.interruption, unblocks_nmis());
    return exit(ExitReason::kException, information);
  }
  if (instruction_.delivering) {
    const Event first = *instruction_.delivering;
    switch (nested(first, fault.vector)) {
      case Nested::kSerial: break;
      case Nested::kDoubleFault: {
        if (fault.vector == Vector::kPageFault) registers_.cr2 = fault.address;
        const Fault double_fault{.vector = Vector::kDoubleFault, .error_code = 0};
        instruction_.delivering.reset();
        return raise(double_fault);
      }
      case Nested::kTripleFault:
        if (in_non_root()) return exit(ExitReason::kTripleFault);
        return {.kind = Completion::Kind::kShutdown};
    }
  }
  if (fault.vector == Vector::kPageFault) registers_.cr2 = fault.address;
  return {.kind = Completion::Kind::kFault, .fault = fault};
}

}  // namespace eptsim::mmu
