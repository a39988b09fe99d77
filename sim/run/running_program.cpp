#include "sim/run/running_program.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "ept/arch/address.hpp"
#include "mmu_model/walk/translate.hpp"
#include "sim/run/hexadecimal.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kBatch = 1024;                     // records read at a time
constexpr std::uint64_t kProgressInterval = 1ull << 16;  // accesses
constexpr std::uint64_t kKeepTranslations = 1ull << 63;  // of what MOV CR3 writes

}  // namespace

RunningProgram::RunningProgram(const mmu::Timeline& timeline, mmu::TranslationPort& port,
                               CoreWork work)
    : timeline_(timeline),
      port_(port),
      work_(std::move(work)),
      checks_uses_(work_.settings.machine.stale_check),
      ideal_tlb_(work_.settings.machine.ideal_tlb),
      next_checkpoint_(following_checkpoint()),
      lead_in_(work_.settings.lead_in),
      samples_(work_.settings.machine.sampling, work_.settings.machine.hardware.seed) {
  for (const NamedTrace& trace : work_.traces) {
    streams_.push_back(
        {.trace = trace, .number = streams_.size(), .batch = std::vector<Record>(kBatch)});
  }
  work_.group.join(work_.number, port_);
}

bool RunningProgram::refill(Stream& stream) {
  if (next_checkpoint_ != kNoStop) stream.hash.add(std::span(stream.batch).first(stream.records));
  stream.next = 0;
  stream.records = 0;  // should reading fail
  stream.records = stream.trace.reader->read(stream.batch);
  return stream.records != 0;
}

bool RunningProgram::take_turns() {
  const bool ended = streams_[turn_].records == 0;
  if (ended) streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(turn_));
  if (streams_.empty()) return false;
  turn_ = (ended ? turn_ : turn_ + 1) % streams_.size();
  turn_end_ = mmu::kNever;
  turn_begins_ = true;
  preempted_ = !ended;
  return true;
}

void RunningProgram::require_canonical(std::uint64_t address) const {
  if (is_canonical(address)) [[likely]]
    return;
  throw error_at_record("address " + hexadecimal(address) +
                        " is not canonical, expected bits 63 to 47 " + "all equal" +
                        (arch::is_canonical(address, 57) ? ": the guest has 4-level paging" : ""));
}

void RunningProgram::find_stale_use(const mmu::Request& request, const mmu::TlbEntry& entry,
                                    std::uint64_t number) {
  if (next_request() != mmu::kNever) return;  // it may be used as long as nobody has said so
  const auto use = mmu::find_stale_use(*context_, request, entry, work_.memory);
  if (!use) return;
  StaleAccesses& stale = counted_.stale;
  ++(use->in_ept ? stale.ept : stale.guest);
  if (stale.first.size() == kStaleAccesses) return;
  stale.first.push_back({.number = number,
                         .address = request.address,
                         .kind = request.access,
                         .eptp = context_->raw.eptp,
                         .use = *use});
}

void RunningProgram::count_walk(const mmu::WalkTransaction& walk, std::uint64_t ip) {
  work_.after_walk();
  const std::uint64_t cycles = walk.response.cycles;
  counted_.pages.add(walk.request.request.address & ~(kTranslatedPage - 1), cycles);
  if (ip != 0) counted_.instruction_addresses.add(ip, cycles);
}

mmu::Outcome RunningProgram::translate_at_once(const mmu::Request& request) {
  mmu::NoRecording nothing;
  mmu::Outcome outcome = walk_memory(request, nothing);
  port_.fill(*context_, request, outcome);
  return outcome;
}

void RunningProgram::serve(const mmu::Request& request, const mmu::Outcome& outcome,
                           mmu::Cycle& cycle) {
  settle(cycle);
  if (outcome.kind == mmu::OutcomeKind::kPmlFull) {
    ++counted_.dirty_log.full_logs;
    log_dirty([&] { pass_exits(1, cycle); }, cycle);
    return;
  }
  if (!is_alone() &&
      (has_been_served(request, outcome, cycle) || waited_for_merge(request, outcome, cycle))) {
    return;
  }
  vcpu_->machine.software.serve(asid_, request, outcome);
  account_for_software(cycle);
  if (samples_.is_on()) set_next_milestone();
}

/// Lets the walk that is under way end which may write to the vCPU's log, before that is drained.
void RunningProgram::settle(mmu::Cycle& cycle) {
  if (!vcpu_->machine.software.uses_pml()) return;
  log_dirty([&] { take_answers(cycle); }, cycle);
}

