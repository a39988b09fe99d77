#include <cstdint>
#include <optional>
#include <string>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/walk.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {
namespace {

using arch::BitField;
using Error = std::optional<ContextError>;

ContextError refused(std::string key, std::string rule) {
  return {ContextError::Kind::kRefused, std::move(key), std::move(rule)};
}

/// Bits that no physical address has.
std::uint64_t beyond_physical(const Context& context) {
  return ~std::uint64_t{0} << context.cpu.maxphyaddr;
}

constexpr std::uint64_t kPageOffset = arch::bytes(arch::PageSize::k4K) - 1;

// SDM 27.6.11, 29.2.1.1.
Error check_eptp(const Context& context) {
  using namespace arch;
  const std::uint64_t eptp = context.eptp;
  const std::uint64_t type = eptp::kMemoryType.get(eptp);
  if (type != static_cast<std::uint64_t>(MemoryType::kUC) &&
      type != static_cast<std::uint64_t>(MemoryType::kWB)) {
    return refused("eptp", "bits 2:0, the memory type, must be 0 (UC) or 6 (WB) (SDM 29.2.1.1)");
  }
  const std::uint64_t length = eptp::kWalkLength.get(eptp);
  if (length != 3 && length != 4) {
    return refused("eptp",
                   "bits 5:3, the levels of the walk less one, must be 3 or 4 "
                   "(SDM 29.2.1.1)");
  }
  if (eptp::kSupervisorShadowStack.any(eptp) && !context.cpu.supervisor_shadow_stack) {
    return refused("eptp",
                   "bit 7 must be 0 without supervisor shadow-stack control "
                   "(SDM 29.2.1.1)");
  }
  if (eptp::kReserved.any(eptp)) {
    return refused("eptp", "bits 11:8 must be 0 (SDM 29.2.1.1)");
  }
  if ((eptp & beyond_physical(context)) != 0) {
    return refused("eptp", "bits from the physical-address width up must be 0 (SDM 29.2.1.1)");
  }
  return {};
}

/// The address of a page that the processor uses: aligned, within the physical width.
Error check_page_pointer(const Context& context, const char* key, std::uint64_t address) {
  if ((address & kPageOffset) != 0) return refused(key, "must be 4 KiB aligned (SDM 29.2.1.1)");
  if ((address & beyond_physical(context)) != 0) {
    return refused(key, "bits from the physical-address width up must be 0 (SDM 29.2.1.1)");
  }
  return {};
}

Error check_hlat_pointer(const Context& context) {
  constexpr std::uint64_t kReserved = BitField{2, 0}.mask() | BitField{11, 5}.mask();
  if ((context.hlat_pointer & kReserved) != 0) {
    return refused("hlat_pointer", "bits 2:0 and 11:5 must be 0 (SDM 29.2.1.1)");
  }
  if ((context.hlat_pointer & beyond_physical(context)) != 0) {
    return refused("hlat_pointer",
                   "bits from the physical-address width up must be 0 (SDM 29.2.1.1)");
  }
  return {};
}

// VM-execution controls (SDM 29.2.1.1).
Error check_controls(const Context& context) {
  const Controls& controls = context.controls;
  if (!context.ept_enabled) {
    const struct {
      bool on;
      const char* key;
    } needs_ept[] = {
        {controls.mode_based_execute, "mode_based_execute"},
        {controls.sub_page_permission, "sub_page_permission"},
        {controls.pml, "pml"},
        {controls.paging_write, "paging_write"},
        {controls.guest_paging_verification, "guest_paging_verification"},
        {controls.hlat, "hlat"},
    };
    for (const auto& control : needs_ept) {
      if (control.on) return refused(control.key, "needs EPT on (SDM 29.2.1.1)");
    }
  } else if (Error error = check_eptp(context)) {
    return error;
  }
  Error error;
  if (controls.pml) error = check_page_pointer(context, "pml_address", context.pml_address);
  if (!error && controls.ept_violation_ve) {
    error = check_page_pointer(context, "ve_info_address", context.ve_info_address);
  }
  if (!error && controls.sub_page_permission) {
    error = check_page_pointer(context, "sppt_pointer", context.sppt_pointer);
  }
  if (!error && controls.hlat) error = check_hlat_pointer(context);
  return error;
}

bool paging(const Context& context) { return arch::cr0::kPg.any(context.cr0); }
bool long_mode(const Context& context) { return arch::efer::kLma.any(context.efer); }
bool pae_paging(const Context& context) {
  return paging(context) && arch::cr4::kPae.any(context.cr4) && !long_mode(context);
}
bool masks_linear_addresses(const Context& context) {
  using namespace arch;
  return cr4::kLamSup.any(context.cr4) ||
         (long_mode(context) && (cr3::kLamU48.any(context.cr3) || cr3::kLamU57.any(context.cr3)));
}

// The PDPTE registers (SDM 29.3.1.6, 5.4.1).
Error check_pdptes(const Context& context) {
  if (!pae_paging(context) || !context.ept_enabled) {
    if (context.pdptes)
      return refused("pdptes", "belong to PAE paging with EPT on, and only there");
    return {};
  }
  if (!context.pdptes) return refused("pdptes", "are required by PAE paging with EPT on");
  const std::uint64_t reserved = pdpte_reserved_bits(context.cpu.maxphyaddr);
  for (const std::uint64_t pdpte : *context.pdptes) {
    if ((pdpte & 1) != 0 && (pdpte & reserved) != 0) {
      return refused("pdptes",
                     "a PDPTE that is present must have bits 2:1, 8:5 and those from the "
                     "physical-address width up 0 (SDM 29.3.1.6)");
    }
  }
  return {};
}

// Guest state (SDM 29.3.1.1). Unrestricted guest is assumed.
Error check_guest_state(const Context& context) {
  using namespace arch;
  if (paging(context) && !cr0::kPe.any(context.cr0)) {
    return refused("cr0", "PG needs PE (SDM 29.3.1.1)");
  }
  if (long_mode(context) != (efer::kLme.any(context.efer) && paging(context))) {
    return refused("efer", "LMA must be LME and CR0.PG (SDM 29.3.1.1)");
  }
  if (long_mode(context) && !cr4::kPae.any(context.cr4)) {
    return refused("cr4", "LMA needs PAE (SDM 29.3.1.1)");
  }
  if (cr4::kCet.any(context.cr4) && !cr0::kWp.any(context.cr0)) {
    return refused("cr4", "CET needs CR0.WP (SDM 29.3.1.1)");
  }
  std::uint64_t cr3_reserved = beyond_physical(context);
  if (masks_linear_addresses(context)) {
    cr3_reserved &= ~(cr3::kLamU48.mask() | cr3::kLamU57.mask());
  }
  if ((context.cr3 & cr3_reserved) != 0) {
    return refused("cr3", "bits from the physical-address width up must be 0 (SDM 29.3.1.1)");
  }
  for (unsigned index = 0; index < 8; ++index) {
    if (!is_valid_pat_type((context.pat >> (8 * index)) & 0xff)) {
      return refused("pat", "each byte must be 0, 1, 4, 5, 6 or 7 (SDM 29.3.1.1)");
    }
  }
  return check_pdptes(context);
}

}  // namespace

