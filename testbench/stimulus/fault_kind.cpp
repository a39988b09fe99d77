#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

std::string_view name(FaultKind kind) {
  switch (kind) {
    case FaultKind::kEptNotPresent: return "ept_not_present";
    case FaultKind::kEptWriteWithoutRead: return "ept_write_without_read";
    case FaultKind::kEptExecuteOnlyUnsupported: return "ept_execute_only_unsupported";
    case FaultKind::kEptReservedHigh: return "ept_reserved_high";
    case FaultKind::kEptReservedLow: return "ept_reserved_low";
    case FaultKind::kEptPageSizeUnsupported: return "ept_page_size_unsupported";
    case FaultKind::kEptMemoryType: return "ept_memory_type";
    case FaultKind::kEptNoRead: return "ept_no_read";
    case FaultKind::kEptNoWrite: return "ept_no_write";
    case FaultKind::kEptNoExecute: return "ept_no_execute";
    case FaultKind::kEptNoUserExecute: return "ept_no_user_execute";
    case FaultKind::kGuestNotPresent: return "guest_not_present";
    case FaultKind::kGuestReservedHigh: return "guest_reserved_high";
    case FaultKind::kGuestReservedLow: return "guest_reserved_low";
    case FaultKind::kGuestPageSizeUnsupported: return "guest_page_size_unsupported";
    case FaultKind::kGuestExecuteDisableReserved: return "guest_execute_disable_reserved";
    case FaultKind::kGuestReadOnly: return "guest_read_only";
    case FaultKind::kGuestSupervisor: return "guest_supervisor";
    case FaultKind::kGuestUser: return "guest_user";
    case FaultKind::kGuestExecuteDisable: return "guest_execute_disable";
    case FaultKind::kGuestProtectionKey: return "guest_protection_key";
    case FaultKind::kGuestAddressTooWide: return "guest_address_too_wide";
    case FaultKind::kEptPagingWriteWithoutRead: return "ept_paging_write_without_read";
    case FaultKind::kEptNoPagingWrite: return "ept_no_paging_write";
    case FaultKind::kEptNoPagingVerification: return "ept_no_paging_verification";
    case FaultKind::kEptNoShadowStack: return "ept_no_shadow_stack";
    case FaultKind::kGuestNoShadowStack: return "guest_no_shadow_stack";
    case FaultKind::kGuestShadowStack: return "guest_shadow_stack";
    case FaultKind::kSppNotValid: return "spp_not_valid";
    case FaultKind::kSppReservedLow: return "spp_reserved_low";
    case FaultKind::kSppReservedHigh: return "spp_reserved_high";
    case FaultKind::kSppVectorOdd: return "spp_vector_odd";
    case FaultKind::kSppVectorDenies: return "spp_vector_denies";
    case FaultKind::kPdpteNotPresent: return "pdpte_not_present";
    case FaultKind::kPmlFull: return "pml_full";
    case FaultKind::kNotCanonical: return "not_canonical";
    case FaultKind::kLass: return "lass";
  }
  return "?";
}

}  // namespace eptsim::tb
