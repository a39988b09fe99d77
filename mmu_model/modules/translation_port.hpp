#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <systemc>

#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/modules/timeline.hpp"

namespace eptsim::mmu {

/// A core's side of the MMU. One access of an SC_THREAD whose own time is `cycle`:
///
///   timeline.keep_pace(cycle);
///   TlbHit hit = port.lookup(request);
///   cycle += hit.cycles;
///   if (!hit) {
///     const WalkTransaction& walk = port.walk(context, request, cycle);
///     cycle = walk.answered + 1;
///     ... walk.response.outcome: the translation, a fault or a VM exit
///   }
class TranslationPort final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<TranslationPort, kSocketWidth, WalkProtocol> mmu{"mmu"};

  /// `unit` is what the socket will be bound to.
  TranslationPort(const sc_core::sc_module_name& name, const Timeline& timeline, MmuModule& unit);

  /// See TlbHierarchy. No kernel; the thread's time may be ahead of it.
  void use(const WalkContext& context) { unit_.tlbs().use(context); }
  TlbHit lookup(const Request& request) { return unit_.tlbs().lookup(request); }

  /// Removes what fits from the TLBs, at once, and from the walker's caches, before any walk that
  /// is asked for later. `cycle` is the thread's own.
  void invalidate(const InvalidationScopes& scopes, Cycle cycle) {
    unit_.invalidate(scopes, cycle);
  }

  /// Has `request` walked. It is asked for in `cycle`, so the walker sees it from cycle + 1; the
  /// calling thread waits until the response holds, and the TLBs have taken it on return. What is
  /// returned stays until the next call.
  const WalkTransaction& walk(const WalkContext& context, const Request& request, Cycle cycle);

 private:
  tlm::tlm_sync_enum from_mmu(WalkTransaction& transaction, tlm::tlm_phase& phase,
                              sc_core::sc_time& time);

  const Timeline& timeline_;
  MmuModule& unit_;
  WalkTransaction transaction_;
  sc_core::sc_event answered_;
};

}  // namespace eptsim::mmu
