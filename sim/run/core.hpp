#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <systemc>
#include <vector>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/modules/mmu_module.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "sim/input_error.hpp"
#include "sim/run/hot_spots.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/system_software.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// What the core is to do, and for whom.
struct CoreWork {
  const RunSettings& settings;
  const arch::PhysicalMemory& memory;  ///< what TLB hits are held against, if they are to be
  TraceReader& trace;
  const std::atomic<bool>& stop;
  std::function<void(std::uint64_t accesses)> progress;  ///< may be empty
  std::function<void()> reset_counters;  ///< of the other units, when the warm-up ends
  std::function<void()> after_walk;      ///< may throw, which ends the run
};

/// The core of this version: one instruction a cycle, and an access blocks everything until it is
/// translated. So every cycle is one of three kinds:
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
/// The thread runs ahead of the kernel as long as the TLBs hit, unless in lockstep.
class Core final : public sc_core::sc_module {
 public:
  /// All outlive it.
  Core(const sc_core::sc_module_name& name, const mmu::Timeline& timeline, mmu::MmuModule& unit,
       SystemSoftware& software, CoreWork work);

  mmu::TranslationPort& port() { return port_; }

  /// Whether the thread has come to its end, whichever.
  bool finished() const { return finished_; }
  /// What ended it, if that was neither the trace's end, nor the limit, nor `stop`.
  std::exception_ptr exception() const { return exception_; }
  /// The warm-up, if there was one, is over.
  bool is_warm() const { return warm_; }

  /// Writes what the core measured into its fields of `result`: zeros if the warm-up never ended.
  void report(RunResult& result) const;

 private:
  /// What the warm-up's end sets back to nothing.
  struct Counted {
    std::uint64_t accesses = 0;
    std::uint64_t instructions = 0;
    std::uint64_t events = 0;
    std::uint64_t translation_cycles = 0;
    std::uint64_t exit_cycles = 0;
    std::uint64_t page_faults = 0;
    std::uint64_t ept_violations = 0;
    std::uint64_t write_protections = 0;
    std::uint64_t protected_writes = 0;
    StaleAccesses stale;
    HotSpots pages;
    HotSpots instruction_addresses;
  };

  void run();
  void run_trace();
  bool run_record(const Record& record);
  bool access(const Record& record);
  bool translate(const mmu::Request& request, std::uint64_t ip);
  bool walk(const mmu::Request& request, std::uint64_t ip);
  void check_use(const mmu::Request& request, const mmu::TlbEntry& entry);
  void act(const Record& record);
  void invpcid(const Record& record);
  void invvpid(const Record& record);
  void invalidate(const mmu::InvalidationScopes& scopes) { port_.invalidate(scopes, cycle_); }
  /// Whether `record` belongs to where the core is.
  bool is_current(const Record& record) const {
    return context_ != nullptr && record.asid == asid_ && record.vcpu == vcpu_ && record.vm == vm_;
  }
  void enter(const Record& record);
  void account_for_software();
  void write_protect();
  bool reach_milestone();
  void set_next_milestone();
  void end_warmup();
  InputError error_at_record(const std::string& problem) const;

  const mmu::Timeline& timeline_;
  SystemSoftware& software_;
  CoreWork work_;
  mmu::TranslationPort port_;

  mmu::Cycle cycle_ = 0;                       ///< the core's own, ahead of the kernel's
  const mmu::WalkContext* context_ = nullptr;  ///< of the address space that it is in, if any yet
  std::uint16_t asid_ = 0;
  std::uint8_t vcpu_ = 0;
  std::uint16_t vm_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t translated_ = 0;                  ///< accesses since the trace's beginning
  std::uint64_t next_milestone_ = 0;              ///< the next of them that anything is due after
  std::uint64_t exits_accounted_ = 0;             ///< of software_.ept_violations()
  std::uint64_t faults_accounted_ = 0;            ///< of software_.page_faults()
  std::uint64_t protected_writes_accounted_ = 0;  ///< of software_.protected_writes()

  bool warm_ = false;
  Counted counted_;
  bool finished_ = false;
  bool partial_ = false;
  std::exception_ptr exception_;
};

}  // namespace eptsim::sim
