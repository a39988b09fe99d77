#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ept/arch/access.hpp"
#include "ept/arch/address.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/caches/stale_check.hpp"
#include "mmu_model/counters.hpp"
#include "mmu_model/memory/memory_observer.hpp"
#include "mmu_model/settings.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "sim/input_error.hpp"
#include "sim/run/dirty_log_settings.hpp"
#include "sim/run/intervals.hpp"
#include "sim/run/merging.hpp"
#include "sim/run/page_list.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/shadow_exits.hpp"
#include "sim/trace/reader.hpp"

/// The run of one trace through one machine: plain settings in, plain counters out. Names, units,
/// checks and printing are the callers' business.
namespace eptsim::sim {

class SystemSoftware;

/// A round of dirty logging, as it is known when it has been collected.
struct CollectedRound {
  SystemSoftware& software;  ///< of the machine
  const arch::PhysicalMemory& memory;
  const std::vector<arch::Gpa>& pages;  ///< of 4 KiB, dirtied in it; ascending
};

enum class Mode : std::uint8_t {
  kNative,  ///< the program on bare metal: guest paging alone, EPT off
  kNested,  ///< the program in a virtual machine: guest paging through the EPT
  kShadow,  ///< in one without EPT: the hypervisor's shadow tables, which hardware walks
};

enum class WalkerKind : std::uint8_t {
  kModel,  ///< the SystemC walker
  kRtl,    ///< the Verilated walker
  kBoth,   ///< the model, with the Verilated walker beside it and held against it in each cycle
};

/// How much of the core a run has.
enum class Detail : std::uint8_t {
  kFull,         ///< a window of instructions, and the data caches
  kTranslation,  ///< one instruction a cycle, and an access blocks until it is translated
};

/// Which loads an access waits for before its address is there.
enum class Dependence : std::uint8_t {
  kTrace,  ///< those that the trace tells
  kNone,
  kAll,  ///< each load waits for the load before: a pointer chase
};

/// The core of Detail::kFull: docs/core.md.
struct CoreSettings {
  unsigned width = 6;     ///< instructions that enter and that retire in a cycle; at least 1
  unsigned window = 512;  ///< instructions between entry and retirement; at least 1
  unsigned loads = 192;   ///< loads from entry until they and all before them are done; at least 1
  Dependence dependence = Dependence::kTrace;
};

/// How a run is sampled: docs/sampling.md.
struct SamplingSettings {
  std::uint64_t windows = 0;    ///< how many there are to be; 0: `period` says
  std::uint64_t period = 0;     ///< accesses; 0: `windows` says, or all of the run is in detail
  std::uint64_t window = 1000;  ///< measured in each
  std::uint64_t warmup = 1000;  ///< in detail before them
  /// Before those, accesses that keep all that the machine remembers warm; what is further from a
  /// window touches its memory alone. 0: there is no such part.
  std::uint64_t warming = 0;
};

/// The machine with all that is configured about it: hardware, hypervisor and guest.
struct Machine {
  mmu::MachineSettings hardware;
  CoreSettings core;
  bool ideal_tlb = false;          ///< translations cost nothing; faults do
  unsigned exit_cycles = 1000;     ///< VM exit and entry together
  unsigned handler_cycles = 3000;  ///< the hypervisor's work on an exit
  PagePolicy guest_page;
  PagePolicy ept_page;
  unsigned guest_fragmentation = 0;       ///< percent of the guest's memory without large frames
  unsigned hypervisor_fragmentation = 0;  ///< of the host's
  unsigned guest_pcids = 0;  ///< that an operating system uses on each processor; 0: none
  MergeSettings guest_merge;
  MergeSettings hypervisor_merge;
  DirtyLogSettings dirty_log;
  bool invalidate = true;            ///< the hypervisor does the INVEPTs that it owes
  unsigned cores = 0;                ///< at most; 0: as many as there are vCPUs
  bool traces_are_machines = false;  ///< each of several, instead of vCPUs of one
  bool vpid = true;                  ///< translations are tagged with their vCPU
  std::uint64_t time_slice = 0;      ///< cycles of a trace's turn on a core; 0: until its end
  unsigned shootdown_cycles = 4000;  ///< of a vCPU that the hypervisor has forget translations
  unsigned guest_shootdown_cycles = 1000;  ///< of one that its guest does, beside the exit
  bool stale_check = false;                ///< hold every use of cached translations against memory
  SamplingSettings sampling;
};

/// Where a run's whole state is written, and from where it goes on: docs/checkpoints.md.
struct CheckpointSettings {
  /// Accesses of each core, from the trace's beginning: at every so many of them all under way is
  /// brought to its end. 0: nothing is, and a checkpoint is taken where the warm-up ends.
  std::uint64_t every = 0;
  std::function<void(const std::string& bytes)> write;  ///< takes a checkpoint; may be empty
  std::string resume;                                   ///< bytes to go on from; empty: none
  std::string resume_name;                              ///< for messages
  /// What else must be the same in a run that goes on: names and values, for messages too.
  std::vector<std::pair<std::string, std::string>> same;
};

/// The beginning of a run that is done without time passing, in accesses from the trace's first on.
/// It lies within the warm-up. The model's walker alone can do that, with one trace.
struct LeadIn {
  std::uint64_t touched = 0;  ///< so many touch their memory alone: Warming
  std::uint64_t warmed = 0;   ///< up to here they keep all warm that the machine remembers
};

inline constexpr std::size_t kHotSpots = 20;

struct RunSettings {
  Machine machine;  ///< hardware.seed is the seed of everything random in the run
  Mode mode = Mode::kNested;
  WalkerKind walker = WalkerKind::kModel;
  Detail detail = Detail::kFull;
  bool fetch = true;                   ///< translate the trace's instruction fetches too
  std::uint64_t warmup = 0;            ///< accesses before anything is counted
  LeadIn lead_in;                      ///< of them
  std::optional<std::uint64_t> limit;  ///< stop after so many accesses counted (after the warm-up)
  std::size_t hot_spots = kHotSpots;   ///< how many pages and instructions to list
  std::string trace_name;              ///< for messages that concern the trace
  /// Called with each round of dirty logging that was collected; may be empty.
  std::function<void(const CollectedRound&)> on_dirty_round;
  CheckpointSettings checkpoint;
  /// What the first machine has mapped from the beginning. The rest is given on first touch.
  PageLists lists;
  /// Called at the end with what the first machine has mapped then; may be empty.
  std::function<void(const PageLists&)> take_lists;
  /// Sees the references of walks and what reaches DRAM, from the beginning of the run; may be
  /// nullptr. Outlives the run.
  mmu::MemoryObserver* observer = nullptr;
};

/// A page or an instruction, and what its walks cost.
struct HotSpot {
  std::uint64_t address = 0;  ///< linear address of the 4 KiB page, or the instruction's
  std::uint64_t walks = 0;
  std::uint64_t walk_cycles = 0;
};

/// An access that a TLB, or a walk through structure caches, translated otherwise than memory says.
struct StaleAccess {
  std::uint64_t number = 0;   ///< of the access, from 1 at the trace's beginning
  std::uint64_t address = 0;  ///< linear
  arch::AccessKind kind = arch::AccessKind::kRead;
  std::uint64_t eptp = 0;  ///< 0 with EPT off
  mmu::StaleUse use;
};
inline constexpr std::size_t kStaleAccesses = 20;

/// What Machine::stale_check found: software forgot an invalidation.
struct StaleAccesses {
  std::uint64_t guest = 0;         ///< after a change of the guest's tables
  std::uint64_t ept = 0;           ///< after a change of the EPT
  std::vector<StaleAccess> first;  ///< the first kStaleAccesses of both

