#pragma once

#include <cstdint>

#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "sim/walk/walk_answer.hpp"

namespace eptsim::sim {

/// Answers `request` by what `one_page(part)` says of its part in each page, the lower first, until
/// one fails: `outcome`, `address` and `second` of `answer`. A linear address that is refused
/// before paging is refused for all bytes, before anything is read (as mmu::translate does it).
template <class OnePage>
void answer_page_by_page(const mmu::WalkContext& context, const mmu::Request& request,
                         WalkAnswer& answer, OnePage&& one_page) {
  const unsigned room = 0x1000 - static_cast<unsigned>(request.address & 0xfff);
  answer.second.reset();
  mmu::Request lower = request;
  if (request.size > room) lower.size = static_cast<std::uint8_t>(room);
  mmu::Request upper = request;
  upper.address += room;
  if (request.linear) upper.address &= context.linear_mask;
  upper.size = static_cast<std::uint8_t>(request.size - lower.size);

  if (upper.size != 0 && request.linear &&
      linear_address_refusal(context, lower) == mmu::Reason::kNone) {
    const mmu::Reason reason = linear_address_refusal(context, upper);
    if (reason != mmu::Reason::kNone) {
      answer.outcome = {.kind = mmu::OutcomeKind::kGeneralProtection, .reason = reason};
      answer.address = upper.address;
      return;
    }
  }
  answer.outcome = one_page(lower);
  answer.address = lower.address;
  if (upper.size == 0 || answer.outcome.kind != mmu::OutcomeKind::kTranslated) return;
  const mmu::Outcome outcome = one_page(upper);
  if (outcome.kind == mmu::OutcomeKind::kTranslated) {
    answer.second = outcome;
  } else {
    answer.outcome = outcome;
    answer.address = upper.address;
  }
}

}  // namespace eptsim::sim
