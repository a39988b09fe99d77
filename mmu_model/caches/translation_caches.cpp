#include "mmu_model/caches/translation_caches.hpp"

#include "mmu_model/walk/step_service.hpp"

namespace eptsim::mmu {

namespace {

constexpr std::uint64_t kStructureSeed = 32;  // the TLBs take those up to 24

}  // namespace

TranslationCaches::TranslationCaches(const CacheSettings& settings, std::uint64_t seed)
    : over_invalidate_(settings.over_invalidate),
      lookups_(lookups_of(settings.kind)),
      tlbs_(settings.l1i, settings.l1d, settings.l2, seed),
      structures_(settings, seed + kStructureSeed) {}

template <class Recorder>
TranslationCaches::Answer TranslationCaches::translate(const WalkContext& context,
                                                       const Request& request,
                                                       arch::PhysicalMemory& memory,
                                                       Recorder& recorder) {
  if (request.linear) {
    tlbs_.use(context);
    if (const TlbHit hit = tlbs_.lookup(request)) {
      return {.outcome = outcome_of(context, *hit.entry, request.address),
              .tlb_hit = true,
              .pml_index = context.raw.pml_index};
    }
  }
  Walk walk(context, request, lookups_);
  walk_to_its_end(walk, context, memory, recorder);
  const Outcome& outcome = walk.outcome();
  tlbs_.fill(context, request, outcome);
  invalidate(invalidation::after(context, request, outcome));
  return {.outcome = outcome, .references = walk.references(), .pml_index = walk.pml_index()};
}

template <class Recorder>
void TranslationCaches::walk_to_its_end(Walk& walk, const WalkContext& context,
                                        arch::PhysicalMemory& memory, Recorder& recorder) {
  for (mmu::Answer answer;;) {
    const Step step = walk.next(answer);
    for (const CachedEntry& entry : walk.fills()) structures_.fill(entry, context);
    if (step.kind == StepKind::kDone) return;
    answer = {};
    if (step.kind == StepKind::kLookup) {
      answer.entry = structures_.lookup(step.lookup, step.key, context, step.dirty);
    } else {
      answer.value = serve(step, memory, recorder);
    }
  }
}

void TranslationCaches::invalidate(const InvalidationScope& scope) {
  if (over_invalidate_) {
    for (const InvalidationScope& everything : invalidation::reset()) remove(everything);
  } else {
    remove(scope);
  }
}

void TranslationCaches::invalidate(const InvalidationScopes& scopes) {
  for (const InvalidationScope& scope : scopes) invalidate(scope);
}

void TranslationCaches::remove(const InvalidationScope& scope) {
  tlbs_.invalidate(scope);
  structures_.invalidate(scope);
}

template TranslationCaches::Answer TranslationCaches::translate(const WalkContext&, const Request&,
                                                                arch::PhysicalMemory&, Recording&);
template TranslationCaches::Answer TranslationCaches::translate(const WalkContext&, const Request&,
                                                                arch::PhysicalMemory&,
                                                                NoRecording&);

}  // namespace eptsim::mmu
