#pragma once

#include <cstdint>

#include "sim/run/core.hpp"
#include "sim/trace/record.hpp"

namespace eptsim::sim {

/// One instruction a cycle, and an access blocks everything until it is translated. So every cycle
/// is one of three kinds:
///
///   cycles = instructions + translation cycles + exit cycles
///
/// Translation cycles are lost to TLB look-ups, each the hit cycles of the last level asked (0 for
/// a first level that is looked up beside its cache), and to walks: from the cycle in which one is
/// asked for to the first in which the core goes on, whether it ended in a translation or a fault.
/// Exit cycles are VM exits with entry and the hypervisor's work, those in the guest's page-fault
/// handler included. The handler's own instructions are not in the trace and cost nothing; nor do
/// the trace's events.
///
/// The thread runs ahead of the kernel as long as the TLBs hit, unless in lockstep or with other
/// cores beside it.
class BlockingCore final : public Core {
 public:
  using Core::Core;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    Core::serialize(archive);
    archive(cycle_, rest_);
  }

 private:
  /// The pages of an access that are yet to come.
  struct Rest {
    mmu::Request request;
    std::uint64_t ip = 0;
    std::uint64_t pages = 0;
  };

  void run_program() override;
  mmu::Cycle now() const override { return cycle_; }
  void run_hits();
  void pace();
  bool run_record(const Record& record);
  bool access(const Record& record);
  bool finish_record();
  bool translate(const mmu::Request& request, std::uint64_t ip);
  bool walk(const mmu::Request& request, std::uint64_t ip);
  bool take(const mmu::Request& request, const mmu::Outcome& outcome);

  /// Accesses that hit may pass without a look at anything else: nothing has to be held against
  /// memory, and no turn, core or kernel waited for.
  bool passes_hits_ = program_.is_alone() && program_.is_only() && !timeline_.lockstep() &&
                      !program_.has_ideal_tlb() && !program_.checks_uses();
  mmu::Cycle cycle_ = 0;  ///< the core's own, ahead of the kernel's
  Rest rest_;
};

}  // namespace eptsim::sim
