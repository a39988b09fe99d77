#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/scoreboard/flag_updates.hpp"
#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/sparse_memory.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// A walk as the clocked walkers get it.
struct ClockedWalk {
  mmu::WalkRequest request;
  Timing timing;
};

/// Clocks a walker, and another beside it, with the same requests, memory answers and
/// back-pressure, and compares what they drive in each cycle. Walks follow one another without a
/// reset between them.
class Lockstep {
 public:
  /// `second` may be absent. Both must outlive this. Walks that follow one another are of different
  /// memories: caches, if there are any, take no part.
  Lockstep(mmu::WalkerUnit& first, mmu::WalkerUnit* second);

  struct Result {
    std::optional<mmu::WalkResponse> response;  ///< of the first walker; none if it hangs
    std::vector<Difference> differences;        ///< of the second from the first
    mmu::Cycle cycle = 0;  ///< from the walk's first, to the response or to the difference
    mmu::Cycle compared = 0;
  };

  void reset();
  /// Memory as `test` has it, for walks that follow; the recording begins anew.
  void load(const TestCase& test);
  /// Runs one walk until its response has left, or until the walkers differ; then only `reset` may
  /// follow. `next`, if not null, is what the next call runs. `with_second`: whether the second
  /// walker takes part.
  Result run(const ClockedWalk& walk, const ClockedWalk* next, bool with_second);

  /// Since `load`.
  const mmu::Recording& recording() const { return recording_; }
  const SharedMemory& memory() const { return memory_; }
  const std::vector<FlagUpdate>& flag_updates() const { return flag_updates_; }
  unsigned failed_swaps() const { return failed_swaps_; }

 private:
  std::uint64_t carry_out(const mmu::MemoryRequest& request);

  mmu::WalkerUnit& first_;
  mmu::WalkerUnit* second_;
  mmu::Cycle now_ = 0;
  bool offered_ = false;  ///< the next walk's request is on the port already
  SharedMemory memory_;
  mmu::Recording recording_;
  std::vector<FlagUpdate> flag_updates_;
  unsigned failed_swaps_ = 0;
};

}  // namespace eptsim::tb
