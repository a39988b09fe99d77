#pragma once

#include <tlm_utils/passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <systemc>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/walker/configuration.hpp"
#include "mmu_model/walker/model_walker.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::mmu {

/// The shell that runs a walker, SystemC or RTL, on the kernel's time. It ticks the unit in the
/// cycles in which something happens on its ports, carries what the ports hold to and from the
/// sockets, and counts. As long as nothing else in the simulation is due it goes from tick to tick
/// without returning to the kernel. Or it leaves the kernel out, and is driven from outside.
///
/// At the door requests wait in the order of their cycles, those of one cycle in that of their
/// tags. One that logs a page, or may raise a virtualization exception, writes what belongs to the
/// whole processor: it is taken when nothing is in flight, and nothing else before it is answered.
/// Few walks have a page to log, so where they share an index each goes in with one for which the
/// log is full, which ends it before it sets a flag of the EPT (SDM 31.3.6). One that ends so goes
/// first at the door, alone, and with the index that there is.
class WalkerModule final : public sc_core::sc_module, public InvalidationPort {
 public:
  tlm_utils::passthrough_target_socket<WalkerModule, kSocketWidth, WalkProtocol> requester{
      "requester"};
  tlm_utils::simple_initiator_socket<WalkerModule, kSocketWidth, MemoryProtocol> memory{"memory"};

  /// `configuration`: of `unit`; it says which caches there are to be counted.
  WalkerModule(const sc_core::sc_module_name& name, const Timeline& timeline,
               std::unique_ptr<WalkerUnit> unit, const WalkerConfiguration& configuration = {});

  void invalidate(const InvalidationScope& scope, Cycle cycle) override;
  /// Whether there are some of which the cycle hasn't come.
  bool has_invalidations() const { return !invalidations_.empty(); }
  /// Gives those up, for the caller to carry out while no walk is under way.
  std::vector<InvalidationScope> take_invalidations();

  /// From now on the kernel wakes it no more: who calls this ticks it in each cycle that is due.
  void leave_to_driver();
  /// The next such cycle, as things stand; kNever if there is none.
  Cycle due() const { return due_; }
  void tick_due() { tick(due_); }
  /// Where nothing comes before what is asked for has its response: takes a request that is due and
  /// walks to the end at once. False, and nothing has happened, if there is more to do than that.
  bool walk_due();

  /// Counted from the ports, so that they mean the same for every unit.
  const WalkerCounters& counters() const { return counters_; }
  /// While no walk is under way.
  void reset_counters() { counters_ = {}; }

  /// Ends what a response that was given leaves to be done, while no walk is under way.
  void settle() {
    while (outputs_->response) tick(next_tick());
  }
  /// What changes, for checkpoints: of a ModelWalker, settled. Invalidations may be due.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(dynamic_cast<ModelWalker&>(*unit_), next_cycle_, invalidations_, counters_);
    if (Archive::is_loading::value && !invalidations_.empty()) wake(invalidations_.front().cycle);
  }

 private:
  tlm::tlm_sync_enum from_requester(WalkTransaction& transaction, tlm::tlm_phase& phase,
                                    sc_core::sc_time& time);
  tlm::tlm_sync_enum from_memory(MemoryTransaction& transaction, tlm::tlm_phase& phase,
                                 sc_core::sc_time& time);
  struct PendingInvalidation {
    Cycle cycle;
    InvalidationScope scope;
  };

  void wake(Cycle cycle);
  void run();
  Cycle next_tick() const;
  Cycle next_request() const;
  void tick(Cycle cycle);
  WalkRequest take_request();
  void wait_at_door(WalkTransaction& transaction);
  bool leave_door(const WalkTransaction& transaction);
  bool restart(WalkTransaction& transaction, const WalkResponse& response);
  ModelWalker::Served serve(const MemoryRequest& request, Cycle cycle);
  void offer_to_memory(const MemoryRequest& request, Cycle cycle);
  void respond(const WalkResponse& response, Cycle cycle);
  void memory_said(MemoryTransaction& transaction, const tlm::tlm_phase& phase);
  void count(const MemoryTransaction& transaction, Cycle answered);
  void count(const WalkResponse& response);
  void count(const CacheLookup& lookup);

  const Timeline& timeline_;
  std::unique_ptr<WalkerUnit> unit_;
  ModelWalker* model_ = nullptr;  ///< the unit, if it is driven and is one
  WalkerInputs inputs_;           ///< of a tick; large, so not made for each
  const WalkerOutputs* outputs_;  ///< of the unit, since its last tick
  WalkerConfiguration configuration_;
  Cycle next_cycle_ = 0;  ///< the first cycle not yet ticked
  bool driven_ = false;
  Cycle due_ = kNever;  ///< if it is driven

  std::vector<WalkTransaction*> waiting_;  ///< at the door, in the order in which they go in
  /// In flight, at the index that is the tag: the slot's number, since both are the lowest free.
  std::vector<WalkTransaction*> walking_;
  unsigned in_flight_ = 0;
  bool alone_ = false;  ///< what is in flight tolerates nothing beside it
  std::vector<PendingInvalidation> invalidations_;  ///< sorted by cycle

  /// The payload of each id; the one being offered to memory; those whose answer is known, sorted
  /// by cycle, those of one cycle by id.
  std::deque<MemoryTransaction> transactions_;
  MemoryTransaction* offered_ = nullptr;
  std::vector<MemoryTransaction*> answers_;

  WalkerCounters counters_;
  sc_core::sc_event wake_;
};

}  // namespace eptsim::mmu
