#include "sim/run/warming.hpp"

#include <algorithm>

#include "ept/arch/access.hpp"
#include "ept/arch/address.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/walk/step_service.hpp"
#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walk/walk.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kCore = 0;  // the machine has one

std::uint64_t hpa_of(const mmu::Request& request, const mmu::Outcome& translated) {
  constexpr std::uint64_t kOffset = kTranslatedPage - 1;
  return (translated.hpa & ~kOffset) | (request.address & kOffset);
}

}  // namespace

Warming::Warming(RunningProgram& program, const WarmUnits& units)
    : program_(program), units_(units) {}

void Warming::reset_counters() {
  walks_ = {};
  units_.structures.reset_counters();
}

bool Warming::run(mmu::Cycle cycle) {
  cycle_ = cycle;
  forget_fetch();
  while (program_.is_warming()) {
    const Record* const record = program_.next();
    if (record == nullptr || program_.is_stopped() || !run_record(*record)) return false;
  }
  // Software that took no time may have asked for them in cycles yet to come.
  if (units_.walker.has_invalidations()) invalidate_structures();
  recent_lines_ = {};
  recent_pages_ = {};
  return true;
}

/// Whether the run goes on. What software costs is counted, and passes no time either.
bool Warming::run_record(const Record& record) {
  program_.counted().instructions += record.instructions;
  if (is_access(record.kind)) [[likely]] {
    if (record.kind == RecordKind::kFetch && !program_.settings().fetch) return true;
    return access(record);
  }
  forget_fetch();
  mmu::Cycle still = cycle_;
  program_.act(record, still);
  return true;
}

bool Warming::access(const Record& record) {
  if (!program_.is_current(record)) [[unlikely]] {
    forget_fetch();
    mmu::Cycle still = cycle_;
    program_.enter(record, still);
  }
  mmu::Request request{.address = record.address, .access = access_kind(record.kind), .user = true};
  const std::uint64_t size = std::max<std::uint64_t>(record.size, 1);
  const std::uint64_t offset = record.address & (kTranslatedPage - 1);
  if (offset + size <= kTranslatedPage) [[likely]]
    return access_page(request, size);
  rest_ = {request, size};
  return finish_record();
}

bool Warming::finish_record() {
  while (rest_.bytes != 0) {
    const mmu::Request request = rest_.request;
    const std::uint64_t bytes =
        std::min(rest_.bytes, kTranslatedPage - (request.address & (kTranslatedPage - 1)));
    rest_ = {request, rest_.bytes - bytes};
    rest_.request.address += bytes;
    if (!access_page(request, bytes)) return false;
  }
  return true;
}

bool Warming::access_page(const mmu::Request& request, std::uint64_t bytes) {
  if (program_.is_touching()) return touch_page(request, bytes);
  const bool fetch = request.access == arch::AccessKind::kFetch;
  if (fetch && request.address / kTranslatedPage == fetched_page_) {
    units_.tlbs.count_fetch_again();
    program_.check_use(request, *fetched_entry_, program_.translated() + 1);
    return count_access();
  }
  program_.require_canonical(request.address);
  const mmu::TlbHit hit = units_.tlbs.lookup(request);
  std::uint64_t hpa = 0;
  if (hit) [[likely]] {
    program_.check_use(request, *hit.entry, program_.translated() + 1);
    hpa = hit.entry->hpa_of(request.address);
  } else {
    forget_fetch();
    hpa = translate(request);
  }
  if (fetch && hit.level == mmu::TlbHitLevel::kFirst) {
    fetched_page_ = request.address / kTranslatedPage;
    fetched_entry_ = hit.entry;
  } else if (fetch) {
    forget_fetch();
  }
  if (units_.data_in_caches && !fetch) {
    constexpr std::uint64_t kLine = mmu::kLineBytes;
    const bool write = arch::is_write(request.access);
    const std::uint64_t end = hpa + bytes;
    for (; hpa < end; hpa = (hpa | (kLine - 1)) + 1) {
      units_.memory.warm(kCore, {.address = arch::Hpa(hpa), .write = write}, cycle_);
    }
  }
  return count_access();
}

