#include "mmu_model/modules/walker_module.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace eptsim::mmu {

namespace {

/// The log is full: a walk with a flag to set in the EPT ends before it does.
constexpr std::uint16_t kNoLog = 0xffff;
constexpr std::uint16_t kLastLogIndex = 511;

/// Whether the walk may write what belongs to the whole processor: the log's index, or the
/// exception's area.
bool goes_alone(const WalkTransaction& transaction) {
  const WalkContext& context = *transaction.request.context;
  return transaction.restart.logs || context.virtualization_exceptions ||
         (context.page_modification_log && transaction.pml_index == nullptr);
}

/// Requests at the door go in by cycle, those of one cycle by tag.
std::pair<Cycle, std::uint32_t> order_at_door(const WalkTransaction* waiting) {
  return {waiting->requested, waiting->request.tag};
}

void count_access(TlbCounters& counters, bool hit) {
  ++counters.accesses;
  ++(hit ? counters.hits : counters.misses);
}

/// Arrays are asked from the lowest level up to `top`, and no further once one hits.
void count_levels(std::array<TlbCounters, 6>& counters, const std::array<unsigned, 6>& entries,
                  unsigned top, unsigned hit) {
  for (unsigned level = 2; level <= (hit != 0 ? hit : top); ++level) {
    if (entries[level] != 0) count_access(counters[level], level == hit);
  }
}

}  // namespace

WalkerModule::WalkerModule(const sc_core::sc_module_name& name, const Timeline& timeline,
                           std::unique_ptr<WalkerUnit> unit,
                           const WalkerConfiguration& configuration)
    : sc_module(name), timeline_(timeline), unit_(std::move(unit)), configuration_(configuration) {
  requester.register_nb_transport_fw(this, &WalkerModule::from_requester);
  memory.register_nb_transport_bw(this, &WalkerModule::from_memory);
  unit_->reset();
  outputs_ = &unit_->outputs();
  SC_HAS_PROCESS(WalkerModule);
  SC_METHOD(run);
  sensitive << wake_;
  dont_initialize();
}

tlm::tlm_sync_enum WalkerModule::from_requester(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                                sc_core::sc_time&) {
  if (phase == WITHDRAW) {
    const bool waited = leave_door(transaction);
    if (driven_) due_ = next_tick();
    return waited ? tlm::TLM_COMPLETED : tlm::TLM_ACCEPTED;
  }
  transaction.restart = {};
  wait_at_door(transaction);
  wake(transaction.requested);
  return tlm::TLM_ACCEPTED;
}

void WalkerModule::wait_at_door(WalkTransaction& transaction) {
  // Nearly always it is the last.
  const auto order = order_at_door(&transaction);
  const bool last = waiting_.empty() || order_at_door(waiting_.back()) <= order;
  const auto place =
      last ? waiting_.end() : std::ranges::upper_bound(waiting_, order, {}, order_at_door);
  waiting_.insert(place, &transaction);
}

/// Whether it was there.
bool WalkerModule::leave_door(const WalkTransaction& transaction) {
  const auto [first, end] =
      std::ranges::equal_range(waiting_, order_at_door(&transaction), {}, order_at_door);
  const auto place = std::find(first, end, &transaction);
  if (place == end) return false;
  waiting_.erase(place);
  return true;
}

tlm::tlm_sync_enum WalkerModule::from_memory(MemoryTransaction& transaction, tlm::tlm_phase& phase,
                                             sc_core::sc_time&) {
  memory_said(transaction, phase);
  wake(phase == tlm::END_REQ ? transaction.taken : transaction.answered);
  return tlm::TLM_ACCEPTED;
}

void WalkerModule::memory_said(MemoryTransaction& transaction, const tlm::tlm_phase& phase) {
  if (phase != tlm::BEGIN_RESP) return;
  const auto order = [](const MemoryTransaction* answer) {
    return std::pair(answer->answered, answer->answer.id);
  };
  const auto place = std::ranges::upper_bound(answers_, order(&transaction), {}, order);
  answers_.insert(place, &transaction);
}

