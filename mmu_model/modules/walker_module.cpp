#include "mmu_model/modules/walker_module.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace eptsim::mmu {

WalkerModule::WalkerModule(const sc_core::sc_module_name& name, const Timeline& timeline,
                           std::unique_ptr<WalkerUnit> unit, const WalkerConfiguration& size)
    : sc_module(name), timeline_(timeline), unit_(std::move(unit)), size_(size) {
  requester.register_nb_transport_fw(this, &WalkerModule::from_requester);
  memory.register_nb_transport_bw(this, &WalkerModule::from_memory);
  unit_->reset();
  SC_HAS_PROCESS(WalkerModule);
  SC_METHOD(run);
  sensitive << wake_;
  dont_initialize();
}

tlm::tlm_sync_enum WalkerModule::from_requester(WalkTransaction& transaction, tlm::tlm_phase&,
                                                sc_core::sc_time&) {
  const auto place = std::upper_bound(waiting_.begin(), waiting_.end(), &transaction,
                                      [](const WalkTransaction* a, const WalkTransaction* b) {
                                        return a->requested < b->requested;
                                      });
  waiting_.insert(place, &transaction);
  wake_.notify(timeline_.until(transaction.requested));
  return tlm::TLM_ACCEPTED;
}

tlm::tlm_sync_enum WalkerModule::from_memory(MemoryTransaction& transaction, tlm::tlm_phase& phase,
                                             sc_core::sc_time&) {
  memory_said(transaction, phase);
  wake_.notify(timeline_.until(phase == tlm::END_REQ ? transaction.taken : transaction.answered));
  return tlm::TLM_ACCEPTED;
}

void WalkerModule::invalidate(const InvalidationScope& scope, Cycle cycle) {
  if (!invalidations_.empty()) cycle = std::max(cycle, invalidations_.back().cycle + 1);
  invalidations_.push_back({scope, cycle});
  wake_.notify(timeline_.until(cycle));
}

/// An invalidation that was sent before a request is shown to the unit before it.
bool WalkerModule::may_take_request(Cycle cycle) const {
  return unit_->outputs().request_ready && !waiting_.empty() &&
         waiting_.front()->requested <= cycle && waiting_.front()->invalidations <= invalidated_;
}

void WalkerModule::memory_said(MemoryTransaction& transaction, const tlm::tlm_phase& phase) {
  if (phase != tlm::BEGIN_RESP) return;
  const auto place = std::upper_bound(answers_.begin(), answers_.end(), &transaction,
                                      [](const MemoryTransaction* a, const MemoryTransaction* b) {
                                        return a->answered < b->answered;
                                      });
  answers_.insert(place, &transaction);
}

void WalkerModule::run() {
  for (;;) {
    const Cycle cycle = next_tick();
    if (cycle == kNever) return;
    if (cycle > timeline_.now() && !timeline_.may_run_ahead_to(cycle)) {
      wake_.notify(timeline_.until(cycle));
      return;
    }
    tick(cycle);
  }
}

/// The first cycle in which an input of the unit is valid, or in which it asked to run. An input is
/// shown to it only in a cycle in which it is sure to be taken: outputs are registered, so that
/// is known beforehand.
Cycle WalkerModule::next_tick() const {
  const WalkerOutputs& outputs = unit_->outputs();
  Cycle cycle = outputs.next_cycle;
  if (may_take_request(kNever)) cycle = std::min(cycle, waiting_.front()->requested);
  if (!invalidations_.empty()) cycle = std::min(cycle, invalidations_.front().cycle);
  if (offered_ != nullptr) cycle = std::min(cycle, offered_->taken);
  if (!answers_.empty()) cycle = std::min(cycle, answers_.front()->answered);
  if (outputs.response) cycle = std::min(cycle, next_cycle_);
  return cycle == kNever ? kNever : std::max(cycle, next_cycle_);
}