bool Warming::touch_page(const mmu::Request& request, std::uint64_t bytes) {
  look_ahead();
  touched_pages_.follow(program_.changes());
  const std::uint64_t number = request.address / kTranslatedPage;
  const TouchedPages::Page* const known = touched_pages_.find(number, request.access);
  const TouchedPages::Page& page = known != nullptr ? *known : touch(request);
  std::uint64_t& recent = recent_pages_[number % kRecentPages];
  if (recent != number) {
    recent = number;
    for (const std::uint64_t entry : page.entries) touch_lines(entry, sizeof entry, false);
  }
  if (units_.data_in_caches && request.access != arch::AccessKind::kFetch) {
    const std::uint64_t offset = request.address & (kTranslatedPage - 1);
    touch_lines(page.frame * kTranslatedPage + offset, bytes, arch::is_write(request.access));
  }
  return count_access();
}

/// Does in memory what an access of the page does there.
const TouchedPages::Page& Warming::touch(const mmu::Request& request) {
  program_.require_canonical(request.address);
  for (;;) {
    touching_walk_.references.clear();
    touching_walk_.writes.clear();
    const mmu::Outcome outcome = program_.walk_memory(request, touching_walk_);
    if (outcome.kind == mmu::OutcomeKind::kTranslated) {
      TouchedPages::Page page{.number = request.address / kTranslatedPage,
                              .frame = outcome.hpa / kTranslatedPage};
      for (const mmu::Reference& read : touching_walk_.references) {
        if (read.place.ept_level == 0) page.entries[0] = read.address;
        page.entries[1] = read.address;
      }
      touched_pages_.follow(program_.changes());
      return touched_pages_.add(page, request.access);
    }
    forget(mmu::invalidation::after(program_.context(), request, outcome));
    mmu::Cycle still = cycle_;
    program_.serve(request, outcome, still);
  }
}

void Warming::touch_lines(std::uint64_t hpa, std::uint64_t bytes, bool write) {
  constexpr std::uint64_t kLine = mmu::kLineBytes;
  const std::uint64_t end = hpa + bytes;
  for (; hpa < end; hpa = (hpa | (kLine - 1)) + 1) {
    const std::uint64_t line = hpa / kLine;
    std::uint64_t& recent = recent_lines_[line % kRecentLines];
    if (recent / 2 == line && (!write || recent % 2 != 0)) continue;
    recent = 2 * line + (write ? 1 : 0);
    units_.memory.touch_large(kCore, arch::Hpa(hpa), write);
  }
}

/// What large caches remember doesn't fit the host's: has it bring what touching will read.
void Warming::look_ahead() const {
  constexpr std::size_t kFar = 24;   // records: the page's own entry takes its time
  constexpr std::size_t kNear = 12;  // long enough for memory to answer
  if (const Record* const far = program_.ahead(kFar)) [[likely]]
    touched_pages_.prefetch(far->address / kTranslatedPage);
  const Record* const near = program_.ahead(kNear);
  if (near == nullptr) return;
  const std::uint64_t number = near->address / kTranslatedPage;
  const TouchedPages::Page* const page = touched_pages_.find(number);
  if (page == nullptr) return;
  const std::uint64_t hpa = page->frame * kTranslatedPage + (near->address & (kTranslatedPage - 1));
  if (const std::uint64_t line = hpa / mmu::kLineBytes;
      recent_lines_[line % kRecentLines] / 2 != line) {
    units_.memory.prefetch_large(kCore, arch::Hpa(hpa));
  }
  if (recent_pages_[number % kRecentPages] == number) return;
  for (const std::uint64_t entry : page->entries)
    units_.memory.prefetch_large(kCore, arch::Hpa(entry));
}