std::optional<ContextError> check(const Context& context) {
  if (context.cpu.maxphyaddr < 32 || context.cpu.maxphyaddr > 52) {
    return refused("maxphyaddr", "must be 32 to 52");
  }
  Error error = check_controls(context);
  if (!error) error = check_guest_state(context);
  if (!error && masks_linear_addresses(context)) {
    return ContextError{ContextError::Kind::kUnsupported, "cr4", "linear-address masking (LAM)"};
  }
  return error;
}

std::optional<ContextError> check(const Context& context, const Request& request) {
  if (request.size < 1 || request.size > 64) return refused("size", "must be 1 to 64");
  if (is_shadow_stack_access(request) && !arch::cr4::kCet.any(context.cr4)) {
    return refused("access", "of shadow stacks needs CR4.CET (SDM 5.6)");
  }
  if (request.linear) {
    if (!long_mode(context) && request.address >> 32 != 0) {
      return refused("gva", "must be below 2^32 outside IA-32e mode");
    }
    return {};
  }
  if (request.user) return refused("user", "belongs to linear addresses only");
  if (request.implicit) return refused("implicit", "belongs to linear addresses only");
  const std::uint64_t last = request.address + (request.size - 1u);
  if (last < request.address || (last & beyond_physical(context)) != 0) {
    return refused("gpa", "must lie within the physical-address width");
  }
  return {};
}

}  // namespace eptsim::mmu
