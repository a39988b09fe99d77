#include "mmu_model/modules/mmu_module.hpp"

namespace eptsim::mmu {

MmuModule::MmuModule(const sc_core::sc_module_name& name, const MachineSettings& settings)
    : sc_module(name), tlbs_(settings.l1i, settings.l1d, settings.l2, settings.seed) {
  core.register_nb_transport_fw(this, &MmuModule::from_core);
  walker.register_nb_transport_bw(this, &MmuModule::from_walker);
}

tlm::tlm_sync_enum MmuModule::from_core(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                        sc_core::sc_time& time) {
  if (phase == tlm::END_RESP) {
    take(transaction);
    return tlm::TLM_COMPLETED;
  }
  if (phase == tlm::BEGIN_REQ) transaction.invalidations = invalidations_;
  return walker->nb_transport_fw(transaction, phase, time);
}

/// A fault removes what it may have met of what is cached, here and in the walker.
void MmuModule::take(const WalkTransaction& transaction) {
  const WalkContext& context = *transaction.request.context;
  const Request& request = transaction.request.request;
  const Outcome& outcome = transaction.response.outcome;
  if (transaction.invalidations == invalidations_) tlbs_.fill(context, request, outcome);
  if (outcome.kind == OutcomeKind::kTranslated) return;
  invalidate(invalidation::after(context, request, outcome), transaction.answered);
}

void MmuModule::invalidate(const InvalidationScopes& scopes, Cycle cycle) {
  for (const InvalidationScope& scope : scopes) {
    ++invalidations_;
    tlbs_.invalidate(scope);
    walker_invalidations->invalidate(scope, cycle + 1);
  }
}

tlm::tlm_sync_enum MmuModule::from_walker(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                          sc_core::sc_time& time) {
  core->nb_transport_bw(transaction, phase, time);
  return tlm::TLM_COMPLETED;
}

}  // namespace eptsim::mmu
