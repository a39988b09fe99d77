#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ept/arch/access.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/caches/stale_check.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "sim/input_error.hpp"
#include "sim/run/hot_spots.hpp"
#include "sim/run/intervals.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/system_software.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// What a core is to do, and for whom.
struct CoreWork {
  const RunSettings& settings;
  arch::PhysicalMemory& memory;  ///< for what is translated at once, or held against it
  TraceReader& trace;
  const std::atomic<bool>& stop;
  std::function<void(std::uint64_t accesses)> progress;  ///< may be empty
  std::function<void()> reset_counters;  ///< of the other units, when the warm-up ends
  std::function<void()> after_walk;      ///< may throw, which ends the run
  /// Writes what the other units have counted into the members that are theirs.
  std::function<void(Interval&)> count_units;
};

/// What a record's access is to the MMU.
constexpr arch::AccessKind access_kind(RecordKind kind) {
  switch (kind) {
    case RecordKind::kWrite: return arch::AccessKind::kWrite;
    case RecordKind::kModify: return arch::AccessKind::kReadModifyWrite;
    case RecordKind::kFetch: return arch::AccessKind::kFetch;
    default: return arch::AccessKind::kRead;
  }
}
/// What is translated at a time, in bytes: an access across the boundary is two.
inline constexpr std::uint64_t kTranslatedPage = 4096;

/// The program of a trace on one core, whichever: where the trace is, the address space that the
/// core is in, what the trace's events do, the software that serves its faults, and what is counted
/// of all that. How time passes is the core's business. Where software costs cycles, `cycle`, the
/// core's own time, goes on by them, and they are counted as those of exits.
class RunningProgram {
 public:
  /// All outlive it.
  RunningProgram(SystemSoftware& software, mmu::TranslationPort& port, CoreWork work);

  const RunSettings& settings() const { return work_.settings; }
  /// Whether `stop` was set; the run is partial then.
  bool is_stopped();

  /// The next records of the trace, none at its end. They stay until the next call.
  std::span<const Record> read();
  /// Says that the core comes to the next record.
  void count_record() { ++records_; }
  /// Says which linear addresses there are. Throws InputError, at the present record.
  void require_canonical(std::uint64_t address) const;

  /// Whether `record` belongs to where the core is.
  bool is_current(const Record& record) const {
    return context_ != nullptr && record.asid == asid_ && record.vcpu == vcpu_ && record.vm == vm_;
  }
  /// What it translates with, once it has entered an address space.
  const mmu::WalkContext& context() const { return *context_; }

  /// MOV CR3 to the address space of `record`, which removes the old one's translations: there are
  /// no PCIDs.
  void enter(const Record& record, mmu::Cycle& cycle);
  /// Carries out an event of the trace.
  void act(const Record& record, mmu::Cycle& cycle);
  /// Has software serve a fault that an access met, so that it can be tried again.
  void serve(const mmu::Request& request, const mmu::Outcome& outcome, mmu::Cycle& cycle);

  /// Machine::ideal_tlb.
  bool has_ideal_tlb() const { return ideal_tlb_; }
  /// The end of a walk that takes no time and goes by no walker. The TLBs take it.
  mmu::Outcome translate_at_once(const mmu::Request& request);

  /// Takes note of a walk's end and its cost to the page and the instruction, 0 if that isn't
  /// known.
  void count_walk(const mmu::WalkTransaction& walk, std::uint64_t ip);
  /// With Machine::stale_check: counts the use of `entry`, of a TLB or just walked for, if memory
  /// says otherwise. `number`: of the access, from 1 at the trace's beginning.
  void check_use(const mmu::Request& request, const mmu::TlbEntry& entry, std::uint64_t number) {
    if (checks_uses_) [[unlikely]]
      find_stale_use(request, entry, number);
  }
  void check_use(const mmu::Request& request, const mmu::Outcome& translated,
                 std::uint64_t number) {
    if (checks_uses_) [[unlikely]]
      find_stale_use(request, mmu::make_tlb_entry(*context_, translated), number);
  }

  // What is counted, from the end of the warm-up on. A core adds to what it knows.
  struct Counted {
    std::uint64_t accesses = 0;
    std::uint64_t instructions = 0;
    std::uint64_t events = 0;
    std::uint64_t replayed = 0;
    CycleClasses cycles_by;
    std::uint64_t page_faults = 0;
    std::uint64_t ept_violations = 0;
    ShadowExits shadow_exits;
    std::uint64_t write_protections = 0;
    std::uint64_t protected_writes = 0;
    StaleAccesses stale;
    HotSpots pages;
    HotSpots instruction_addresses;
  };
  Counted& counted() { return counted_; }

  /// Ends a warm-up of nothing. Whether there is anything to run.
  bool begin();
  /// Accesses translated since the trace's beginning.
  std::uint64_t translated() const { return translated_; }
  /// Counts one more. Whether a milestone is reached with it.
  bool count_access() {
    ++counted_.accesses;
    return ++translated_ == next_milestone_;
  }
  /// How many accesses there will have been when the next milestone comes that isn't passed in full
  /// swing: the warm-up's end, the limit, the hypervisor's turn.
  std::uint64_t next_stop() const { return next_stop_; }
  /// Does what is due at a milestone. Returns whether the run goes on.
  bool reach_milestone(mmu::Cycle& cycle);

  bool is_warm() const { return warm_; }
  /// Writes what was counted up to `now`: zeros if the warm-up never ended.
  void report(RunResult& result, mmu::Cycle now) const;

 private:
  void find_stale_use(const mmu::Request& request, const mmu::TlbEntry& entry,
                      std::uint64_t number);
  void invlpg(std::uint64_t linear, mmu::Cycle& cycle);
  void invpcid(const Record& record, mmu::Cycle& cycle);
  void invvpid(const Record& record, mmu::Cycle cycle);
  void account_for_software(mmu::Cycle& cycle);
  void pass_exits(std::uint64_t exits, mmu::Cycle& cycle);
  void write_protect(mmu::Cycle& cycle);
  /// What was counted so far, as the timeline has it.
  Interval total() const;
  void set_next_milestone();
  void end_warmup(mmu::Cycle cycle);
  InputError error_at_record(const std::string& problem) const;

  SystemSoftware& software_;
  mmu::TranslationPort& port_;
  CoreWork work_;
  bool checks_uses_;
  bool ideal_tlb_;

  std::vector<Record> batch_;
  std::uint64_t records_ = 0;
  const mmu::WalkContext* context_ = nullptr;  ///< of the address space that it is in, if any yet
  std::uint16_t asid_ = 0;
  std::uint8_t vcpu_ = 0;
  std::uint16_t vm_ = 0;

  std::uint64_t translated_ = 0;
  std::uint64_t next_stop_ = 0;
  std::uint64_t next_milestone_ = 0;              ///< that, or sooner: an interval's end, progress
  std::uint64_t exits_accounted_ = 0;             ///< of software_.ept_violations()
  ShadowExits shadow_accounted_;                  ///< of software_.shadow_exits()
  std::uint64_t faults_accounted_ = 0;            ///< of software_.page_faults()
  std::uint64_t protected_writes_accounted_ = 0;  ///< of software_.protected_writes()

  bool warm_ = false;
  mmu::Cycle warm_since_ = 0;
  bool partial_ = false;
  Counted counted_;
  Intervals intervals_;
};

}  // namespace eptsim::sim
