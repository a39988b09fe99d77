#include "mmu_model/modules/translation_port.hpp"

#include <algorithm>

#include "ept/arch/access.hpp"

namespace eptsim::mmu {

namespace {

/// Whether what a walk of `walked` says holds for `request` too, of the same context: what allows a
/// write allows a read of the page, but not the other way round.
bool answers(const Request& walked, const Request& request) {
  const bool fetch = request.access == arch::AccessKind::kFetch;
  return walked.linear && request.linear && walked.address >> 12 == request.address >> 12 &&
         walked.user == request.user && walked.implicit == request.implicit &&
         !is_shadow_stack_access(walked) && !is_shadow_stack_access(request) &&
         (walked.access == arch::AccessKind::kFetch) == fetch &&
         (is_write(walked.access) || !is_write(request.access));
}

}  // namespace

TranslationPort::TranslationPort(const sc_core::sc_module_name& name, const Timeline& timeline,
                                 MmuModule& unit, Timeline::Turn turn)
    : sc_module(name), timeline_(timeline), unit_(unit), turn_(turn) {
  mmu.register_nb_transport_bw(this, &TranslationPort::from_mmu);
}

void TranslationPort::drive(WalkerModule& walker, MemoryModule& memory) {
  walker_ = &walker;
  memory_ = &memory;
  walker.leave_to_driver();
  memory.leave_to_driver();
}

/// Has walker and memory do what is due in the first cycle in which anything is, if that lies
/// before `cycle`. Whether there was any.
bool TranslationPort::drive_before(Cycle cycle) {
  const Cycle due = std::min(walker_->due(), memory_->due());
  if (due >= cycle) return false;
  memory_->allow_until(cycle);
  if (memory_->due() == due) memory_->serve_due(due);
  if (walker_->due() == due && (cycle != kNever || !walker_->walk_due())) walker_->tick_due();
  return true;
}

void TranslationPort::invalidate(const InvalidationScopes& scopes, Cycle cycle) {
  unit_.invalidate(scopes, cycle);
  join_no_more();
}

const WalkTransaction& TranslationPort::walk(const WalkContext& context, const Request& request,
                                             Cycle cycle) {
  ask(context, request, cycle);
  return await_answer();
}

const TranslationPort::Walk& TranslationPort::await_answer() {
  do wait_until(kNever);
  while (!is_driver() && next_answer() > timeline_.now());
  return take_answer();
}

const TranslationPort::Walk& TranslationPort::ask(const WalkContext& context,
                                                  const Request& request, Cycle cycle) {
  Walk*& bucket = bucket_of(request.address);
  for (Walk* walk = bucket; walk != nullptr; walk = walk->next_joinable) {
    if (!answers(walk->request.request, request)) continue;
    ++counters_.merged;
    return *walk;
  }
  Walk& walk = new_walk();
  walk.request = {.tag = asked_++, .context = &context, .request = request};
  walk.requested = cycle + 1;
  walk.pml_index = pml_index_;
  walk.under_way = true;
  walk.may_be_joined = true;
  walk.next_joinable = bucket;
  bucket = &walk;
  ++under_way_;
  counters_.most = std::max(counters_.most, under_way_);
  send(walk, tlm::BEGIN_REQ);
  return walk;
}

const TranslationPort::Walk& TranslationPort::take_answer() {
  Walk& walk = *answered_;
  answered_ = walk.next_answered;
  if (walk.may_be_joined) stop_joining(walk);
  send(walk, tlm::END_RESP);
  ++counters_.answered;
  counters_.cycles += walk.answered + 1 - walk.requested;
  release(walk);
  return walk;
}

void TranslationPort::abandon() {
  join_no_more();
  for (Walk& walk : walks_) {
    if (!walk.under_way) continue;
    tlm::tlm_phase phase = WITHDRAW;
    sc_core::sc_time none;
    if (mmu->nb_transport_fw(walk, phase, none) == tlm::TLM_COMPLETED) release(walk);
  }
}

void TranslationPort::wait_until(Cycle cycle) {
  if (is_driver()) {
    while (drive_before(std::min(cycle, next_answer()))) {
    }
    if (std::min(cycle, next_answer()) != kNever) return;
  }
  sleep_until(std::min(cycle, next_answer()));
}

void TranslationPort::sleep_until(Cycle cycle) {
  if (cycle == kNever) {
    sc_core::wait(answer_);
  } else {
    sc_core::wait(timeline_.until(cycle, turn_), answer_);
  }
}

void TranslationPort::send(Walk& walk, tlm::tlm_phase phase) {
  sc_core::sc_time none;
  mmu->nb_transport_fw(walk, phase, none);
}

TranslationPort::Walk& TranslationPort::new_walk() {
  if (free_.empty()) {
    const auto number = static_cast<unsigned>(walks_.size());
    walks_.emplace_back().number = number;
    return walks_.back();
  }
  Walk& walk = *free_.back();
  free_.pop_back();
  return walk;
}

void TranslationPort::join_no_more() {
  for (Walk& walk : walks_) {
    if (walk.may_be_joined) stop_joining(walk);
  }
}

void TranslationPort::stop_joining(Walk& walk) {
  Walk** link = &bucket_of(walk.request.request.address);
  while (*link != &walk) link = &(*link)->next_joinable;
  *link = walk.next_joinable;
  walk.may_be_joined = false;
}

void TranslationPort::release(Walk& walk) {
  walk.under_way = false;
  --under_way_;
  free_.push_back(&walk);
}

tlm::tlm_sync_enum TranslationPort::from_mmu(WalkTransaction& transaction, tlm::tlm_phase&,
                                             sc_core::sc_time&) {
  Walk& walk = static_cast<Walk&>(transaction);  // every one of this port is
  walk.next_answered = nullptr;
  (answered_ == nullptr ? answered_ : last_answered_->next_answered) = &walk;
  last_answered_ = &walk;
  if (!is_driver()) wake(walk.answered + 1);
  return tlm::TLM_COMPLETED;
}

}  // namespace eptsim::mmu
