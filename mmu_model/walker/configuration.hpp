#pragma once

#include <array>
#include <string_view>

namespace eptsim::mmu {

/// How large a walker is: what docs/microarchitecture.md leaves open. The named ones stand in
/// rtl/configurations.json.
struct WalkerConfiguration {
  std::string_view name = {};
  unsigned walks = 1;  ///< in flight at once, 1 to 16
  /// Entries by level of the last table entry that a hit skips: 2 (PDE), 3 (PDPTE), 4 (PML4E). 0 or
  /// a power of two; 0 leaves the array out.
  std::array<unsigned, 6> combined = {};
  std::array<unsigned, 6> ept = {};  ///< the same of the EPT dimension
  unsigned nested_tlb = 0;           ///< entries; 0 or a power of two

  bool has_combined() const { return (combined[2] | combined[3] | combined[4]) != 0; }
  /// Whether guest-physical addresses are looked up at all.
  bool has_guest_physical() const { return (ept[2] | ept[3] | ept[4] | nested_tlb) != 0; }
};

}  // namespace eptsim::mmu
