#include "mmu_model/tlb/tlb_hierarchy.hpp"

namespace eptsim::mmu {

namespace {

RightsRegisters rights_of(const WalkContext& context) {
  const Context& raw = context.raw;
  return {.cr0 = raw.cr0,
          .cr4 = raw.cr4,
          .efer = raw.efer,
          .pkru = raw.pkru,
          .pkrs = raw.pkrs,
          .alignment_override = raw.rflags_ac,
          .mode_based_execute = raw.controls.mode_based_execute};
}

}  // namespace

TlbHierarchy::TlbHierarchy(const TlbSettings& l1i, const TlbSettings& l1d, const TlbSettings& l2,
                           std::uint64_t seed)
    : l1i_(l1i, seed), l1d_(l1d, seed + 8), l2_(l2, seed + 16) {}

void TlbHierarchy::use(const WalkContext& context) {
  const RightsRegisters rights = rights_of(context);
  if (query_.rights_mode == 0 || !(rights == query_.rights)) {
    query_.rights = rights;
    ++query_.rights_mode;
  }
  query_.space = space_of(context);
  query_.context = &context;
}

TlbHit TlbHierarchy::miss_of(TlbLevel& first) {
  first.count_miss();
  l2_.count_miss();
  return {nullptr, TlbHitLevel::kMiss, l2_.is_off() ? first.hit_cycles() : l2_.hit_cycles()};
}

TlbHit TlbHierarchy::lookup_second(TlbLevel& first, const Request& request) {
  if (l2_.is_off()) return {nullptr, TlbHitLevel::kMiss, first.hit_cycles()};
  const TlbEntry* entry = l2_.lookup(query_, request);
  if (entry == nullptr) return {nullptr, TlbHitLevel::kMiss, l2_.hit_cycles()};
  first.fill(query_.space.vpid, request.address, *entry);
  return {entry, TlbHitLevel::kSecond, l2_.hit_cycles()};
}

void TlbHierarchy::take(const WalkContext& context, const Request& request,
                        const Outcome& outcome) {
  if (!request.linear) return;
  const TlbSpace space = space_of(context);
  const auto pcid = static_cast<std::uint16_t>(space.word & TlbSpace::kPcid);
  switch (outcome.kind) {
    case OutcomeKind::kTranslated: {
      const TlbEntry entry = make_tlb_entry(context, outcome);
      (request.access == arch::AccessKind::kFetch ? l1i_ : l1d_)
          .fill(space.vpid, request.address, entry);
      l2_.fill(space.vpid, request.address, entry);
      break;
    }
    case OutcomeKind::kPageFault:
      invalidate({.vpid = space.vpid, .pcid = pcid, .linear = request.address});
      break;
    case OutcomeKind::kEptViolation:
    case OutcomeKind::kVirtualizationException:
      // Of this linear address; unlike a page fault it says nothing of the guest page as a whole.
      invalidate({.vpid = space.vpid,
                  .pcid = pcid,
                  .ept_root = context.ept_root,
                  .linear = request.address,
                  .piece_alone = true});
      break;
    case OutcomeKind::kEptMisconfiguration:
    case OutcomeKind::kPmlFull:
    case OutcomeKind::kSppEvent:
    case OutcomeKind::kGeneralProtection: break;  // nothing cached comes from what they met
  }
}

void TlbHierarchy::invalidate(const InvalidationScope& scope) {
  l1i_.invalidate(scope);
  l1d_.invalidate(scope);
  l2_.invalidate(scope);
}

void TlbHierarchy::reset_counters() {
  l1i_.reset_counters();
  l1d_.reset_counters();
  l2_.reset_counters();
}

}  // namespace eptsim::mmu
