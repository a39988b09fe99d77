#include "testbench/oracle/guest_rights.hpp"

#include "testbench/oracle/registers.hpp"

namespace eptsim::oracle {
namespace {

// The bits of an error code that tell the access.
std::uint64_t access_bits(const State& state, const Access& access) {
  const bool reports_fetch = (cr4_pae(state) && efer_nxe(state)) || cr4_smep(state);
  return one_bit(is_write(access.kind), 1) | one_bit(is_user(access), 2) |
         one_bit(is_fetch(access.kind) && reports_fetch, 4) |
         one_bit(is_shadow_stack(access.kind), 6);
}

// Protection keys alone forbid the access.
bool key_forbids(const State& state, const Access& access, const GuestRights& rights) {
  if (!four_or_five_level(state) || is_fetch(access.kind)) return false;
  const auto key = static_cast<unsigned>(bits(rights.leaf, 62, 59));
  if (rights.user) {
    if (!cr4_pke(state)) return false;
    const bool access_disable = bit(state.pkru, 2 * key);
    const bool write_disable = bit(state.pkru, 2 * key + 1);
    if (access_disable) return true;
    return write_disable && is_write(access.kind) && (is_user(access) || cr0_wp(state));
  }
  if (!cr4_pks(state)) return false;
  const bool access_disable = bit(state.pkrs, 2 * key);
  const bool write_disable = bit(state.pkrs, 2 * key + 1);
  if (access_disable) return true;
  return write_disable && is_write(access.kind) && cr0_wp(state);
}

bool paging_forbids(const State& state, const Access& access, const GuestRights& rights) {
  if (is_shadow_stack(access.kind)) {
    const bool shadow_stack_page =
        !bit(rights.leaf, 1) && bit(rights.leaf, 6) && rights.writable_above;
    return !shadow_stack_page || is_user(access) != rights.user;
  }
  if (is_user(access)) {
    if (!rights.user) return true;
    if (is_write(access.kind) && !rights.writable) return true;
    return is_fetch(access.kind) && rights.execute_disable;
  }
  if (is_fetch(access.kind)) {
    return rights.execute_disable || (rights.user && cr4_smep(state));
  }
  const bool smap_allows = !access.implicit && state.rflags_ac;
  if (rights.user && cr4_smap(state) && !smap_allows) return true;
  return is_write(access.kind) && !rights.writable && cr0_wp(state);
}

}  // namespace

std::optional<std::uint32_t> permission_fault(const State& state, const Access& access,
                                              const GuestRights& rights) {
  const bool key = key_forbids(state, access, rights);
  if (!key && !paging_forbids(state, access, rights)) return std::nullopt;
  return static_cast<std::uint32_t>(one_bit(true, 0) | access_bits(state, access) |
                                    one_bit(key, 5));
}

std::uint32_t entry_fault(const State& state, const Access& access, bool reserved, bool in_hlat) {
  return static_cast<std::uint32_t>(one_bit(reserved, 0) | access_bits(state, access) |
                                    one_bit(reserved, 3) | one_bit(in_hlat, 7));
}

bool general_protection(const State& state, const Access& access, std::uint64_t gva) {
  if (!efer_lma(state)) return false;

  const unsigned sign = cr4_la57(state) ? 56 : 47;
  for (unsigned number = sign; number < 64; ++number) {
    if (bit(gva, number) != bit(gva, sign)) return true;
  }

  if (!cr4_lass(state)) return false;
  const bool upper_half = bit(gva, 63);
  if (is_user(access)) return upper_half;
  if (upper_half) return false;
  if (is_fetch(access.kind)) return true;
  return cr4_smap(state) && (!state.rflags_ac || access.implicit);
}

}  // namespace eptsim::oracle
