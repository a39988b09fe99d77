#include "mmu_model/vmx/vmcs.hpp"

namespace eptsim::mmu {
namespace {
constexpr std::uint64_t kLowHalf = 0xffff'ffff;
}

Vmcs::Read Vmcs::vmread(std::uint64_t encoding) const {
  const auto field = arch::vmcs::find(encoding);
  if (!field) return {.result = VmxResult::fail(arch::VmInstructionError::kUnsupportedField)};
  const bool high = encoding != field->encoding();
  return {.result = {}, .value = high ? get(*field) >> 32 : get(*field)};
}

VmxResult Vmcs::vmwrite(std::uint64_t encoding, std::uint64_t value, bool writes_any_field) {
  const auto field = arch::vmcs::find(encoding);
  if (!field) return VmxResult::fail(arch::VmInstructionError::kUnsupportedField);
  if (field->section() == arch::vmcs::Section::kExitInformation && !writes_any_field) {
    return VmxResult::fail(arch::VmInstructionError::kReadOnlyField);
  }
  if (encoding != field->encoding()) value = value << 32 | (get(*field) & kLowHalf);
  set(*field, value);
  return {};
}

}  // namespace eptsim::mmu
