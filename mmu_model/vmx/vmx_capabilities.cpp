#include "mmu_model/vmx/vmx_capabilities.hpp"

namespace eptsim::mmu {
namespace {

namespace vmcs = arch::vmcs;

/// Bits that are 1 on every processor, in the form of the TRUE_ capability MSRs (SDM A.2 to A.5).
constexpr std::uint64_t kPinDefault1 = 0x16;
constexpr std::uint64_t kPrimaryDefault1 = 0x0400'6172;
constexpr std::uint64_t kExitDefault1 = 0x0003'6dfb;
constexpr std::uint64_t kEntryDefault1 = 0x11fb;

std::uint64_t ept_vpid_cap(const VmxCapabilities& capabilities) {
  using namespace arch::ept_vpid_cap;
  const Capabilities& cpu = capabilities.cpu;
  std::uint64_t msr = capabilities.invalidations | kWalkLength4.mask() | kWalkLength5.mask() |
                      kTypeUc.mask() | kTypeWb.mask() | kAccessedDirty.mask();
  msr = kExecuteOnly.set(msr, cpu.execute_only);
  msr = kPage2M.set(msr, cpu.page_2m);
  msr = kPage1G.set(msr, cpu.page_1g);
  msr = kAdvancedExitInformation.set(msr, cpu.advanced_exit_info);
  msr = kSupervisorShadowStack.set(msr, cpu.supervisor_shadow_stack);
  const bool hlat = arch::tertiary_controls::kHlat.any(capabilities.tertiary_controls);
  return kHlatPrefixSize.set(msr, hlat);
}

/// Two halves of 32 bits: what must be 1, and above it what may be.
std::uint64_t as_msr(AllowedSettings allowed) {
  return allowed.may_be_one << 32 | allowed.must_be_one;
}

}  // namespace

AllowedSettings allowed_settings(const VmxCapabilities& capabilities, vmcs::Field controls) {
  const auto on_top_of = [](std::uint64_t fixed, std::uint64_t known) {
    return AllowedSettings{.must_be_one = fixed, .may_be_one = fixed | known};
  };
  if (controls == vmcs::kPinControls) {
    return on_top_of(kPinDefault1, all_bits(arch::pin_controls::kFields));
  }
  if (controls == vmcs::kPrimaryControls) {
    return on_top_of(kPrimaryDefault1, all_bits(arch::primary_controls::kFields));
  }
  if (controls == vmcs::kExitControls) {
    return on_top_of(kExitDefault1, all_bits(arch::exit_controls::kFields));
  }
  if (controls == vmcs::kEntryControls) {
    return on_top_of(kEntryDefault1, all_bits(arch::entry_controls::kFields));
  }
  if (controls == vmcs::kSecondaryControls) return on_top_of(0, capabilities.secondary_controls);
  if (controls == vmcs::kTertiaryControls) return on_top_of(0, capabilities.tertiary_controls);
  return on_top_of(0, capabilities.vm_functions);
}

std::optional<std::uint64_t> capability_msr(const VmxCapabilities& capabilities,
                                            std::uint32_t msr) {
  switch (msr) {
    case 0x485:  // of IA32_VMX_MISC, bits 5 (VM exits store EFER.LMA) and 29
      return 0x20ull | (capabilities.writes_any_field ? 1ull << 29 : 0);
    case 0x48b: return as_msr(allowed_settings(capabilities, vmcs::kSecondaryControls));
    case 0x48c: return ept_vpid_cap(capabilities);
    case 0x48d: return as_msr(allowed_settings(capabilities, vmcs::kPinControls));
    case 0x48e: return as_msr(allowed_settings(capabilities, vmcs::kPrimaryControls));
    case 0x48f: return as_msr(allowed_settings(capabilities, vmcs::kExitControls));
    case 0x490: return as_msr(allowed_settings(capabilities, vmcs::kEntryControls));
    case 0x491: return capabilities.vm_functions;
    case 0x492: return capabilities.tertiary_controls;
    default: return std::nullopt;
  }
}

}  // namespace eptsim::mmu
