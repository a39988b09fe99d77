#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "testbench/stimulus/entry_layout.hpp"

namespace eptsim::tb {

/// Entries that share a layout.
struct EntryKind {
  enum class Tables : std::uint8_t { kEpt, kLongMode, kPae, kNarrow };

  Tables tables = Tables::kEpt;
  unsigned level = 1;
  bool leaf = false;  ///< of levels 2 and 3: it maps a page
  friend bool operator==(const EntryKind&, const EntryKind&) = default;
};

/// A bit that must be 0 in entries of one kind; with some processors, or in some modes.
struct ReservedBit {
  EntryKind kind;
  unsigned bit = 0;

  /// Whether it is an address bit that a processor may have or lack.
  bool of_address_width() const { return bit >= 32 && bit <= 51; }
  friend bool operator==(const ReservedBit&, const ReservedBit&) = default;
};
std::string name(const ReservedBit& bit);

/// All that there are: "each reserved field at each level".
std::vector<ReservedBit> reserved_bits();

/// The one bit for which the walk was refused; none if there were several, or another rule.
std::optional<ReservedBit> refused_for(const mmu::Context& context, const mmu::Outcome& outcome);

}  // namespace eptsim::tb