void WalkerModule::invalidate(const InvalidationScope& scope, Cycle cycle) {
  const auto place =
      std::ranges::upper_bound(invalidations_, cycle, {}, &PendingInvalidation::cycle);
  invalidations_.insert(place, {cycle, scope});
  wake(cycle);
}

/// Something that holds from `cycle` on has come.
void WalkerModule::wake(Cycle cycle) {
  if (driven_) {
    due_ = next_tick();
  } else {
    wake_.notify(timeline_.until(cycle));
  }
}

std::vector<InvalidationScope> WalkerModule::take_invalidations() {
  std::vector<InvalidationScope> scopes;
  for (const PendingInvalidation& pending : invalidations_) scopes.push_back(pending.scope);
  invalidations_.clear();
  if (driven_) due_ = next_tick();
  return scopes;
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
  const WalkerOutputs& outputs = *outputs_;
  Cycle cycle = outputs.next_cycle;
  if (outputs.request_ready) cycle = std::min(cycle, next_request());
  if (!invalidations_.empty()) cycle = std::min(cycle, invalidations_.front().cycle);
  if (offered_ != nullptr) cycle = std::min(cycle, offered_->taken);
  if (!answers_.empty()) cycle = std::min(cycle, answers_.front()->answered);
  if (outputs.response) cycle = std::min(cycle, next_cycle_);
  return cycle == kNever ? kNever : std::max(cycle, next_cycle_);
}

/// The first cycle from which the request at the door may go in, as things stand.
Cycle WalkerModule::next_request() const {
  if (waiting_.empty()) return kNever;
  const WalkTransaction& first = *waiting_.front();
  if (in_flight_ != 0 && (alone_ || goes_alone(first))) return kNever;
  return first.requested;
}

WalkRequest WalkerModule::take_request() {
  WalkTransaction* const transaction = waiting_.front();
  waiting_.erase(waiting_.begin());
  auto slot = std::find(walking_.begin(), walking_.end(), nullptr);
  if (slot == walking_.end()) slot = walking_.insert(slot, nullptr);
  *slot = transaction;
  ++in_flight_;
  alone_ = goes_alone(*transaction);
  WalkRequest request = transaction->request;
  request.tag = static_cast<std::uint32_t>(slot - walking_.begin());
  if (transaction->pml_index != nullptr && request.context->page_modification_log) {
    request.pml_index = alone_ ? *transaction->pml_index : kNoLog;
  }
  return request;
}

void WalkerModule::leave_to_driver() {
  driven_ = true;
  model_ = dynamic_cast<ModelWalker*>(unit_.get());
}

bool WalkerModule::walk_due() {
  if (model_ == nullptr || in_flight_ != 0 || waiting_.size() != 1 || !invalidations_.empty()) {
    return false;
  }
  const Cycle taken = due_;
  const WalkRequest request = take_request();
  const WalkResponse response = model_->walk_alone(
      request, taken,
      [this](const MemoryRequest& wanted, Cycle cycle) { return serve(wanted, cycle); },
      [this](const CacheLookup& lookup) { count(lookup); });
  const Cycle answered = taken + 1 + response.cycles;
  respond(response, answered);
  walking_[response.tag] = nullptr;
  --in_flight_;
  next_cycle_ = answered + 1;
  due_ = next_tick();
  return true;
}

/// Has memory, which may serve it at once, do so.
ModelWalker::Served WalkerModule::serve(const MemoryRequest& request, Cycle cycle) {
  offer_to_memory(request, cycle);
  const MemoryTransaction& served = *answers_.back();
  offered_ = nullptr;
  answers_.pop_back();
  count(served, served.answered);
  return {served.answer.value, served.answered};
}

