#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace eptsim::mmu {

/// What the structure caches of linear addresses lead to: docs/structure-caches.md.
enum class StructureKind : std::uint8_t {
  kCombined,  ///< the host-physical address of the next guest table
  kGuest,     ///< its guest-physical address, which goes through the EPT again
};

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
  // What the model has beyond the page and the RTL.
  StructureKind kind = StructureKind::kCombined;  ///< of `combined`
  /// Ways of a set, by level as the entries are; 0, or as many as entries: fully associative.
  std::array<unsigned, 6> combined_ways = {};
  std::array<unsigned, 6> ept_ways = {};
  unsigned nested_tlb_ways = 0;

  bool has_combined() const { return (combined[2] | combined[3] | combined[4]) != 0; }
  /// Whether guest-physical addresses are looked up at all.
  bool has_guest_physical() const { return (ept[2] | ept[3] | ept[4] | nested_tlb) != 0; }

  /// The same walker with every number said in one way: no ways where all of an array are meant.
  WalkerConfiguration normalized() const {
    WalkerConfiguration same = *this;
    for (std::size_t level = 0; level < combined.size(); ++level) {
      if (combined_ways[level] == combined[level]) same.combined_ways[level] = 0;
      if (ept_ways[level] == ept[level]) same.ept_ways[level] = 0;
    }
    if (nested_tlb_ways == nested_tlb) same.nested_tlb_ways = 0;
    return same;
  }
  /// Whether both are the same walker, but for its name.
  bool is_like(const WalkerConfiguration& other) const {
    WalkerConfiguration a = normalized(), b = other.normalized();
    a.name = b.name = {};
    return a == b;
  }
  friend bool operator==(const WalkerConfiguration&, const WalkerConfiguration&) = default;
};

}  // namespace eptsim::mmu
