#include "mmu_model/modules/translation_port.hpp"

namespace eptsim::mmu {

TranslationPort::TranslationPort(const sc_core::sc_module_name& name, const Timeline& timeline,
                                 MmuModule& unit)
    : sc_module(name), timeline_(timeline), unit_(unit) {
  mmu.register_nb_transport_bw(this, &TranslationPort::from_mmu);
}

const WalkTransaction& TranslationPort::walk(const WalkContext& context, const Request& request,
                                             Cycle cycle) {
  transaction_.request = {.context = &context, .request = request};
  transaction_.requested = cycle + 1;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time none;
  mmu->nb_transport_fw(transaction_, phase, none);
  sc_core::wait(answered_);
  phase = tlm::END_RESP;
  mmu->nb_transport_fw(transaction_, phase, none);
  return transaction_;
}

tlm::tlm_sync_enum TranslationPort::from_mmu(WalkTransaction& transaction, tlm::tlm_phase&,
                                             sc_core::sc_time&) {
  answered_.notify(timeline_.until(transaction.answered));
  return tlm::TLM_COMPLETED;
}

}  // namespace eptsim::mmu
