#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ept/arch/physical_memory.hpp"
#include "ept/arch/vmcs.hpp"
#include "mmu_model/vmx/registers.hpp"
#include "mmu_model/vmx/vmcs.hpp"
#include "mmu_model/vmx/vmx_capabilities.hpp"
#include "mmu_model/walk/context.hpp"

/// VM entry without its transition: what it loads, and when it refuses (SDM chapter 29).
namespace eptsim::mmu {

/// Why a VM entry fails.
struct VmEntryRefusal {
  enum class Kind : std::uint8_t {
    kControls,    ///< VMfail, error 7
    kHostState,   ///< VMfail, error 8
    kGuestState,  ///< VM exit 33 with bit 31
  };
  Kind kind = Kind::kControls;
  arch::vmcs::Field field{};
  std::string rule;                 ///< in words, with the SDM's section
  std::uint64_t qualification = 0;  ///< of the exit: 2 if a PDPTE is at fault
};

/// VM entry's checks (SDM 29.2, 29.3), as far as translation depends on them. `before`: the
/// registers, some of which the guest may keep. `memory` is read where PAE paging without EPT takes
/// its PDPTEs from. Empty if the entry succeeds.
std::optional<VmEntryRefusal> check_vm_entry(const Vmcs& vmcs, const VmxCapabilities& capabilities,
                                             const Registers& before,
                                             const arch::PhysicalMemory& memory);

/// The guest's registers as VM entry loads them (SDM 29.3.2): what has no VMCS field, or whose
/// field the entry controls do not ask for, stays as `before`.
Registers guest_registers(const Vmcs& vmcs, const Registers& before,
                          const arch::PhysicalMemory& memory);

/// Everything that translations in VMX non-root operation depend on.
Context guest_context(const Vmcs& vmcs, const VmxCapabilities& capabilities,
                      const Registers& registers);
/// The same outside it: no EPT, and VPID 0000H.
Context host_context(const VmxCapabilities& capabilities, const Registers& registers);

/// Whether a control is on. Secondary and tertiary controls are off unless the primary ones
/// activate them (SDM 27.6.2).
bool secondary_control(const Vmcs& vmcs, arch::BitField control);
bool tertiary_control(const Vmcs& vmcs, arch::BitField control);
inline bool primary_control(const Vmcs& vmcs, arch::BitField control) {
  return control.any(vmcs.get(arch::vmcs::kPrimaryControls));
}

/// The four words at CR3[31:5] in a memory without EPT.
std::array<std::uint64_t, 4> read_pdptes(const arch::PhysicalMemory& memory, std::uint64_t cr3);
/// Whether a PDPTE register may hold `pdpte`: absent, or without a reserved bit (SDM 5.4.1).
bool is_valid_pdpte(std::uint64_t pdpte, const Capabilities& cpu);

/// Whether VM entry would accept `eptp` with EPT on (SDM 29.2.1.1).
bool is_valid_eptp(std::uint64_t eptp, const Capabilities& cpu);

/// Bits that no physical address has.
constexpr std::uint64_t beyond_physical(const Capabilities& cpu) {
  return ~std::uint64_t{0} << cpu.maxphyaddr;
}

}  // namespace eptsim::mmu