/// Nobody is waiting for them any more.
void RunningProgram::take_answers(mmu::Cycle& cycle) {
  while (port_.under_way() != 0) {
    const mmu::TranslationPort::Walk& walk = port_.await_answer();
    count_walk(walk, 0);
    if (walk.answered + 1 > cycle) pass(walk.answered + 1 - cycle, cycle);
  }
}

/// Another core met the same fault, and had it served since the walk. This one's costs its exit,
/// if it is one, and nothing else.
bool RunningProgram::has_been_served(const mmu::Request& request, const mmu::Outcome& outcome,
                                     mmu::Cycle& cycle) {
  const mmu::Outcome now = mmu::look_at(*context_, request, work_.memory);
  if (now.kind == outcome.kind && now.gpa == outcome.gpa) return false;
  count_fault_exit(outcome, cycle);
  return true;
}

/// A fault that software has nothing to do for.
void RunningProgram::count_fault_exit(const mmu::Outcome& outcome, mmu::Cycle& cycle) {
  if (outcome.kind == mmu::OutcomeKind::kEptViolation) {
    ++counted_.ept_violations;
    pass_exits(1, cycle);
  } else if (work_.settings.mode == Mode::kShadow) {
    ++counted_.shadow_exits.page_faults;
    pass_exits(1, cycle);
  }
}

void RunningProgram::enter(const Record& record, mmu::Cycle& cycle) {
  ++changes_;
  const Vcpu* const before = vcpu_;
  if (before == nullptr || !is_running(record)) {
    Vcpu& next = work_.machines.vcpu(record.vm, record.vcpu, work_.number);
    if (before != nullptr) leave_vcpu(cycle);
    vcpu_ = &next;
    work_.group.run(work_.number, next);
    pay_owed(cycle);
    handle_log(cycle);
  }
  // A virtual machine's vCPU comes back to the space that it was in. Without one, vCPUs are threads
  // of the same processor.
  const bool moves = before == vcpu_ ||
                     (is_virtual() ? vcpu_->entered && vcpu_->asid != record.asid
                                   : before != nullptr && (&before->machine != &vcpu_->machine ||
                                                           asid_ != record.asid));
  const Pcids::Use tag = pcids().use(space(record.asid));
  if (moves) {
    vcpu_->machine.software.intercept_cr_access();
    const std::uint64_t source = tag.flush ? tag.pcid : tag.pcid | kKeepTranslations;
    port_.invalidate(mmu::invalidation::mov_to_cr3({.vpid = vcpu_->vpid}, source, uses_pcids()),
                     cycle);
  }
  vcpu_->entered = true;
  vcpu_->asid = asid_ = record.asid;
  home_ = home_of(record);
  context_ = &vcpu_->machine.software.context(asid_, vcpu_->vpid, vcpu_->number, tag.pcid);
  account_for_software(cycle);
  port_.use(*context_);
  port_.log_with(vcpu_->machine.software.pml_index(vcpu_->number));
  if (std::exchange(turn_begins_, false)) {
    const std::uint64_t slice = work_.settings.machine.time_slice;
    if (slice != 0) turn_end_ = cycle + slice;
  }
  follow_dirty_log(cycle);
  follow_merging(cycle);
}

/// The hypervisor takes the core for another vCPU.
void RunningProgram::leave_vcpu(mmu::Cycle& cycle) {
  if (!is_virtual()) return;
  ++(std::exchange(preempted_, false) ? counted_.exits.preemption_timer
                                      : counted_.exits.vcpu_switch);
  pass_exits(1, cycle);
}

/// What the vCPU and its machine had to forget while the core ran something else.
void RunningProgram::pay_owed(mmu::Cycle cycle) {
  port_.invalidate(std::exchange(vcpu_->machine.owed[work_.number], {}), cycle);
  if (std::exchange(vcpu_->owes_flush, false)) {
    port_.invalidate(mmu::InvalidationScope{.vpid = vcpu_->vpid}, cycle);
  }
}

