#include "testbench/oracle/registers.hpp"

// What VM entry would refuse, and requests that have no meaning.
namespace eptsim::oracle {
namespace {

bool is_aligned_and_in_range(const State& state, std::uint64_t address) {
  return !any_bit(address, 11, 0) && !any_bit(address, 63, state.cpu.maxphyaddr);
}

std::optional<std::string> refused_eptp(const State& state) {
  const std::uint64_t eptp = *state.eptp;
  const std::uint64_t memory_type = bits(eptp, 2, 0);
  const std::uint64_t length_minus_1 = bits(eptp, 5, 3);
  if (memory_type != 0 && memory_type != 6)
    return "EPTP bits 2:0: the memory type must be UC or WB";
  if (length_minus_1 != 3 && length_minus_1 != 4) {
    return "EPTP bits 5:3: the walk length must be 4 or 5";
  }
  if (bit(eptp, 7) && !state.cpu.supervisor_shadow_stack) {
    return "EPTP bit 7: supervisor shadow-stack control is not supported";
  }
  if (any_bit(eptp, 11, 8)) return "EPTP bits 11:8 are reserved";
  if (any_bit(eptp, 63, state.cpu.maxphyaddr)) return "EPTP bits 63:MAXPHYADDR are reserved";
  return std::nullopt;
}

std::optional<std::string> refused_controls(const State& state) {
  const Controls& controls = state.controls;
  if (!ept_on(state)) {
    if (controls.pml) return "page-modification logging needs EPT";
    if (controls.mode_based_execute) return "mode-based execute control needs EPT";
    if (controls.sub_page_permission) return "sub-page write permissions need EPT";
    if (controls.hlat) return "HLAT needs EPT";
    if (controls.paging_write) return "paging-write control needs EPT";
    if (controls.guest_paging_verification) return "guest-paging verification needs EPT";
  }
  if (controls.pml && !is_aligned_and_in_range(state, state.pml_address)) {
    return "the PML address must be 4-KByte aligned and below MAXPHYADDR";
  }
  if (controls.ept_violation_ve && !is_aligned_and_in_range(state, state.ve_info_address)) {
    return "the #VE information address must be 4-KByte aligned and below MAXPHYADDR";
  }
  if (controls.sub_page_permission && !is_aligned_and_in_range(state, state.sppt_pointer)) {
    return "the SPP table pointer must be 4-KByte aligned and below MAXPHYADDR";
  }
  if (controls.hlat && (any_bit(state.hlat_pointer, 2, 0) || any_bit(state.hlat_pointer, 11, 5) ||
                        any_bit(state.hlat_pointer, 63, state.cpu.maxphyaddr))) {
    return "HLAT pointer bits 2:0, 11:5 and 63:MAXPHYADDR are reserved";
  }
  return std::nullopt;
}

std::optional<std::string> refused_registers(const State& state) {
  if (cr0_pg(state) && !cr0_pe(state)) return "CR0.PG needs CR0.PE";
  if (efer_lma(state) != (efer_lme(state) && cr0_pg(state))) {
    return "EFER.LMA must equal EFER.LME and CR0.PG";
  }
  if (efer_lma(state) && !cr4_pae(state)) return "EFER.LMA needs CR4.PAE";
  if (cr4_cet(state) && !cr0_wp(state)) return "CR4.CET needs CR0.WP";
  if (cr4_lam_sup(state)) return "linear-address masking (CR4.LAM_SUP) is not supported";
  if (any_bit(state.cr3, 63, state.cpu.maxphyaddr)) return "CR3 bits 63:MAXPHYADDR are reserved";
  for (unsigned index = 0; index < 8; ++index) {
    const std::uint64_t type = bits(state.pat, 8 * index + 7, 8 * index);
    if (type == 2 || type == 3 || type > 7) return "IA32_PAT holds a reserved memory type";
  }
  return std::nullopt;
}

std::optional<std::string> refused_pdpte(const State& state, std::uint64_t pdpte) {
  if (bit(pdpte, 0) &&
      (any_bit(pdpte, 2, 1) || any_bit(pdpte, 8, 5) || any_bit(pdpte, 63, state.cpu.maxphyaddr))) {
    return "PDPTE bits 2:1, 8:5 and 63:MAXPHYADDR are reserved";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> refused(const State& state) {
  if (state.cpu.maxphyaddr < 32 || state.cpu.maxphyaddr > 52) return "MAXPHYADDR must be 32 to 52";
  if (ept_on(state)) {
    if (auto rule = refused_eptp(state)) return rule;
  }
  if (auto rule = refused_controls(state)) return rule;
  if (auto rule = refused_registers(state)) return rule;
  if (ept_on(state) && paging(state) == Paging::kPae) {
    for (const std::uint64_t pdpte : state.pdptes) {
      if (auto rule = refused_pdpte(state, pdpte)) return rule;
    }
  }
  return std::nullopt;
}

std::optional<std::string> refused(const State& state, const Memory& memory) {
  if (auto rule = refused(state)) return rule;
  if (!ept_on(state) && paging(state) == Paging::kPae) {
    for (unsigned index = 0; index < 4; ++index) {
      const std::uint64_t pdpte = memory.read64(in_place(state.cr3, 31, 5) + 8 * index);
      if (auto rule = refused_pdpte(state, pdpte)) return rule;
    }
  }
  return std::nullopt;
}

std::optional<std::string> unsupported(const State& state, const Access& access) {
  if (access.size < 1 || access.size > 64) return "an access has 1 to 64 bytes";
  if (is_shadow_stack(access.kind) && !cr4_cet(state)) return "a shadow-stack access needs CR4.CET";
  if (access.linear) {
    if (!efer_lma(state) && any_bit(access.address, 63, 32)) {
      return "a linear address has 32 bits outside IA-32e mode";
    }
  } else {
    if (access.user || access.implicit)
      return "a guest-physical access is neither user nor implicit";
    const std::uint64_t last = access.address + access.size - 1;
    if (any_bit(access.address | last, 63, state.cpu.maxphyaddr)) {
      return "a guest-physical address has MAXPHYADDR bits";
    }
  }
  return std::nullopt;
}

}  // namespace eptsim::oracle
