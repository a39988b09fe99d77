#include "mmu_model/modules/memory_module.hpp"

#include <algorithm>
#include <tuple>

#include "mmu_model/walk/step_service.hpp"
#include "mmu_model/walk/translate.hpp"

namespace eptsim::mmu {

MemoryModule::MemoryModule(const sc_core::sc_module_name& name, const Timeline& timeline,
                           arch::PhysicalMemory& memory, MemoryHierarchy& hierarchy,
                           std::size_t requester_count)
    : sc_module(name),
      requesters("requesters"),
      timeline_(timeline),
      memory_(memory),
      hierarchy_(hierarchy) {
  requesters.init(requester_count);
  for (std::size_t i = 0; i < requester_count; ++i) {
    requesters[i].register_nb_transport_fw(this, &MemoryModule::from_requester,
                                           static_cast<int>(i));
  }
  SC_HAS_PROCESS(MemoryModule);
  SC_METHOD(run);
  sensitive << wake_;
  dont_initialize();
}

tlm::tlm_sync_enum MemoryModule::from_requester(int requester, MemoryTransaction& transaction,
                                                tlm::tlm_phase& phase, sc_core::sc_time&) {
  const auto core = static_cast<unsigned>(requester);
  transaction.taken = transaction.requested;
  if (driven_ ? transaction.taken < allowed_until_
              : timeline_.may_run_ahead_to(transaction.taken)) {
    serve(core, transaction);
    phase = tlm::BEGIN_RESP;
    return tlm::TLM_UPDATED;
  }
  const auto order = [](const Pending& pending) {
    return std::tuple(pending.transaction->taken, pending.requester);
  };
  const Pending added{core, &transaction};
  pending_.insert(
      std::upper_bound(pending_.begin(), pending_.end(), added,
                       [&](const Pending& a, const Pending& b) { return order(a) < order(b); }),
      added);
  // An event keeps the earliest of the times it is notified for.
  if (!driven_) wake_.notify(timeline_.until(transaction.taken));
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

void MemoryModule::run() {
  serve_due(timeline_.now());
  if (!pending_.empty()) wake_.notify(timeline_.until(due()));
}

void MemoryModule::serve_due(Cycle now) {
  std::size_t served = 0;
  for (; served < pending_.size() && pending_[served].transaction->taken <= now; ++served) {
    const auto [requester, transaction] = pending_[served];
    serve(requester, *transaction);
    tlm::tlm_phase phase = tlm::BEGIN_RESP;
    sc_core::sc_time none;
    requesters[requester]->nb_transport_bw(*transaction, phase, none);
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(served));
}

void MemoryModule::serve(unsigned core, MemoryTransaction& transaction) {
  const MemoryRequest& request = transaction.request;
  NoRecording nothing;
  transaction.answer = {.id = request.id, .value = mmu::serve(request, memory_, nothing)};
  const bool writes =
      request.kind == StepKind::kCompareExchange || request.kind == StepKind::kWrite;
  if (hierarchy_.observer() != nullptr) {
    hierarchy_.observer()->see_reference(transaction.taken, arch::Hpa(request.address), writes);
  }
  const Service service = hierarchy_.access(core,
                                            {.address = arch::Hpa(request.address),
                                             .write = writes,
                                             .enters_at = hierarchy_.settings().walks_enter_at,
                                             .origin = AccessOrigin::kWalk},
                                            transaction.taken);
  transaction.answered = service.answered;
  transaction.served_by = service.served_by;
}

}  // namespace eptsim::mmu
