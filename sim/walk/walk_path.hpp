#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "sim/walk/walk_answer.hpp"

namespace eptsim::sim {

enum class TableKind : std::uint8_t { kGuest, kHlat, kEpt, kSpp };

/// An entry that a walk read.
struct Visit {
  mmu::Reference reference{};
  TableKind table = TableKind::kGuest;
  unsigned level = 0;  ///< of its table
  unsigned index = 0;  ///< in its table
  bool present = false;
  bool leaf = false;                     ///< it maps a page, or is a sub-page vector; if present
  std::uint64_t target = 0;              ///< address of the next table or of the page, if present
  std::optional<arch::PageSize> page{};  ///< that a leaf maps

  bool is_guest() const { return table == TableKind::kGuest || table == TableKind::kHlat; }
  /// "EPT PDE", "guest PTE", "HLAT PML4E", "SPP vector".
  std::string name() const;
};

/// One translation of a guest-physical address by the EPT, with the guest entry read there, if it
/// was for one: a column of the two-dimensional walk. With EPT off, the guest entry alone.
struct WalkColumn {
  TableKind table = TableKind::kGuest;  ///< whose entry is located
  unsigned guest_level = 0;             ///< 0: the access itself
  std::uint64_t linear = 0;  ///< being translated, or the request's guest-physical address
  std::uint64_t gpa = 0;     ///< being translated by the EPT
  std::vector<Visit> visits{};
};

/// The columns of a walk in order; those of an access across a page boundary follow one another.
std::vector<WalkColumn> walk_path(const mmu::Context& context, const mmu::Request& request,
                                  const mmu::Recording& recording);

}  // namespace eptsim::sim
