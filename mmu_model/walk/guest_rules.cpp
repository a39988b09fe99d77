#include "mmu_model/walk/guest_rules.hpp"

#include "ept/arch/access.hpp"
#include "ept/arch/address.hpp"
#include "ept/arch/fault.hpp"

namespace eptsim::mmu {

using arch::AccessKind;

namespace {

/// Protection keys (SDM 5.6.2): user-mode pages by PKRU, supervisor-mode pages by IA32_PKRS. Bit
/// 2i denies data accesses, bit 2i+1 writes; supervisor writes only with CR0.WP, as do all writes
/// to supervisor-mode pages. Fetches are exempt.
bool key_refuses(const WalkContext& context, const Request& request, GuestRights rights,
                 std::uint8_t key) {
  if (request.access == AccessKind::kFetch) return false;
  if (!(rights.user ? context.user_keys : context.supervisor_keys)) return false;
  const std::uint32_t denied = (rights.user ? context.raw.pkru : context.raw.pkrs) >> (2 * key);
  if ((denied & 1) != 0) return true;
  if ((denied & 2) == 0 || !arch::is_write(request.access)) return false;
  return context.write_protect || (rights.user && is_user_access(request));
}

/// Whether RFLAGS.AC lets a supervisor access pass SMAP.
bool overrides_smap(const WalkContext& context, const Request& request) {
  return context.alignment_override && !request.implicit;
}

}  // namespace

Reason linear_address_refusal(const WalkContext& context, const Request& request) {
  if (!context.long_mode) return Reason::kNone;
  if (!arch::is_canonical(request.address, context.linear_width)) return Reason::kNotCanonical;
  if (!context.lass) return Reason::kNone;
  const bool upper_half = (request.address >> 63) != 0;
  const bool refused = is_user_access(request)
                           ? upper_half
                           : !upper_half && (request.access == AccessKind::kFetch ||
                                             (context.smap && !overrides_smap(context, request)));
  return refused ? Reason::kLass : Reason::kNone;
}

Reason guest_refusal(const WalkContext& context, const Request& request, GuestRights rights,
                     std::uint8_t protection_key, bool shadow_stack) {
  const bool user = is_user_access(request);
  if (is_shadow_stack_access(request)) {
    if (user && !rights.user) return Reason::kGuestSupervisorPage;
    if (key_refuses(context, request, rights, protection_key)) return Reason::kGuestProtectionKey;
    return shadow_stack && user == rights.user ? Reason::kNone : Reason::kGuestShadowStack;
  }
  const bool fetch = request.access == AccessKind::kFetch;
  if (arch::is_write(request.access) && !rights.write && (user || context.write_protect)) {
    return Reason::kGuestNotWritable;
  }
  if (user && !rights.user) return Reason::kGuestSupervisorPage;
  if (fetch && !rights.execute) return Reason::kGuestExecuteDisable;
  if (!user && rights.user) {
    if (fetch && context.smep) return Reason::kGuestSmep;
    if (!fetch && context.smap && !overrides_smap(context, request)) return Reason::kGuestSmap;
  }
  if (key_refuses(context, request, rights, protection_key)) return Reason::kGuestProtectionKey;
  return Reason::kNone;
}

std::uint32_t access_error_code(const WalkContext& context, const Request& request) {
  std::uint64_t code = 0;
  if (arch::is_write(request.access)) code |= arch::error_code::kWrite.mask();
  if (is_user_access(request)) code |= arch::error_code::kUser.mask();
  if (request.access == AccessKind::kFetch && context.reports_fetch) {
    code |= arch::error_code::kFetch.mask();
  }
  if (is_shadow_stack_access(request)) code |= arch::error_code::kShadowStack.mask();
  return static_cast<std::uint32_t>(code);
}

std::uint32_t rights_error_code(const WalkContext& context, const Request& request,
                                GuestRights rights, std::uint8_t protection_key) {
  std::uint64_t code = access_error_code(context, request) | arch::error_code::kPresent.mask();
  if (key_refuses(context, request, rights, protection_key)) {
    code |= arch::error_code::kProtectionKey.mask();
  }
  return static_cast<std::uint32_t>(code);
}

}  // namespace eptsim::mmu