/// Whether the run goes on.
bool Warming::count_access() {
  if (!program_.count_access()) [[likely]]
    return true;
  forget_fetch();
  mmu::Cycle still = cycle_;
  return program_.reach_milestone(still);
}

/// After a miss: where the access goes in the end, faults served.
std::uint64_t Warming::translate(const mmu::Request& request) {
  for (;;) {
    const mmu::Outcome outcome =
        program_.has_ideal_tlb() ? program_.translate_at_once(request) : walk(request);
    if (outcome.kind == mmu::OutcomeKind::kTranslated) {
      // The walk may have gone through structure caches that are stale.
      program_.check_use(request, outcome, program_.translated() + 1);
      return hpa_of(request, outcome);
    }
    mmu::Cycle still = cycle_;
    program_.serve(request, outcome, still);
    // The instruction begins anew.
    const mmu::TlbHit hit = units_.tlbs.lookup(request);
    program_.count_replayed_lookup(request, hit);
    if (hit) {
      program_.check_use(request, *hit.entry, program_.translated() + 1);
      return hit.entry->hpa_of(request.address);
    }
  }
}

mmu::Outcome Warming::walk(const mmu::Request& request) {
  if (units_.walker.has_invalidations()) invalidate_structures();
  const mmu::WalkContext& context = program_.context();
  mmu::Walk walk(context, request, units_.lookups);
  for (mmu::Answer answer;;) {
    const mmu::Step step = walk.next(answer);
    for (const mmu::CachedEntry& entry : walk.fills()) units_.structures.fill(entry, context);
    if (step.kind == mmu::StepKind::kDone) break;
    answer = {};
    if (step.kind == mmu::StepKind::kLookup) {
      answer.entry = units_.structures.lookup(step.lookup, step.key, context, step.dirty);
    } else {
      answer.value = serve(step);
    }
  }
  ++walks_.walks;
  ++walks_.by_references[std::min<std::size_t>(walk.references(), WarmWalks::kMostReferences - 1)];
  const mmu::Outcome& outcome = walk.outcome();
  if (units_.data_in_caches && outcome.kind == mmu::OutcomeKind::kTranslated) {
    units_.memory.prefetch(kCore, arch::Hpa(hpa_of(request, outcome)));
  }
  units_.tlbs.fill(context, request, outcome);
  forget(mmu::invalidation::after(context, request, outcome));
  return outcome;
}

void Warming::forget(const mmu::InvalidationScopes& scopes) {
  for (const mmu::InvalidationScope& scope : scopes) {
    units_.tlbs.invalidate(scope);
    units_.structures.invalidate(scope);
  }
}

std::uint64_t Warming::serve(const mmu::Step& step) {
  mmu::NoRecording nothing;
  const std::uint64_t value = mmu::serve(step, units_.bytes, nothing);
  const bool writes =
      step.kind == mmu::StepKind::kCompareExchange || step.kind == mmu::StepKind::kWrite;
  const mmu::MemoryLevel level =
      units_.memory.warm(kCore,
                         {.address = arch::Hpa(step.address),
                          .write = writes,
                          .enters_at = units_.memory.settings().walks_enter_at,
                          .origin = mmu::AccessOrigin::kWalk},
                         cycle_);
  if (step.kind == mmu::StepKind::kRead) {
    mmu::PlaceCounters& place = walks_.matrix[step.place.guest_level][step.place.ept_level];
    ++place.references;
    ++place.served_by[static_cast<std::size_t>(level)];
  } else if (step.kind == mmu::StepKind::kCompareExchange) {
    ++walks_.flag_updates;
  }
  return value;
}

/// Those that are on their way to the walker, which sees them before its next walk.
void Warming::invalidate_structures() {
  for (const mmu::InvalidationScope& scope : units_.walker.take_invalidations()) {
    units_.structures.invalidate(scope);
  }
}

}  // namespace eptsim::sim
