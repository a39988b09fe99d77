#pragma once

#include <tlm_utils/passthrough_target_socket.h>

#include <cstddef>
#include <systemc>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/memory/memory_hierarchy.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/modules/timeline.hpp"

namespace eptsim::mmu {

/// Memory as walkers see it. A request is taken in the first cycle in which it holds, does its work
/// on the bytes in that cycle, and its answer holds when the memory hierarchy says, any number of
/// them under way. Requests taken in the same cycle work in the order of the requesters' numbers,
/// which are those of their cores.
class MemoryModule final : public sc_core::sc_module {
 public:
  using Socket =
      tlm_utils::passthrough_target_socket_tagged<MemoryModule, kSocketWidth, MemoryProtocol>;
  sc_core::sc_vector<Socket> requesters;

  /// `memory` has the bytes, `hierarchy` the time, of as many cores as there are requesters.
  MemoryModule(const sc_core::sc_module_name& name, const Timeline& timeline,
               arch::PhysicalMemory& memory, MemoryHierarchy& hierarchy,
               std::size_t requester_count);

  /// From now on the kernel wakes it no more: who calls this has it serve what is due, and says
  /// which requests may be served as they come: those taken before `cycle`.
  void leave_to_driver() { driven_ = true; }
  void allow_until(Cycle cycle) { allowed_until_ = cycle; }
  /// The first cycle in which a request is to be served, kNever if there is none.
  Cycle due() const { return pending_.empty() ? kNever : pending_.front().transaction->taken; }
  /// Serves what is due up to and with `now`.
  void serve_due(Cycle now);

 private:
  struct Pending {
    unsigned requester;
    MemoryTransaction* transaction;
  };

  tlm::tlm_sync_enum from_requester(int requester, MemoryTransaction& transaction,
                                    tlm::tlm_phase& phase, sc_core::sc_time& time);
  void run();
  void serve(unsigned core, MemoryTransaction& transaction);

  const Timeline& timeline_;
  arch::PhysicalMemory& memory_;
  MemoryHierarchy& hierarchy_;
  std::vector<Pending> pending_;  ///< sorted by cycle taken, then requester
  sc_core::sc_event wake_;
  bool driven_ = false;
  Cycle allowed_until_ = 0;  ///< if it is driven
};

}  // namespace eptsim::mmu
