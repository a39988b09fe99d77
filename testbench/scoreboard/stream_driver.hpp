#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/sparse_memory.hpp"
#include "testbench/stimulus/stream.hpp"

namespace eptsim::tb {

/// What a stream's observer is told, in the order in which it happens. `walk` is the number of the
/// request.
class StreamObserver {
 public:
  virtual ~StreamObserver() = default;
  virtual void request_taken(unsigned walk, mmu::Cycle now) = 0;
  /// It was offered, and all slots are busy.
  virtual void request_held_up() = 0;
  /// A memory request was taken and carried out.
  virtual void carried_out(unsigned walk, const mmu::MemoryRequest& request, std::uint64_t found,
                           mmu::Cycle now) = 0;
  /// `active`: in this cycle a slot is ready.
  virtual void answered(unsigned walk, bool active, mmu::Cycle now) = 0;
  virtual void looked_up(unsigned walk, const mmu::CacheLookup& lookup, mmu::Cycle now) = 0;
  virtual void responded(unsigned walk, const mmu::WalkResponse& response, mmu::Cycle now) = 0;
  /// Before memory is changed.
  virtual void storing(const Word& word) = 0;
  virtual void invalidated(const StreamEvent& event, mmu::Cycle now) = 0;
  /// Asked after each cycle.
  virtual bool go_on() const = 0;
};

/// Clocks a walker with several walks in flight, and another beside it, with the same requests,
/// answers, back-pressure, invalidations and disable bits, and compares all that they drive in each
/// cycle. Which slot a walk is in follows from the requests and responses alone.
class StreamDriver {
 public:
  /// `second` may be absent. Both must outlive this, and have `slots` slots.
  StreamDriver(mmu::WalkerUnit& first, mmu::WalkerUnit* second, unsigned slots);

  struct Result {
    std::vector<Difference> differences;
    bool of_second = false;  ///< of the second from the first; else of the first from its ports
    mmu::Cycle cycle = 0;    ///< in which the run ended
    mmu::Cycle compared = 0;
  };

  /// From the reset state, until all requests have been answered or something differs. `contexts`
  /// are the stream's.
  Result run(const Stream& stream, std::span<const mmu::WalkContext> contexts, bool with_second,
             StreamObserver& observer);

  /// As the run so far has left it.
  SparseMemory& memory() { return memory_; }
  /// The requests that are in flight.
  std::vector<unsigned> in_flight() const;
  static std::uint32_t tag(unsigned walk) { return (walk + 1) * 0x9e3779b1; }

 private:
  struct Slot {
    int walk = -1;  ///< none
    bool waiting = false;
    mmu::Cycle since = 0;
  };
  struct Pending {
    mmu::Cycle at;
    mmu::MemoryAnswer answer;
  };

  void begin(const Stream& stream);
  bool ready(bool valid, mmu::Cycle& at);
  bool may_offer(const Stream& stream) const;
  void happen(const Stream& stream, mmu::WalkerInputs& inputs, StreamObserver& observer);
  std::optional<mmu::MemoryAnswer> pick_answer();
  bool check_ports(const mmu::WalkerOutputs& outputs, std::vector<Difference>& differences);
  void take_memory(const mmu::MemoryRequest& request, StreamObserver& observer);
  unsigned busy() const;

  mmu::WalkerUnit& first_;
  mmu::WalkerUnit* second_;
  SparseMemory memory_;
  std::vector<Slot> slots_;

  // Of the run under way.
  Random random_{0, 0};
  StreamTiming timing_;
  mmu::Cycle now_ = 0;
  unsigned taken_ = 0;     ///< requests
  unsigned answered_ = 0;  ///< responses
  mmu::Cycle taken_at_ = 0;
  std::size_t event_ = 0;
  mmu::CachesDisabled disabled_;
  std::vector<Pending> pending_;
  // Driven in the cycle before, and not taken.
  std::optional<mmu::MemoryRequest> held_memory_;
  std::optional<mmu::WalkResponse> held_response_;
  mmu::Cycle memory_at_ = mmu::kNever;
  mmu::Cycle response_at_ = mmu::kNever;
};

}  // namespace eptsim::tb
