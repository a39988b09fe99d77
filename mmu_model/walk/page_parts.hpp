#pragma once

#include <cstdint>

#include "ept/arch/page_size.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {

/// Answers `request`, an access of up to 64 bytes, by what `one_page(part)` says of its part in
/// each 4 KiB, the lower first, until one fails. Result has `outcome`, of the lower page or the
/// first failure; `address`, what that is about; and `second`, of the upper page if both
/// translated, which is left alone otherwise. A linear address that is refused before paging (#GP)
/// is refused for all bytes, before anything is read.
template <class Result, class OnePage>
void answer_page_by_page(const WalkContext& context, const Request& request, Result& result,
                         OnePage&& one_page) {
  constexpr std::uint64_t kPage = arch::bytes(arch::PageSize::k4K);
  const std::uint64_t room = kPage - (request.address & (kPage - 1));
  result.address = request.address;
  if (request.size <= room) {
    result.outcome = one_page(request);
    return;
  }
  Request lower = request;
  lower.size = static_cast<std::uint8_t>(room);
  Request upper = request;
  upper.address = (request.address + room) & (request.linear ? context.linear_mask : ~0ull);
  upper.size = static_cast<std::uint8_t>(request.size - room);

  if (request.linear && linear_address_refusal(context, lower) == Reason::kNone) {
    const Reason reason = linear_address_refusal(context, upper);
    if (reason != Reason::kNone) {
      result.outcome = {.kind = OutcomeKind::kGeneralProtection, .reason = reason};
      result.address = upper.address;
      return;
    }
  }
  result.outcome = one_page(lower);
  if (result.outcome.kind != OutcomeKind::kTranslated) return;
  const Outcome outcome = one_page(upper);
  if (outcome.kind == OutcomeKind::kTranslated) {
    result.second = outcome;
  } else {
    result.outcome = outcome;
    result.address = upper.address;
  }
}

}  // namespace eptsim::mmu