/// Lets what the software has just done cost its cycles, and carries out what it owes.
void RunningProgram::account_for_software(mmu::Cycle& cycle) {
  VirtualMachine& machine = vcpu_->machine;
  const SystemSoftware& software = machine.software;
  const auto since = [](std::uint64_t now, std::uint64_t& accounted) {
    return now - std::exchange(accounted, now);
  };
  const std::uint64_t exits = since(software.ept_violations(), machine.exits_accounted);
  counted_.ept_violations += exits;
  const ShadowExits shadow = software.shadow_exits() - machine.shadow_accounted;
  machine.shadow_accounted += shadow;
  counted_.shadow_exits += shadow;
  pass_exits(exits + shadow.sum(), cycle);
  counted_.page_faults += since(software.page_faults(), machine.faults_accounted);
  const DirtyLogCounts logging = software.dirty_log() - machine.dirty_log_accounted;
  machine.dirty_log_accounted += logging;
  counted_.dirty_log += logging;
  const Machine& settings = work_.settings.machine;
  counted_.dirty_log.cycles +=
      logging.protected_writes * (std::uint64_t{settings.exit_cycles} + settings.handler_cycles);
  const auto pay = [&] {
    pass(logging.entries * settings.dirty_log.entry_cycles, cycle);
    OwedInvalidation owed = machine.software.take_owed_invalidation();
    port_.invalidate(owed.scopes, cycle);
    if (!owed.scopes.empty()) {
      ++changes_;
      shoot_down(owed.scopes, cycle);
    }
    machine.software.complete(std::move(owed));
  };
  log_dirty(pay, cycle);
}

void RunningProgram::pass_exits(std::uint64_t exits, mmu::Cycle& cycle) {
  if (exits == 0) return;
  const Machine& machine = work_.settings.machine;
  pass(exits * (std::uint64_t{machine.exit_cycles} + machine.handler_cycles), cycle);
  if (!machine.vpid) port_.invalidate(mmu::invalidation::vm_transition(false), cycle);
  handle_log(cycle);
}

/// At each exit the hypervisor drains the vCPU's log of modified pages.
void RunningProgram::handle_log(mmu::Cycle& cycle) {
  const std::uint64_t drained = vcpu_->machine.software.handle_log(vcpu_->number);
  const std::uint64_t cycles = drained * work_.settings.machine.dirty_log.entry_cycles;
  log_dirty([&] { pass(cycles, cycle); }, cycle);
}

void RunningProgram::pass(std::uint64_t cycles, mmu::Cycle& cycle) {
  counted_.cycles_by.exits += cycles;
  cycle += cycles;
}

/// The hypervisor's turn at dirty logging, by the first vCPU of each machine: something made it
/// run, which costs what any exit does. If it is due while that doesn't run, it comes when it does
/// again.
void RunningProgram::follow_dirty_log(mmu::Cycle& cycle) {
  if (!logs_writes() || !warm_ || vcpu_ == nullptr) return;
  VirtualMachine& machine = vcpu_->machine;
  const std::uint64_t interval = work_.settings.machine.dirty_log.interval;
  if (machine.next_dirty_turn == 0) {
    const std::uint64_t first = std::max(work_.settings.warmup, interval);
    machine.next_dirty_turn = (first + interval - 1) / interval * interval;
  }
  if (vcpu_ != &machine.vcpus.front() || translated_ < machine.next_dirty_turn) return;
  const mmu::Cycle begun = cycle;
  std::optional<std::vector<arch::Gpa>> pages;
  const auto take_turn = [&] {
    ++counted_.dirty_log.turns;
    ++changes_;
    machine.software.begin_dirty_turn();
    pass_exits(1, cycle);
    if (machine.software.uses_pml() && interrupt_machine({}, cycle) != 0) await_answers(cycle);
    pages = machine.software.end_dirty_turn();
    handle_log(cycle);
    account_for_software(cycle);
  };
  log_dirty(take_turn, cycle);
  if (pages) {
    counted_.dirty_rounds.push_back(
        {.vm = machine.name, .pages = pages->size(), .cycles = cycle - begun});
    if (work_.settings.on_dirty_round) {
      work_.settings.on_dirty_round({machine.software, work_.memory, *pages});
    }
  }
  machine.next_dirty_turn =
      machine.software.is_dirty_logging_over() ? kNoStop : (translated_ / interval + 1) * interval;
}

void RunningProgram::leave(mmu::Cycle cycle, bool by_error) {
  if (by_error) work_.group.halt();
  work_.group.leave(work_.number, cycle);
}

bool RunningProgram::begin(mmu::Cycle& cycle) {
  if (std::exchange(resumed_, false)) return go_on(cycle);
  warm_ = work_.settings.warmup == 0;
  if (warm_ && samples_.is_on()) samples_.begin(sample_point());
  set_next_milestone();
  return work_.settings.limit != 0u;
}

bool RunningProgram::reach_milestone(mmu::Cycle& cycle, bool at_rest) {
  if (!warm_ && translated_ == work_.settings.warmup) end_warmup(cycle);
  if (warm_ && work() >= samples_.next_end()) samples_.end(sample_point());
  if (at_rest && translated_ >= next_checkpoint_) take_checkpoint(cycle);
  return go_on(cycle);
}

