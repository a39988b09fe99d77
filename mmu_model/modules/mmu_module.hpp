#pragma once

#include <tlm_utils/passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <systemc>

#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"

namespace eptsim::mmu {

/// The memory-management unit of one core: its TLBs, and the way to the walker. Hits are looked up
/// in `tlbs()` directly, in plain C++; what comes through the socket are the misses. They pass
/// without a delay of their own.
class MmuModule final : public sc_core::sc_module {
 public:
  tlm_utils::passthrough_target_socket<MmuModule, kSocketWidth, WalkProtocol> core{"core"};
  tlm_utils::simple_initiator_socket<MmuModule, kSocketWidth, WalkProtocol> walker{"walker"};

  MmuModule(const sc_core::sc_module_name& name, const MachineSettings& settings);

  TlbHierarchy& tlbs() { return tlbs_; }

 private:
  tlm::tlm_sync_enum from_core(WalkTransaction& transaction, tlm::tlm_phase& phase,
                               sc_core::sc_time& time);
  tlm::tlm_sync_enum from_walker(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                 sc_core::sc_time& time);

  TlbHierarchy tlbs_;
};

}  // namespace eptsim::mmu
