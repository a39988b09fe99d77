#pragma once

#include <tlm_utils/passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <systemc>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/tlb/tlb_hierarchy.hpp"

namespace eptsim::mmu {

/// The memory-management unit of one core: its TLBs, and the way to the walker. Hits are looked up
/// in `tlbs()` directly, in plain C++; what comes through the socket are the misses. They pass
/// without a delay of their own.
///
/// A walk that an invalidation crosses may have read what has changed since: its response is used
/// once, and the TLBs don't keep it.
class MmuModule final : public sc_core::sc_module {
 public:
  tlm_utils::passthrough_target_socket<MmuModule, kSocketWidth, WalkProtocol> core{"core"};
  tlm_utils::simple_initiator_socket<MmuModule, kSocketWidth, WalkProtocol> walker{"walker"};
  sc_core::sc_port<InvalidationPort> walker_invalidations{"walker_invalidations"};

  MmuModule(const sc_core::sc_module_name& name, const MachineSettings& settings);

  TlbHierarchy& tlbs() { return tlbs_; }

  /// Removes what fits from the TLBs at once, and from the walker's caches from the cycle after
  /// `cycle` on, which is the core's own and may lie ahead of the kernel's.
  void invalidate(const InvalidationScopes& scopes, Cycle cycle);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(tlbs_, invalidations_);
  }

 private:
  tlm::tlm_sync_enum from_core(WalkTransaction& transaction, tlm::tlm_phase& phase,
                               sc_core::sc_time& time);
  tlm::tlm_sync_enum from_walker(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                 sc_core::sc_time& time);
  void take(const WalkTransaction& transaction);

  TlbHierarchy tlbs_;
  std::uint64_t invalidations_ = 0;  ///< so far
};

}  // namespace eptsim::mmu