bool RunningProgram::go_on(mmu::Cycle& cycle) {
  if (warm_ && counted_.accesses == work_.settings.limit) return false;
  if (warm_ && !samples_.is_on() && counted_.accesses == intervals_.next_end()) {
    intervals_.end(total());
  }
  follow_dirty_log(cycle);
  follow_merging(cycle);
  if (work_.progress && translated_ % kProgressInterval == 0) work_.progress(translated_);
  set_next_milestone();
  return true;
}

Course RunningProgram::course() const {
  return warm_ && !samples_.is_on() ? intervals_.up_to(total()) : Course{};
}

Interval RunningProgram::total() const {
  Interval total{.accesses = counted_.accesses,
                 .instructions = counted_.instructions,
                 .cycles = counted_.cycles_by.sum(),
                 .translation_cycles = counted_.cycles_by.translation,
                 .exit_cycles = counted_.cycles_by.exits};
  work_.count_units(total);
  return total;
}

SamplePoint RunningProgram::sample_point() const {
  return {.accesses = counted_.accesses, .cycles_by = counted_.cycles_by, .faults = faults()};
}

void RunningProgram::set_next_milestone() {
  next_stop_ = kNoStop;
  const auto stop_each = [this](std::uint64_t interval) {
    next_stop_ = std::min(next_stop_, (translated_ / interval + 1) * interval);
  };
  const Machine& machine = work_.settings.machine;
  if (logs_writes()) stop_each(machine.dirty_log.interval);
  if (machine.guest_merge.interval != 0) stop_each(machine.guest_merge.interval);
  if (machine.hypervisor_merge.interval != 0) stop_each(machine.hypervisor_merge.interval);
  if (!warm_) {
    next_stop_ = std::min(next_stop_, work_.settings.warmup);
  } else if (work_.settings.limit) {
    const std::uint64_t left = *work_.settings.limit - counted_.accesses;
    if (left < next_stop_ - translated_) next_stop_ = translated_ + left;
  }
  // A sampled run has its checkpoints while it is warmed, and is stopped nowhere else for them.
  if (!samples_.is_on()) next_stop_ = std::min(next_stop_, next_checkpoint_);
  next_milestone_ = std::min(next_stop_, (translated_ / kProgressInterval + 1) * kProgressInterval);
  if (samples_.is_warming()) {
    next_milestone_ = std::min(next_milestone_, std::max(next_checkpoint_, translated_ + 1));
  }
  if (warm_) {
    // Of samples at the next access, if faults have led beyond.
    const std::uint64_t left = samples_.is_on() ? std::max(samples_.next_end(), work() + 1) - work()
                                                : intervals_.next_end() - counted_.accesses;
    next_milestone_ = std::min(next_milestone_, translated_ + left);
  }
}

/// All cores begin to count in the same cycle: that in which the last comes to its end.
void RunningProgram::end_warmup(mmu::Cycle& cycle) {
  meet(cycle, work_.end_warmup, counted_.cycles_by.exits);
  warm_ = true;
  warm_since_ = cycle;
  counted_ = {};
  port_.reset_counters();
  if (samples_.is_on()) samples_.begin(sample_point());
}

const std::string& RunningProgram::trace_name(const Stream& stream) const {
  return stream.trace.name.empty() ? work_.settings.trace_name : stream.trace.name;
}

InputError RunningProgram::error_at_record(const std::string& problem) const {
  const Stream& stream = streams_[turn_];
  const std::string record = "record " + std::to_string(stream.read);
  const std::string& trace = trace_name(stream);
  return {trace.empty() ? record : trace + ": " + record, problem};
}

void RunningProgram::report(RunResult& result, mmu::Cycle now) const {
  result.partial |= partial_;
  result.translated += translated_;
  if (!warm_) return;
  result.accesses += counted_.accesses;
  result.instructions += counted_.instructions;
  result.events += counted_.events;
  result.cycles = std::max(result.cycles, now - warm_since_);
  result.replayed += counted_.replayed;
  result.replayed_lookups += counted_.replayed_lookups;
  result.cycles_by += counted_.cycles_by;
  result.guest_page_faults += counted_.page_faults;
  result.ept_violations += counted_.ept_violations;
  result.shadow_exits += counted_.shadow_exits;
  result.guest_merging += counted_.guest_merging;
  result.hypervisor_merging += counted_.hypervisor_merging;
  result.dirty_log += counted_.dirty_log;
  result.dirty_rounds.insert(result.dirty_rounds.end(), counted_.dirty_rounds.begin(),
                             counted_.dirty_rounds.end());
  result.exits += counted_.exits;
  result.shootdowns += counted_.shootdowns;
  result.stale += counted_.stale;
  result.walk_queue += port_.counters();
}

}  // namespace eptsim::sim
