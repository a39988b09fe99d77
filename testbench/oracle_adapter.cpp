#include "testbench/oracle_adapter.hpp"

#include <cstddef>

namespace eptsim::tb {
namespace {

std::optional<arch::PageSize> page_size_of(std::uint64_t bytes) {
  for (const arch::PageSize size :
       {arch::PageSize::k4K, arch::PageSize::k2M, arch::PageSize::k4M, arch::PageSize::k1G}) {
    if (arch::bytes(size) == bytes) return size;
  }
  return std::nullopt;
}

mmu::OutcomeKind kind_of(oracle::Outcome outcome) {
  switch (outcome) {
    case oracle::Outcome::kTranslated: return mmu::OutcomeKind::kTranslated;
    case oracle::Outcome::kPageFault: return mmu::OutcomeKind::kPageFault;
    case oracle::Outcome::kEptViolation: return mmu::OutcomeKind::kEptViolation;
    case oracle::Outcome::kEptMisconfig: return mmu::OutcomeKind::kEptMisconfiguration;
    case oracle::Outcome::kPmlFull: return mmu::OutcomeKind::kPmlFull;
    case oracle::Outcome::kSppEvent: return mmu::OutcomeKind::kSppEvent;
    case oracle::Outcome::kVirtualizationException:
      return mmu::OutcomeKind::kVirtualizationException;
    case oracle::Outcome::kGeneralProtection: return mmu::OutcomeKind::kGeneralProtection;
  }
  return mmu::OutcomeKind::kTranslated;
}

oracle::Kind kind_of(arch::AccessKind access) {
  switch (access) {
    case arch::AccessKind::kRead: return oracle::Kind::kRead;
    case arch::AccessKind::kWrite: return oracle::Kind::kWrite;
    case arch::AccessKind::kFetch: return oracle::Kind::kFetch;
    case arch::AccessKind::kReadModifyWrite: return oracle::Kind::kReadModifyWrite;
    case arch::AccessKind::kShadowStackRead: return oracle::Kind::kShadowStackRead;
    case arch::AccessKind::kShadowStackWrite: return oracle::Kind::kShadowStackWrite;
  }
  return oracle::Kind::kRead;
}

mmu::Place place_of(const oracle::Reference& reference) {
  const auto level = static_cast<std::uint8_t>(reference.level);
  switch (reference.structure) {
    case oracle::Structure::kGuest: return {.guest_level = level};
    case oracle::Structure::kHlat: return {.guest_level = level, .hlat = true};
    case oracle::Structure::kEpt: return {.ept_level = level};
    case oracle::Structure::kSpp: return {.spp_level = level};
  }
  return {};
}

}  // namespace

oracle::State state_of(const mmu::Context& context) {
  oracle::State state;
  if (context.ept_enabled) state.eptp = context.eptp;
  state.cr0 = context.cr0;
  state.cr3 = context.cr3;
  state.cr4 = context.cr4;
  state.efer = context.efer;
  state.pkru = context.pkru;
  state.pkrs = context.pkrs;
  state.pat = context.pat;
  state.rflags_ac = context.rflags_ac;
  if (context.pdptes) state.pdptes = *context.pdptes;
  state.vpid = context.vpid;
  state.cpu = {.maxphyaddr = context.cpu.maxphyaddr,
               .execute_only = context.cpu.execute_only,
               .page_1g = context.cpu.page_1g,
               .page_2m = context.cpu.page_2m,
               .guest_page_1g = context.cpu.guest_page_1g,
               .advanced_exit_info = context.cpu.advanced_exit_info,
               .supervisor_shadow_stack = context.cpu.supervisor_shadow_stack};
  state.controls = {.mode_based_execute = context.controls.mode_based_execute,
                    .sub_page_permission = context.controls.sub_page_permission,
                    .ept_violation_ve = context.controls.ept_violation_ve,
                    .pml = context.controls.pml,
                    .paging_write = context.controls.paging_write,
                    .guest_paging_verification = context.controls.guest_paging_verification,
                    .hlat = context.controls.hlat};
  state.sppt_pointer = context.sppt_pointer;
  state.pml_address = context.pml_address;
  state.pml_index = context.pml_index;
  state.ve_info_address = context.ve_info_address;
  state.eptp_index = context.eptp_index;
  state.hlat_pointer = context.hlat_pointer;
  state.hlat_prefix_size = context.hlat_prefix_size;
  return state;
}

oracle::Access access_of(const mmu::Request& request) {
  return {.address = request.address,
          .linear = request.linear,
          .kind = kind_of(request.access),
          .user = request.user,
          .implicit = request.implicit,
          .size = request.size};
}

mmu::Outcome outcome_of(const oracle::Page& page) {
  mmu::Outcome outcome;
  outcome.kind = kind_of(page.outcome);
  outcome.gpa = page.gpa;
  outcome.hpa = page.hpa;
  outcome.guest_page_size = page_size_of(page.guest_page_size);
  outcome.ept_page_size = page_size_of(page.ept_page_size);
  outcome.page_size = page_size_of(page.page_size).value_or(arch::PageSize::k4K);
  outcome.memory_type = static_cast<arch::MemoryType>(page.memory_type);
  outcome.error_code = page.error_code;
  outcome.qualification = page.qualification;
  outcome.linear_valid = page.gva_valid;
  return outcome;
}

mmu::Recording recording_of(const oracle::Result& result) {
  mmu::Recording recording;
  for (const oracle::Reference& reference : result.references) {
    recording.references.push_back({place_of(reference), reference.address, reference.value});
  }
  for (const oracle::Write& write : result.writes) {
    recording.writes.push_back({write.address, static_cast<std::uint8_t>(write.size), write.value});
  }
  return recording;
}

}  // namespace eptsim::tb