  StaleAccesses& operator+=(const StaleAccesses& more);
};

/// Where the core's cycles went: each is in one class.
struct CycleClasses {
  std::uint64_t retiring = 0;
  std::uint64_t data = 0;         ///< waiting for data
  std::uint64_t translation = 0;  ///< lost to TLB levels and walks
  std::uint64_t exits = 0;        ///< VM exits, entries and the hypervisor's work
  std::uint64_t other = 0;

  std::uint64_t sum() const { return retiring + data + translation + exits + other; }

  CycleClasses& operator+=(const CycleClasses& more);
};

/// VM exits that have to do with other vCPUs, and those to merge pages, by reason.
struct CoreExits {
  std::uint64_t external_interrupt = 0;  ///< another vCPU had translations forgotten
  std::uint64_t apic_write = 0;          ///< to interrupt other vCPUs of the guest
  std::uint64_t preemption_timer = 0;    ///< the time slice was over
  std::uint64_t vcpu_switch = 0;         ///< the trace had another vCPU, or was at its end
  std::uint64_t merge = 0;               ///< the hypervisor merged small pages

  CoreExits& operator+=(const CoreExits& more);
};

/// Translations that other cores were made to forget.
struct Shootdowns {
  std::uint64_t of_hypervisor = 0;  ///< after a change of a machine's EPT
  std::uint64_t of_guest = 0;       ///< after a change of a guest's tables
  std::uint64_t interrupts = 0;     ///< cores interrupted for them
  std::uint64_t cycles = 0;         ///< waited for their answers

