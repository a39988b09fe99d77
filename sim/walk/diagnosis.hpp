#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mmu_model/walk/context.hpp"
#include "sim/walk/walk_answer.hpp"
#include "sim/walk/walk_path.hpp"

namespace eptsim::sim {

/// Why an access was refused, and what would let it through.
struct Diagnosis {
  std::string why;
  /// Each names an entry, by its host-physical address, or a register, and the bit to change.
  std::vector<std::string> changes;
  bool one_is_enough = false;  ///< of several changes; otherwise all are needed
  std::string afterwards;      ///< what software owes after such a change, or may leave out
};

/// What stands above the changes.
constexpr std::string_view heading_of_changes(const Diagnosis& diagnosis) {
  return diagnosis.changes.size() > 1 && diagnosis.one_is_enough
             ? "What would have to change, one of:"
             : "What would have to change:";
}

/// Of an answer whose outcome is a refusal with a reason, as all engines but the oracle give.
/// `path` is that of the answer.
Diagnosis diagnose(const mmu::Context& context, const mmu::Request& request,
                   const WalkAnswer& answer, const std::vector<WalkColumn>& path);

}  // namespace eptsim::sim