void WalkerModule::tick(Cycle cycle) {
  WalkerInputs& inputs = inputs_;
  inputs.cycle = cycle;
  inputs.request.reset();
  inputs.memory_ready = false;
  inputs.answer.reset();
  inputs.response_ready = true;
  inputs.invalidation.reset();
  if (!invalidations_.empty() && invalidations_.front().cycle <= cycle) {
    inputs.invalidation = invalidations_.front().scope;
    invalidations_.erase(invalidations_.begin());
  } else if (outputs_->request_ready && next_request() <= cycle) {
    inputs.request = take_request();
  }
  // A slot is free from the cycle after its response is taken.
  if (outputs_->response) {
    walking_[outputs_->response->tag] = nullptr;
    --in_flight_;
  }
  if (offered_ != nullptr && offered_->taken == cycle) {
    inputs.memory_ready = true;
    offered_ = nullptr;
  }
  if (!answers_.empty() && answers_.front()->answered <= cycle) {
    const MemoryTransaction& answered = *answers_.front();
    inputs.answer = answered.answer;
    count(answered, cycle);
    answers_.erase(answers_.begin());
  }
  const WalkerOutputs& outputs = unit_->tick(inputs);
  outputs_ = &outputs;
  next_cycle_ = cycle + 1;
  if (outputs.memory && offered_ == nullptr) offer_to_memory(*outputs.memory, next_cycle_);
  if (outputs.response) respond(*outputs.response, next_cycle_);
  if (outputs.lookup) count(*outputs.lookup);
  if (driven_) due_ = next_tick();
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
  WalkTransaction* const transaction = walking_[response.tag];
  if (restart(*transaction, response)) return;
  transaction->response = response;
  transaction->response.tag = transaction->request.tag;
  transaction->response.cycles += transaction->restart.cycles;
  transaction->response.references += transaction->restart.references;
  count(transaction->response);
  transaction->answered = cycle;
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time none;
  requester->nb_transport_bw(*transaction, phase, none);
}

/// Sees to the log's index. Whether the walk has a page to log and comes again for it.
bool WalkerModule::restart(WalkTransaction& transaction, const WalkResponse& response) {
  if (transaction.pml_index == nullptr || !transaction.request.context->page_modification_log) {
    return false;
  }
  if (goes_alone(transaction)) {
    *transaction.pml_index = response.pml_index;
    return false;
  }
  const bool is_full = *transaction.pml_index > kLastLogIndex;
  if (response.outcome.kind != OutcomeKind::kPmlFull || is_full) return false;
  transaction.restart = {
      .logs = true, .cycles = response.cycles, .references = response.references};
  wait_at_door(transaction);
  ++counters_.log_restarts;
  return true;
}

/// What a request to memory held up its walk: from the first cycle in which it was offered up to
/// and with that of the answer.
void WalkerModule::count(const MemoryTransaction& transaction, Cycle answered) {
  const Place place = transaction.request.place;
  const Cycle cycles = answered + 1 - transaction.requested;
  const bool guest = place.is_guest_entry();
  (guest ? counters_.guest_cycles : counters_.ept_cycles) += cycles;
  PlaceCounters& cell = counters_.matrix[place.guest_level][place.ept_level];
  cell.cycles += cycles;
  switch (transaction.request.kind) {
    case StepKind::kRead:
      ++counters_.references;
      ++(guest ? counters_.guest_references : counters_.ept_references);
      ++cell.references;
      ++counters_.served_by[static_cast<std::size_t>(transaction.served_by)];
      ++cell.served_by[static_cast<std::size_t>(transaction.served_by)];
      break;
    case StepKind::kCompareExchange: ++counters_.flag_updates; break;
    default: break;
  }
}

void WalkerModule::count(const WalkResponse& response) {
  ++counters_.walks;
  counters_.cycles += response.cycles;
  ++counters_.latency[response.cycles];
  ++counters_.references_histogram[response.references];
}

void WalkerModule::count(const CacheLookup& lookup) {
  const WalkContext& context = *walking_[lookup.id]->request.context;
  if (lookup.combined) {
    count_levels(counters_.combined, configuration_.combined, context.guest_levels,
                 lookup.combined_level);
    return;
  }
  if (configuration_.nested_tlb != 0) {
    count_access(counters_.nested_tlb, lookup.nested_level != 0);
  }
  if (lookup.ept_asked) {
    count_levels(counters_.ept, configuration_.ept, context.ept_levels, lookup.ept_level);
  }
}

}  // namespace eptsim::mmu
