#pragma once

#include <cstdint>

namespace eptsim::sim {

/// VM exits that shadow paging costs, by what made them.
struct ShadowExits {
  std::uint64_t page_faults = 0;         ///< hardware's: the guest's own, and shadow entries amiss
  std::uint64_t guest_table_writes = 0;  ///< the guest's stores to its write-protected tables
  std::uint64_t cr_accesses = 0;         ///< MOV to CR3 and CR4
  std::uint64_t invlpgs = 0;             ///< INVLPG and INVPCID

  std::uint64_t sum() const { return page_faults + guest_table_writes + cr_accesses + invlpgs; }
  ShadowExits& operator+=(const ShadowExits& more) {
    page_faults += more.page_faults;
    guest_table_writes += more.guest_table_writes;
    cr_accesses += more.cr_accesses;
    invlpgs += more.invlpgs;
    return *this;
  }
  friend ShadowExits operator-(ShadowExits all, const ShadowExits& before) {
    all.page_faults -= before.page_faults;
    all.guest_table_writes -= before.guest_table_writes;
    all.cr_accesses -= before.cr_accesses;
    all.invlpgs -= before.invlpgs;
    return all;
  }
  friend bool operator==(const ShadowExits&, const ShadowExits&) = default;
};

}  // namespace eptsim::sim
