#pragma once

#include "testbench/oracle/bits.hpp"
#include "testbench/oracle/oracle.hpp"

// The control-register bits that translation looks at, by their names (SDM, "Control Registers").
namespace eptsim::oracle {

constexpr bool cr0_pe(const State& state) { return bit(state.cr0, 0); }
constexpr bool cr0_wp(const State& state) { return bit(state.cr0, 16); }
constexpr bool cr0_cd(const State& state) { return bit(state.cr0, 30); }
constexpr bool cr0_pg(const State& state) { return bit(state.cr0, 31); }
constexpr bool cr4_pse(const State& state) { return bit(state.cr4, 4); }
constexpr bool cr4_pae(const State& state) { return bit(state.cr4, 5); }
constexpr bool cr4_la57(const State& state) { return bit(state.cr4, 12); }
constexpr bool cr4_smep(const State& state) { return bit(state.cr4, 20); }
constexpr bool cr4_smap(const State& state) { return bit(state.cr4, 21); }
constexpr bool cr4_pke(const State& state) { return bit(state.cr4, 22); }
constexpr bool cr4_cet(const State& state) { return bit(state.cr4, 23); }
constexpr bool cr4_pks(const State& state) { return bit(state.cr4, 24); }
constexpr bool cr4_lass(const State& state) { return bit(state.cr4, 27); }
constexpr bool cr4_lam_sup(const State& state) { return bit(state.cr4, 28); }
constexpr bool efer_lme(const State& state) { return bit(state.efer, 8); }
constexpr bool efer_lma(const State& state) { return bit(state.efer, 10); }
constexpr bool efer_nxe(const State& state) { return bit(state.efer, 11); }

constexpr bool ept_on(const State& state) { return state.eptp.has_value(); }
constexpr bool ept_flags_on(const State& state) { return ept_on(state) && bit(*state.eptp, 6); }
constexpr bool ept_shadow_stack_on(const State& state) {
  return ept_on(state) && bit(*state.eptp, 7);
}

// SDM, "Four Paging Modes", and none.
enum class Paging { kNone, k32Bit, kPae, k4Level, k5Level };

constexpr Paging paging(const State& state) {
  if (!cr0_pg(state)) return Paging::kNone;
  if (!cr4_pae(state)) return Paging::k32Bit;
  if (!efer_lma(state)) return Paging::kPae;
  if (!cr4_la57(state)) return Paging::k4Level;
  return Paging::k5Level;
}

constexpr bool four_or_five_level(const State& state) {
  return paging(state) == Paging::k4Level || paging(state) == Paging::k5Level;
}

constexpr bool is_shadow_stack(Kind kind) {
  return kind == Kind::kShadowStackRead || kind == Kind::kShadowStackWrite;
}
constexpr bool is_write(Kind kind) {
  return kind == Kind::kWrite || kind == Kind::kReadModifyWrite || kind == Kind::kShadowStackWrite;
}
constexpr bool is_fetch(Kind kind) { return kind == Kind::kFetch; }
constexpr bool is_user(const Access& access) { return access.user && !access.implicit; }

}  // namespace eptsim::oracle
