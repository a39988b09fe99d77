#pragma once

#include <cstdint>

/// The guest-paging matrix: what a 4-level guest's last two entries, control bits and an access can
/// be, and what the manual says of each combination.
namespace eptsim::tb::conformance {

/// One combination. Every member is a bit or the like that is 0 or 1.
struct PagingCase {
  struct Entry {
    bool present, writable, user, accessed, dirty, execute_disable;
    bool bit_51, bit_36;  ///< reserved: the machine has 36 bits of physical address
  };
  Entry pte;
  Entry pde;
  bool pde_large, pde_bit_13;
  bool pdpte_read_only;
  bool key;     ///< the leaf has key 1 rather than 0
  bool ad, wd;  ///< PKRU's bits for key 1
  bool user, write, fetch;
  bool nxe, wp, smep, pke;
};

/// What must come of it.
struct PagingVerdict {
  bool fault = false;
  std::uint32_t error_code = 0;
  // Flags afterwards.
  bool pde_accessed = false, pde_dirty = false;
  bool pte_accessed = false, pte_dirty = false;
};

PagingVerdict judge(const PagingCase& facts);

}  // namespace eptsim::tb::conformance
