#include "mmu_model/vmx/linear_operands.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// INVLPG, INVPCID, INVEPT and INVVPID: their own checks. What each removes is in
/// caches/invalidation.hpp.
namespace eptsim::mmu {

namespace cap = arch::ept_vpid_cap;
namespace primary = arch::primary_controls;
using arch::BitField;
using arch::ExitReason;
using arch::Vector;
using arch::VmInstructionError;

namespace {

constexpr VmxResult kInvalidOperand = VmxResult::fail(VmInstructionError::kInvalidOperand);

/// Whether the type of an INVEPT or INVVPID, numbered from `first` on, has its bit in the
/// capability MSR.
template <std::size_t N>
bool is_supported(std::uint64_t type, const BitField (&bits)[N], std::uint64_t first,
                  std::uint64_t capabilities) {
  return type >= first && type - first < N && bits[type - first].any(capabilities);
}

}  // namespace

Completion LogicalProcessor::invlpg(std::uint64_t linear) {
  instruction_ = {.length = 3};
  linear &= registers_.linear_mask();
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  if (in_non_root() && primary_control(*vmcs_, primary::kInvlpgExiting)) {
    return exit(ExitReason::kInvlpg, {.qualification = linear});
  }
  if (invpcid_takes(linear, registers_.long_64_bit(), registers_.linear_width())) {
    invalidate(invalidation::invlpg(current_tags(context()), linear));
  }
  return complete();
}

// SDM volume 2, INVPCID; 28.1.3.
Completion LogicalProcessor::invpcid(std::uint64_t type, std::uint64_t descriptor, bool stack) {
  constexpr BitField kPcid{11, 0};
  constexpr BitField kReserved{63, 12};
  instruction_ = {.length = 5};
  if (in_non_root() && !secondary_control(*vmcs_, arch::secondary_controls::kInvpcid)) {
    return raise(Vector::kInvalidOpcode);
  }
  if (registers_.cpl > 0) return raise(Vector::kGeneralProtection);
  if (in_non_root() && primary_control(*vmcs_, primary::kInvlpgExiting)) {
    return exit(ExitReason::kInvpcid);
  }
  if (type > 3) return raise(Vector::kGeneralProtection);
  std::array<std::uint64_t, 2> words{};
  if (Refused refused = read_descriptor(descriptor, stack, words)) return *refused;
  const auto [tags, linear] = words;
  if (kReserved.any(tags)) return raise(Vector::kGeneralProtection);
  const auto kind = static_cast<InvpcidType>(type);
  const bool names_pcid = kind == InvpcidType::kAddress || kind == InvpcidType::kSingle;
  if (names_pcid && kPcid.any(tags) && !arch::cr4::kPcide.any(registers_.cr4)) {
    return raise(Vector::kGeneralProtection);
  }
  if (kind == InvpcidType::kAddress &&
      !invpcid_takes(linear, registers_.long_64_bit(), registers_.linear_width())) {
    return raise(Vector::kGeneralProtection);
  }
  invalidate(invalidation::invpcid(current_tags(context()), kind,
                                   static_cast<std::uint16_t>(kPcid.get(tags)),
                                   linear & registers_.linear_mask()));
  return complete();
}

// SDM 33.3, INVEPT.
Completion LogicalProcessor::invept(std::uint64_t type, std::uint64_t descriptor, bool stack) {
  constexpr BitField kTypes[] = {cap::kInveptSingle, cap::kInveptAll};
  instruction_ = {.length = 5};
  if (!cap::kInvept.any(capabilities_.invalidations)) return raise(Vector::kInvalidOpcode);
  if (Refused refused = begin_vmx_instruction(5, ExitReason::kInvept)) return *refused;
  if (!is_supported(type, kTypes, 1, capabilities_.invalidations)) {
    return vmx_result(kInvalidOperand);
  }
  std::array<std::uint64_t, 2> words{};
  if (Refused refused = read_descriptor(descriptor, stack, words)) return *refused;
  const std::uint64_t eptp = words[0];
  const auto kind = static_cast<InveptType>(type);
  if (kind == InveptType::kSingle && !is_valid_eptp(eptp, capabilities_.cpu)) {
    return vmx_result(kInvalidOperand);
  }
  invalidate(invalidation::invept(kind, eptp));
  return complete();
}

// SDM 33.3, INVVPID.
Completion LogicalProcessor::invvpid(std::uint64_t type, std::uint64_t descriptor, bool stack) {
  constexpr BitField kTypes[] = {cap::kInvvpidAddress, cap::kInvvpidSingle, cap::kInvvpidAll,
                                 cap::kInvvpidKeepingGlobals};
  constexpr BitField kVpid{15, 0};
  constexpr BitField kReserved{63, 16};
  instruction_ = {.length = 5};
  if (!cap::kInvvpid.any(capabilities_.invalidations)) return raise(Vector::kInvalidOpcode);
  if (Refused refused = begin_vmx_instruction(5, ExitReason::kInvvpid)) return *refused;
  if (!is_supported(type, kTypes, 0, capabilities_.invalidations)) {
    return vmx_result(kInvalidOperand);
  }
  std::array<std::uint64_t, 2> words{};
  if (Refused refused = read_descriptor(descriptor, stack, words)) return *refused;
  const auto [tags, linear] = words;
  const auto kind = static_cast<InvvpidType>(type);
  const auto vpid = static_cast<std::uint16_t>(kVpid.get(tags));
  if (kReserved.any(tags) || (vpid == 0 && kind != InvvpidType::kAll) ||
      (kind == InvvpidType::kAddress && !invvpid_takes(linear))) {
    return vmx_result(kInvalidOperand);
  }
  invalidate(invalidation::invvpid(kind, vpid, linear));
  return complete();
}

}  // namespace eptsim::mmu
