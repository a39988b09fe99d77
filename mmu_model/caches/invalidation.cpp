#include "mmu_model/caches/invalidation.hpp"

#include "ept/arch/fault.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::mmu {

CurrentTags current_tags(const WalkContext& context) {
  const Context& raw = context.raw;
  CurrentTags tags{.vpid = raw.vpid};
  if (arch::cr4::kPcide.any(raw.cr4)) {
    tags.pcid = static_cast<std::uint16_t>(arch::cr3::kPcid.get(raw.cr3));
  }
  if (context.ept) tags.ept_root = context.ept_root;
  return tags;
}

namespace invalidation {

InvalidationScopes after(const WalkContext& context, const Request& request,
                         const Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::kPageFault: return page_fault(current_tags(context), request.address);
    case OutcomeKind::kEptViolation:
    case OutcomeKind::kVirtualizationException: {
      const bool is_translation =
          request.linear && arch::qualification::kFinal.any(outcome.qualification);
      return ept_violation(
          current_tags(context),
          is_translation ? std::optional<std::uint64_t>(request.address) : std::nullopt,
          outcome.gpa);
    }
    case OutcomeKind::kTranslated:
    case OutcomeKind::kEptMisconfiguration:
    case OutcomeKind::kPmlFull:
    case OutcomeKind::kSppEvent:
    case OutcomeKind::kGeneralProtection: break;  // nothing cached comes from what they met
  }
  return {};
}

}  // namespace invalidation
}  // namespace eptsim::mmu
