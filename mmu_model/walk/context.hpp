#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "ept/arch/memory_type.hpp"

namespace eptsim::mmu {

/// What the processor can do: CPUID and the VMX capability MSRs, as far as translation sees them.
struct Capabilities {
  unsigned maxphyaddr = 46;              ///< 32 to 52
  bool execute_only = true;              ///< EPT_VPID_CAP bit 0
  bool page_1g = true;                   ///< EPT_VPID_CAP bit 17: 1 GiB EPT pages
  bool page_2m = true;                   ///< EPT_VPID_CAP bit 16: 2 MiB EPT pages
  bool guest_page_1g = true;             ///< CPUID Page1GB: 1 GiB guest pages
  bool advanced_exit_info = false;       ///< EPT_VPID_CAP bit 22
  bool supervisor_shadow_stack = false;  ///< EPT_VPID_CAP bit 23
};

/// VM-execution controls that change translation (SDM 27.6.2).
struct Controls {
  bool mode_based_execute = false;
  bool sub_page_permission = false;
  bool ept_violation_ve = false;
  bool pml = false;
  bool paging_write = false;
  bool guest_paging_verification = false;
  bool hlat = false;
};

/// Everything a translation depends on beside memory: the guest's registers and the VMCS.
struct Context {
  bool ept_enabled = false;  ///< off: guest-physical addresses are host-physical addresses
  std::uint64_t eptp = 0;
  std::uint64_t cr0 = 0;
  std::uint64_t cr3 = 0;
  std::uint64_t cr4 = 0;
  std::uint64_t efer = 0;
  std::uint32_t pkru = 0;
  std::uint32_t pkrs = 0;
  std::uint64_t pat = arch::kResetPat;
  bool rflags_ac = false;
  std::optional<std::array<std::uint64_t, 4>> pdptes;  ///< PAE paging with EPT: required there
  std::uint16_t vpid = 1;
  Capabilities cpu;
  Controls controls;
  std::uint64_t sppt_pointer = 0;
  std::uint64_t pml_address = 0;
  std::uint16_t pml_index = 511;
  std::uint64_t ve_info_address = 0;
  std::uint16_t eptp_index = 0;
  std::uint64_t hlat_pointer = 0;
  std::uint16_t hlat_prefix_size = 0;

  /// For checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(ept_enabled, eptp, cr0, cr3, cr4, efer, pkru, pkrs, pat, rflags_ac, pdptes, vpid, cpu,
            controls, sppt_pointer, pml_address, pml_index, ve_info_address, eptp_index,
            hlat_pointer, hlat_prefix_size);
  }
};

/// Why a context can't be used.
struct ContextError {
  enum class Kind : std::uint8_t {
    kRefused,      ///< VM entry would fail: `text` is the rule and its manual section
    kUnsupported,  ///< this build's model lacks a feature: `text` is the feature's name
  };
  Kind kind;
  std::string key;  ///< the field concerned, spelled as in context files: "eptp", "cr3"
  std::string text;
};

/// Checks `context` as VM entry would (SDM 29.2.1, 29.3.1), and for what the model does not do yet.
/// Empty if a walk may use it.
std::optional<ContextError> check(const Context& context);

}  // namespace eptsim::mmu