  Shootdowns& operator+=(const Shootdowns& more);
};

/// One core's part of a result.
struct CoreResult {
  std::uint64_t accesses = 0;
  std::uint64_t instructions = 0;
  std::uint64_t cycles = 0;
  CycleClasses cycles_by;
  std::uint64_t l1_misses = 0;  ///< of both first-level TLBs
  std::uint64_t l2_misses = 0;
  std::uint64_t walks = 0;
  std::uint64_t walk_cycles = 0;
  std::uint64_t exits = 0;  ///< of all reasons
};

/// How good the estimates of a sampled run are: half the widths of their 95 % confidence intervals.
struct SamplingResult {
  std::uint64_t windows = 0;            ///< 0: nothing was estimated
  std::uint64_t measured_accesses = 0;  ///< in them
  std::uint64_t touched_accesses = 0;   ///< of which nothing was counted but faults
  std::uint64_t detailed_walks = 0;     ///< those whose cycles are known
  double cycles_error = 0;              ///< over the cycles
  double translation_cycles_error = 0;  ///< over cycles_by.translation
  double translation_share_error = 0;   ///< of the share itself
};

/// What was measured, from the end of the warm-up on: sums over all cores, but for `cycles`. Of a
/// sampled run cycles are estimates, those of exits excepted.
struct RunResult {
  std::uint64_t translated = 0;    ///< accesses of the whole run, warm-up included
  std::uint64_t accesses = 0;      ///< translated: an access across a page boundary counts twice
  std::uint64_t instructions = 0;  ///< begun, as the trace tells
  std::uint64_t cycles = 0;        ///< of the core that ran longest, all told
  std::uint64_t replayed = 0;      ///< accesses that began anew, for one before them had faulted
  CycleClasses cycles_by;          ///< their sum is that of the cores' cycles
  std::uint64_t events = 0;        ///< of the trace: switches and invalidations carried out

  // Each access counts once, with its first look-up; those that followed faults stand apart.
  mmu::TlbCounters l1i;
  mmu::TlbCounters l1d;
  mmu::TlbCounters l2;
  std::uint64_t replayed_lookups = 0;
  mmu::WalkerCounters walker;
  mmu::MemoryCounters caches;  ///< and DRAM
  mmu::WalkQueueCounters walk_queue;

  std::uint64_t guest_page_faults = 0;  ///< served by the guest's operating system
  std::uint64_t ept_violations = 0;     ///< VM exits by reason
  std::uint64_t ept_misconfigurations = 0;
  ShadowExits shadow_exits;  ///< with Mode::kShadow, by reason
  MergeCounts guest_merging;
  MergeCounts hypervisor_merging;
  DirtyLogCounts dirty_log;
  std::vector<DirtyRound> dirty_rounds;  ///< each core's in their order, core by core
  CoreExits exits;
  Shootdowns shootdowns;

