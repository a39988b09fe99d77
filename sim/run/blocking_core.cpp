#include "sim/run/blocking_core.hpp"

#include <algorithm>
#include <span>

namespace eptsim::sim {

void BlockingCore::run_program() {
  if (!program_.begin(cycle_)) return;
  if (warming_ && !warming_->finish_record()) return;
  if (!finish_record()) return;
  do {
    while (!program_.turn_is_over(cycle_)) {
      if (program_.is_warming() && !warming_->run(cycle_)) return;
      const Record* const record = program_.next();
      if (record == nullptr) break;
      if (!run_record(*record)) return;
      if (passes_hits_) run_hits();
    }
  } while (program_.take_turns());
}

/// Accesses to pages that were used a moment ago, one after the other: time passes, and nothing
/// else comes of them. All others, and what reaches a milestone, are for run_record.
void BlockingCore::run_hits() {
  const std::span<const Record> records = program_.upcoming();
  const std::size_t most = std::min<std::uint64_t>(records.size(), program_.before_milestone());
  const bool fetches = program_.settings().fetch;
  std::uint64_t instructions = 0;
  std::uint64_t accesses = 0;
  std::uint64_t lookup_cycles = 0;
  std::size_t passed = 0;
  for (; passed < most; ++passed) {
    const Record& record = records[passed];
    if (!is_access(record.kind)) break;
    if (record.kind != RecordKind::kFetch || fetches) {
      const std::uint64_t last = (record.address & (kTranslatedPage - 1)) + record.size;
      if (!program_.is_current(record) || last > kTranslatedPage) break;
      const mmu::Request request{
          .address = record.address, .access = access_kind(record.kind), .user = true};
      if (port_.lookup_hit(request) == nullptr) break;
      lookup_cycles += port_.first_level_cycles(request.access);
      ++accesses;
    }
    instructions += record.instructions;
  }
  program_.pass_over(passed);
  program_.count_accesses(accesses);
  program_.counted().instructions += instructions;
  program_.counted().cycles_by.retiring += instructions;
  program_.counted().cycles_by.translation += lookup_cycles;
  cycle_ += instructions + lookup_cycles;
}

/// The core is about to act in `cycle_`. What others ask for comes first.
void BlockingCore::pace() {
  if (program_.is_alone()) [[likely]]
    return timeline_.keep_pace(cycle_);
  for (;;) {
    while (cycle_ >= timeline_.horizon(number_)) port_.sleep_until(cycle_);
    if (program_.next_request() > cycle_) return;
    program_.serve_requests(cycle_);
  }
}

/// Whether the run goes on.
bool BlockingCore::run_record(const Record& record) {
  if (program_.is_stopped()) [[unlikely]]
    return false;
  cycle_ += record.instructions;
  program_.counted().instructions += record.instructions;
  program_.counted().cycles_by.retiring += record.instructions;
  if (is_access(record.kind)) [[likely]] {
    if (record.kind == RecordKind::kFetch && !program_.settings().fetch) return true;
    return access(record);
  }
  pace();
  program_.act(record, cycle_);
  return true;
}

bool BlockingCore::access(const Record& record) {
  if (!program_.is_current(record)) [[unlikely]] {
    pace();
    program_.enter(record, cycle_);
  }
  mmu::Request request{.address = record.address, .access = access_kind(record.kind), .user = true};
  const std::uint64_t ip = record.ip;
  const std::uint64_t size = std::max<std::uint64_t>(record.size, 1);
  const std::uint64_t offset = record.address & (kTranslatedPage - 1);
  if (offset + size <= kTranslatedPage) [[likely]]
    return translate(request, ip);
  rest_ = {request, ip, (offset + size + kTranslatedPage - 1) / kTranslatedPage};
  return finish_record();
}

/// Every page by itself, the lowest first. At the top of the address space it goes on at 0.
bool BlockingCore::finish_record() {
  while (rest_.pages != 0) {
    const mmu::Request request = rest_.request;
    rest_.request.address = (request.address & ~(kTranslatedPage - 1)) + kTranslatedPage;
    --rest_.pages;
    if (!translate(request, rest_.ip)) return false;
  }
  return true;
}

bool BlockingCore::translate(const mmu::Request& request, std::uint64_t ip) {
  program_.require_canonical(request.address);
  pace();
  for (bool again = false;; again = true) {
    const mmu::TlbHit hit = port_.lookup(request);
    if (again) [[unlikely]]
      program_.count_replayed_lookup(request, hit);
    if (!program_.has_ideal_tlb()) [[likely]] {
      cycle_ += hit.cycles;
      program_.counted().cycles_by.translation += hit.cycles;
    }
    if (hit) [[likely]] {
      program_.check_use(request, *hit.entry, program_.translated() + 1);
      break;
    }
    if (program_.has_ideal_tlb() ? take(request, program_.translate_at_once(request))
                                 : walk(request, ip)) {
      break;
    }
    // A fault was served: the instruction begins anew.
  }
  return !program_.count_access() || program_.reach_milestone(cycle_);
}

bool BlockingCore::walk(const mmu::Request& request, std::uint64_t ip) {
  program_.expect_walk(request, ip);
  const mmu::WalkTransaction& walk = port_.walk(program_.context(), request, cycle_);
  program_.counted().cycles_by.translation += walk.answered + 1 - cycle_;
  cycle_ = walk.answered + 1;
  program_.count_walk(walk, ip);
  return take(request, walk.response.outcome);
}

/// Whether the walk translated. A fault was served otherwise.
bool BlockingCore::take(const mmu::Request& request, const mmu::Outcome& outcome) {
  if (outcome.kind != mmu::OutcomeKind::kTranslated) {
    program_.serve(request, outcome, cycle_);
    return false;
  }
  // The walk may have gone through structure caches that are stale.
  program_.check_use(request, outcome, program_.translated() + 1);
  return true;
}

}  // namespace eptsim::sim
