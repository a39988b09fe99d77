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
    tlbs_.take(*transaction.request.context, transaction.request.request,
               transaction.response.outcome);
    return tlm::TLM_COMPLETED;
  }
  return walker->nb_transport_fw(transaction, phase, time);
}

tlm::tlm_sync_enum MmuModule::from_walker(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                          sc_core::sc_time& time) {
  core->nb_transport_bw(transaction, phase, time);
  return tlm::TLM_COMPLETED;
}

}  // namespace eptsim::mmu
