#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mmu_model/walk/translate.hpp"
#include "testbench/device/foreign_walker.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/stimulus/sparse_memory.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Runs a foreign walker and follows it with the step machine: each memory request that the walker
/// makes must be the step that comes next. As long as it is, the request is carried out once, and
/// both go on with the same answer; when the step machine is at its end, the response must tell it.
class Follower {
 public:
  /// `walker` must outlive this.
  explicit Follower(ForeignWalker& walker) : walker_(walker) {}

  struct Result {
    std::vector<Difference> differences;  ///< of the walker from the step machine
    mmu::Cycle cycle = 0;                 ///< from the walk's first to its end or the difference
    unsigned requests = 0;                ///< to memory, carried out
    mmu::Outcome outcome = {};            ///< the step machine's
    std::uint16_t pml_index = 0;          ///< as the walk leaves it
  };

  /// Memory as `test` has it, for walks that follow; the recording begins anew.
  void load(const TestCase& test);
  /// Runs one walk until its response has left or differs; after a difference the walker must be
  /// reset. The ports are served as `timing` says.
  Result run(const mmu::WalkRequest& request, const Timing& timing);

  /// Since `load`.
  const mmu::Recording& recording() const { return recording_; }

 private:
  std::uint64_t carry_out(const mmu::Step& step);

  ForeignWalker& walker_;
  SharedMemory memory_;
  mmu::Recording recording_;
};

}  // namespace eptsim::tb