  // Memory in use at the end, warm-up included.
  std::uint64_t page_bytes = 0;            ///< the program's pages, in host-physical memory
  MappedBytes guest_mapped;                ///< by the guest's tables, by page size
  MappedBytes ept_mapped;                  ///< by the EPT
  MappedBytes shadow_mapped;               ///< by shadow tables
  std::uint64_t guest_no_large_frame = 0;  ///< pages that fragmentation made smaller
  std::uint64_t host_no_large_frame = 0;   ///< EPT pages that it did
  std::uint64_t guest_table_bytes = 0;     ///< guest paging structures
  std::uint64_t ept_table_bytes = 0;
  std::uint64_t host_map_bytes = 0;  ///< what stands for the EPT under shadow paging
  std::uint64_t shadow_table_bytes = 0;
  std::string memory_hash;  ///< of all that host-physical memory holds: hash_of_memory

  /// The RunSettings::hot_spots most expensive, most walk cycles first, equals by lower address. No
  /// instructions where the trace doesn't tell them.
  std::vector<HotSpot> hot_pages;
  std::vector<HotSpot> hot_instructions;
  /// Walk cycles of the pages and instructions that were forgotten, for there were too many: so
  /// much at most the lists lack.
  std::uint64_t forgotten_page_cycles = 0;
  std::uint64_t forgotten_instruction_cycles = 0;

  /// The run cut into equal parts of each core, in order: they sum to the whole. None if the
  /// warm-up never ended, or the run was sampled.
  std::vector<Interval> timeline;

  StaleAccesses stale;
  std::vector<CoreResult> cores;
  SamplingResult sampling;

  /// The run ended before the trace or the limit did: `stop` was set, or `error` or `mismatch` says
  /// why.
  bool partial = false;
  /// The trace is damaged or has an address that isn't canonical, or its pages outran the machine's
  /// memory (place "dram.bytes"). All else holds what was measured before.
  std::optional<InputError> error;
  /// WalkerKind::kBoth: the first difference between the walkers, which ended the run: the cycle,
  /// the walks under way, what the model drove and what the RTL did. Empty if there was none.
  std::string mismatch;
};

/// Makes a walker as large as is asked for. Throws InputError for one that isn't built.
using WalkerMaker =
    std::function<std::unique_ptr<mmu::WalkerUnit>(const mmu::WalkerConfiguration&)>;

/// The Verilated walker.
std::unique_ptr<mmu::WalkerUnit> make_rtl_walker(const mmu::WalkerConfiguration& size);

/// The traces of one core, which take turns there. Each is of vCPUs of its own.
struct NamedTrace {
  TraceReader* reader = nullptr;
  std::string name = {};  ///< for messages; empty: RunSettings::trace_name
};
using CoreTraces = std::vector<NamedTrace>;

/// Runs traces until their end, the limit, or `stop` (looked at between accesses, and set from a
/// signal handler), on a core for each of `cores`; each warms up and is limited by accesses of its
/// own. `progress`, if any, is called from time to time, on this thread, with the accesses read so
/// far, warm-up included. Throws InputError, before anything runs, for settings that this build
/// can't do. `rtl` makes what WalkerKind::kRtl and kBoth run. There is one SystemC kernel a
/// process: call it once in a process.
RunResult simulate(const RunSettings& settings, const std::vector<CoreTraces>& cores,
                   const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t accesses)>& progress = {},
                   const WalkerMaker& rtl = make_rtl_walker);

/// The same of one trace on one core.
RunResult simulate(const RunSettings& settings, TraceReader& trace, const std::atomic<bool>& stop,
                   const std::function<void(std::uint64_t accesses)>& progress = {},
                   const WalkerMaker& rtl = make_rtl_walker);

}  // namespace eptsim::sim
