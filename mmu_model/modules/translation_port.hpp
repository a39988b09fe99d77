#pragma once

#include <tlm_utils/simple_initiator_socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <systemc>
#include <vector>

#include "mmu_model/counters.hpp"
#include "mmu_model/modules/memory_module.hpp"
#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/protocol.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/walker_module.hpp"

namespace eptsim::mmu {

/// A core's side of the MMU. A core that does one access at a time is an SC_THREAD whose own time
/// is `cycle`:
///
///   timeline.keep_pace(cycle);
///   TlbHit hit = port.lookup(request);
///   cycle += hit.cycles;
///   if (!hit) {
///     const WalkTransaction& walk = port.walk(context, request, cycle);
///     cycle = walk.answered + 1;
///     ... walk.response.outcome: the translation, a fault or a VM exit
///   }
///
/// One that goes on meanwhile asks, and in cycle next_answer(), before it does anything else in it,
/// takes the answer. What may be done ahead of the kernel is for it to see to (horizon()).
class TranslationPort final : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<TranslationPort, kSocketWidth, WalkProtocol> mmu{"mmu"};

  /// A walk under way. `number` is below that of walks ever under way at a time.
  struct Walk : WalkTransaction {
    unsigned number = 0;

   private:
    friend TranslationPort;
    bool under_way = false;
    bool may_be_joined = false;
    Walk* next_joinable = nullptr;
    Walk* next_answered = nullptr;
  };

  /// `unit` is what the socket will be bound to, `turn` that of the core.
  TranslationPort(const sc_core::sc_module_name& name, const Timeline& timeline, MmuModule& unit,
                  Timeline::Turn turn = 0);

  /// From now on the thread that waits here drives the walker behind the MMU and its memory by
  /// itself, and the kernel doesn't know of walks: of a core that has the simulation to itself.
  void drive(WalkerModule& walker, MemoryModule& memory);
  /// Drives them, if that is so, until they have nothing left to do.
  void settle() {
    while (is_driver() && drive_before(kNever)) {
    }
  }

  /// See TlbHierarchy. No kernel; the thread's time may be ahead of it.
  void use(const WalkContext& context) { unit_.tlbs().use(context); }
  /// The PML index of the walks that are asked for from now on, which outlives them; none: the
  /// context's (WalkTransaction).
  void log_with(std::uint16_t* pml_index) { pml_index_ = pml_index; }
  TlbHit lookup(const Request& request) { return unit_.tlbs().lookup(request); }
  const TlbEntry* lookup_hit(const Request& request) { return unit_.tlbs().lookup_hit(request); }
  unsigned first_level_cycles(arch::AccessKind access) const {
    return unit_.tlbs().first_level_cycles(access);
  }
  void discount(const Request& request, const TlbHit& hit) { unit_.tlbs().discount(request, hit); }
  /// Has the TLBs take a translation, or what a fault removes, that came by no walk in time.
  void fill(const WalkContext& context, const Request& request, const Outcome& outcome) {
    unit_.tlbs().take(context, request, outcome);
  }

  /// Removes what fits from the TLBs, at once, and from the walker's caches, before any walk that
  /// is asked for later. `cycle` is the thread's own. No walk of before is joined afterwards.
  void invalidate(const InvalidationScopes& scopes, Cycle cycle);

  /// Has `request` walked. It is asked for in `cycle`, so the walker sees it from cycle + 1; the
  /// calling thread waits until the cycle after the response, and the TLBs have taken it on return.
  /// What is returned stays until the next call. For a core with nothing else under way.
  const WalkTransaction& walk(const WalkContext& context, const Request& request, Cycle cycle);

  /// Has `request` walked, asked for in `cycle`. If a walk of the same page is under way whose
  /// answer is one to this request too, that is what is returned; otherwise one of the request's
  /// own, to be seen by the walker from cycle + 1.
  const Walk& ask(const WalkContext& context, const Request& request, Cycle cycle);

  /// The first cycle in which an answer known of may be taken, kNever if there is none.
  Cycle next_answer() const { return answered_ != nullptr ? answered_->answered + 1 : kNever; }
  /// Takes it, in that cycle. It stays until the next call of `ask`.
  const Walk& take_answer();
  /// The same, having waited for it. There is a walk under way.
  const Walk& await_answer();

  /// Nobody wants the walks under way any more. Those that the walker hasn't taken are withdrawn;
  /// answers to the others go to the TLBs. None is joined afterwards.
  void abandon();

  /// How many walks are waiting or in flight.
  unsigned under_way() const { return under_way_; }

  /// The first cycle in which the core may not act yet (Timeline::horizon).
  Cycle horizon() const {
    if (!is_driver()) return timeline_.horizon(turn_);
    const Cycle due = std::min(walker_->due(), memory_->due());
    return due == kNever ? kNever : due + 1;
  }
  /// Waits until the core's turn in `cycle` or in next_answer(), whichever comes first.
  void wait_until(Cycle cycle);

  /// Has a thread that waits here look again in its turn in `cycle`.
  void wake(Cycle cycle) { answer_.notify(timeline_.until(cycle, turn_)); }
  /// Waits until the core's turn in `cycle`, or until something wakes it: answers to walks do too,
  /// but aren't waited for.
  void sleep_until(Cycle cycle);

  const WalkQueueCounters& counters() const { return counters_; }
  void reset_counters() { counters_ = {}; }

  /// What changes, for checkpoints, with no walk under way.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(asked_, counters_);
  }

 private:
  tlm::tlm_sync_enum from_mmu(WalkTransaction& transaction, tlm::tlm_phase& phase,
                              sc_core::sc_time& time);
  bool is_driver() const { return walker_ != nullptr; }
  bool drive_before(Cycle cycle);
  void send(Walk& walk, tlm::tlm_phase phase);
  Walk& new_walk();
  void join_no_more();
  void stop_joining(Walk& walk);
  void release(Walk& walk);
  Walk*& bucket_of(std::uint64_t address) { return joinable_[(address >> 12) % joinable_.size()]; }

  const Timeline& timeline_;
  MmuModule& unit_;
  Timeline::Turn turn_;
  WalkerModule* walker_ = nullptr;  ///< if it is driven from here
  MemoryModule* memory_ = nullptr;
  std::deque<Walk> walks_;
  std::vector<Walk*> free_;
  std::array<Walk*, 256> joinable_{};  ///< by page
  Walk* answered_ = nullptr;           ///< first of them, in the order of their cycles
  Walk* last_answered_ = nullptr;
  unsigned under_way_ = 0;
  std::uint32_t asked_ = 0;
  std::uint16_t* pml_index_ = nullptr;
  WalkQueueCounters counters_;
  sc_core::sc_event answer_;
};

}  // namespace eptsim::mmu