void WalkerModule::tick(Cycle cycle) {
  WalkerInputs inputs{.cycle = cycle, .response_ready = true};
  if (!invalidations_.empty() && invalidations_.front().cycle <= cycle) {
    inputs.invalidation = invalidations_.front().scope;
    invalidations_.pop_front();
    ++invalidated_;
  } else if (may_take_request(cycle)) {
    WalkTransaction* const transaction = waiting_.front();
    waiting_.erase(waiting_.begin());
    auto slot = std::find(walking_.begin(), walking_.end(), nullptr);
    if (slot == walking_.end()) slot = walking_.insert(slot, nullptr);
    *slot = transaction;
    inputs.request = transaction->request;
    inputs.request->tag = static_cast<std::uint32_t>(slot - walking_.begin());
  }
  if (offered_ != nullptr && offered_->taken == cycle) {
    inputs.memory_ready = true;
    offered_ = nullptr;
  }
  if (!answers_.empty() && answers_.front()->answered <= cycle) {
    const MemoryTransaction& answered = *answers_.front();
    inputs.answer = answered.answer;
    count(answered);
    answers_.erase(answers_.begin());
  }
  const WalkerOutputs& outputs = unit_->tick(inputs);
  next_cycle_ = cycle + 1;
  if (outputs.lookup) count(*outputs.lookup);
  if (outputs.memory && offered_ == nullptr) offer_to_memory(*outputs.memory, next_cycle_);
  if (outputs.response) respond(*outputs.response, next_cycle_);
}

void WalkerModule::offer_to_memory(const MemoryRequest& request, Cycle cycle) {
  while (transactions_.size() <= request.id) transactions_.emplace_back();
  MemoryTransaction& transaction = transactions_[request.id];
  transaction.request = request;
  transaction.requested = cycle;
  transaction.taken = kNever;
  offered_ = &transaction;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time none;
  if (memory->nb_transport_fw(transaction, phase, none) == tlm::TLM_UPDATED) {
    memory_said(transaction, phase);
  }
}

void WalkerModule::respond(const WalkResponse& response, Cycle cycle) {
  WalkTransaction* const transaction = std::exchange(walking_[response.tag], nullptr);
  count(response);
  transaction->response = response;
  transaction->response.tag = transaction->request.tag;
  transaction->answered = cycle;
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time none;
  requester->nb_transport_bw(*transaction, phase, none);
}

/// What a request to memory held up its walk: from the first cycle in which it was offered up to
/// and with that of the answer.
void WalkerModule::count(const MemoryTransaction& transaction) {
  const Place place = transaction.request.place;
  const Cycle cycles = transaction.answered + 1 - transaction.requested;
  const bool guest = place.is_guest_entry();
  (guest ? counters_.guest_cycles : counters_.ept_cycles) += cycles;
  PlaceCounters& cell = counters_.matrix[place.guest_level][place.ept_level];
  cell.cycles += cycles;
  switch (transaction.request.kind) {
    case StepKind::kRead:
      ++counters_.references;
      ++(guest ? counters_.guest_references : counters_.ept_references);
      ++cell.references;
      break;
    case StepKind::kCompareExchange: ++counters_.flag_updates; break;
    default: break;
  }
}

void WalkerModule::count(const CacheLookup& lookup) {
  const auto count_one = [](TlbCounters& counters, bool hit) {
    ++counters.accesses;
    ++(hit ? counters.hits : counters.misses);
  };
  const auto count_levels = [&](std::array<TlbCounters, 6>& counters,
                                const std::array<unsigned, 6>& entries, unsigned hit) {
    for (unsigned level = 2; level <= (hit == 0 ? 4 : hit); ++level) {
      if (entries.at(level) != 0) count_one(counters.at(level), level == hit);
    }
  };
  if (lookup.combined) {
    count_levels(counters_.combined, size_.combined, lookup.combined_level);
    return;
  }
  if (size_.nested_tlb != 0) count_one(counters_.nested_tlb, lookup.nested_level != 0);
  if (lookup.ept_asked) count_levels(counters_.ept, size_.ept, lookup.ept_level);
}

void WalkerModule::count(const WalkResponse& response) {
  ++counters_.walks;
  counters_.cycles += response.cycles;
  ++counters_.latency[response.cycles];
  ++counters_.references_histogram[response.references];
}

}  // namespace eptsim::mmu
