#include "mmu_model/tlb/tlb_hierarchy.hpp"

#include "mmu_model/caches/invalidation.hpp"

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
          .mode_based_execute = context.mode_based_execute,
          .verifies_guest_paging = context.verifies_guest_paging};
}

}  // namespace

TlbHierarchy::TlbHierarchy(const TlbSettings& l1i, const TlbSettings& l1d, const TlbSettings& l2,
                           std::uint64_t seed)
    : l1i_(l1i, seed), l1d_(l1d, seed + 8), l2_(l2, seed + 16) {}

void TlbHierarchy::use(const WalkContext& context) {
  const RightsRegisters rights = rights_of(context);
  const TlbSpace space = space_of(context);
  const bool same_rights = query_.rights_mode != 0 && rights == query_.rights;
  if (!same_rights) {
    query_.rights = rights;
    ++query_.rights_mode;
  }
  if (!same_rights || !(space == query_.space)) {
    for (TlbLevel* const level : {&l1i_, &l1d_, &l2_}) level->forget();
  }
  query_.space = space;
  query_.context = &context;
}

TlbHit TlbHierarchy::miss_of(TlbLevel& first) {
  first.count_miss();
  l2_.count_miss();
  return {nullptr, TlbHitLevel::kMiss, l2_.is_off() ? first.miss_cycles() : l2_.miss_cycles()};
}

TlbHit TlbHierarchy::lookup_further(TlbLevel& first, const Request& request) {
  // Tags hold bits 56:12; with the bits above as they should be, that is the whole page number.
  if (!arch::is_canonical(request.address, 57)) return miss_of(first);
  if (const TlbEntry* const entry = first.lookup(query_, request)) {
    return {entry, TlbHitLevel::kFirst, first.hit_cycles()};
  }
  return lookup_second(first, request);
}

TlbHit TlbHierarchy::lookup_second(TlbLevel& first, const Request& request) {
  if (l2_.is_off()) return {nullptr, TlbHitLevel::kMiss, first.miss_cycles()};
  const TlbEntry* entry = l2_.lookup(query_, request);
  if (entry == nullptr) return {nullptr, TlbHitLevel::kMiss, l2_.miss_cycles()};
  first.fill(query_.space.vpid, request.address, *entry);
  return {entry, TlbHitLevel::kSecond, l2_.hit_cycles()};
}

void TlbHierarchy::take(const WalkContext& context, const Request& request,
                        const Outcome& outcome) {
  fill(context, request, outcome);
  for (const InvalidationScope& scope : invalidation::after(context, request, outcome)) {
    invalidate(scope);
  }
}

void TlbHierarchy::fill(const WalkContext& context, const Request& request,
                        const Outcome& outcome) {
  // With CR0.CD = 1 everything is UC: an entry would outlive that.
  if (outcome.kind != OutcomeKind::kTranslated || !request.linear || context.caches_off) return;
  const TlbEntry entry = make_tlb_entry(context, outcome);
  TlbLevel& first = first_of(request);
  first.fill(context.raw.vpid, request.address, entry);
  l2_.fill(context.raw.vpid, request.address, entry);
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
