#pragma once

#include <systemc>
#include <tlm>

#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/memory/memory_level.hpp"
#include "mmu_model/walker/walker_unit.hpp"

/// The protocols between modules: non-blocking transport over TLM-2.0 sockets with payloads of our
/// own. They carry no sc_time: every message names the cycle from which it holds, at least one
/// later than the cycle that sent it, and a receiver that wakes earlier leaves it. So no result
/// depends on the order of processes within a cycle, and a sender may run ahead of the kernel.
/// A payload belongs to who sent BEGIN_REQ, and stays as it is until the answer holds.
namespace eptsim::mmu {

/// A linear or guest-physical address to be translated by a walk.
///
///   core ─► MMU ─► walker   BEGIN_REQ   `request`, holds from `requested` until it is answered
///   walker ─► MMU ─► core   BEGIN_RESP  `response`, holds from `answered`, taken at once
///   core ─► MMU             END_RESP    in the cycle after: the TLBs take the response
///   core ─► MMU ─► walker   WITHDRAW    TLM_COMPLETED if the walker had not taken the request yet,
///                                       which is forgotten then; otherwise nothing has happened
///
/// Of requests that hold from the same cycle the walker takes that with the lower tag first.
struct WalkTransaction {
  WalkRequest request;
  Cycle requested = 0;
  /// The VMCS's PML index, as walks that log find and leave it; none: each finds the context's.
  std::uint16_t* pml_index = nullptr;
  WalkResponse response;
  Cycle answered = 0;
  std::uint64_t invalidations = 0;  ///< the MMU's own: how many there had been at BEGIN_REQ

  /// The walker's own: the walk had a flag to set that may have to be logged, and is to be made
  /// once more, with the log; and what it cost so far.
  struct Restart {
    bool logs = false;
    Cycle cycles = 0;
    std::uint16_t references = 0;
  } restart = {};
};

TLM_DECLARE_EXTENDED_PHASE(WITHDRAW);

struct WalkProtocol {
  using tlm_payload_type = WalkTransaction;
  using tlm_phase_type = tlm::tlm_phase;
};

/// A read, compare-and-swap or store of the walker.
///
///   walker ─► memory   BEGIN_REQ   `request`, holds from `requested` until it is taken
///   memory ─► walker   END_REQ     it is taken in cycle `taken`
///   memory ─► walker   BEGIN_RESP  `answer`, holds from `answered`, taken at once
///
/// Memory may say END_REQ, or both, on the return path, TLM_UPDATED with the last phase said.
struct MemoryTransaction {
  MemoryRequest request;
  Cycle requested = 0;
  Cycle taken = kNever;
  MemoryAnswer answer;
  Cycle answered = 0;
  MemoryLevel served_by = MemoryLevel::kDram;  ///< for who counts, as the answer's time
};

struct MemoryProtocol {
  using tlm_payload_type = MemoryTransaction;
  using tlm_phase_type = tlm::tlm_phase;
};

/// The way by which a requester has the walker forget translations: a message without an answer.
class InvalidationPort : public virtual sc_core::sc_interface {
 public:
  /// What fits `scope` is to go in `cycle`, or in the first later one that no other invalidation
  /// has. No request is taken meanwhile, so none that was sent afterwards is crossed by it.
  virtual void invalidate(const InvalidationScope& scope, Cycle cycle) = 0;
};

/// Width of the sockets, in bits. It says nothing about timing.
inline constexpr unsigned kSocketWidth = 64;

}  // namespace eptsim::mmu
