#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ept/arch/access.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/caches/stale_check.hpp"
#include "mmu_model/modules/timeline.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "mmu_model/walk/translate.hpp"
#include "sim/input_error.hpp"
#include "sim/run/core_group.hpp"
#include "sim/run/hot_spots.hpp"
#include "sim/run/intervals.hpp"
#include "sim/run/record_hash.hpp"
#include "sim/run/sampling.hpp"
#include "sim/run/simulation.hpp"
#include "sim/run/vcpu_reader.hpp"
#include "sim/run/virtual_machines.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// What a core is to do, and for whom.
struct CoreWork {
  const RunSettings& settings;
  arch::PhysicalMemory& memory;  ///< for what is translated at once, or held against it
  VirtualMachines& machines;
  CoreGroup& group;
  unsigned number = 0;  ///< of the core in the group
  /// What takes turns on the core. vCPUs within a trace come as the trace has them.
  CoreTraces traces;
  const std::atomic<bool>& stop;
  std::function<void(std::uint64_t accesses)> progress;  ///< may be empty
  std::function<void()> after_walk;                      ///< may throw, which ends the run
  /// Writes what the core's other units have counted into the members that are theirs.
  std::function<void(Interval&)> count_units;
  /// Called when all cores that are to go on have come to the end of their warm-up.
  std::function<void()> end_warmup;
  /// Called where they are for a checkpoint, each in the same cycle and with nothing under way.
  std::function<void()> take_checkpoint;
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

/// The programs of one core's traces, whichever core: where the traces are, whose turn it is, the
/// vCPU and the address space that the core is in, what the traces' events do, the software that
/// serves faults, what other cores ask for, and what is counted of all that. How time passes is the
/// core's business. Where software costs cycles, `cycle`, the core's own time, goes on by them, and
/// they are counted as those of exits.
class RunningProgram {
 public:
  /// All outlive it.
  RunningProgram(const mmu::Timeline& timeline, mmu::TranslationPort& port, CoreWork work);

  const RunSettings& settings() const { return work_.settings; }
  /// Whether `stop` was set; the run is partial then.
  bool is_stopped() {
    if (!work_.stop.load(std::memory_order_relaxed) && !work_.group.is_halted()) [[likely]]
      return false;
    partial_ = true;
    return true;
  }

  /// The next record of the trace whose turn it is, nothing at its end. It stays until the next
  /// call.
  const Record* next() {
    Stream& stream = streams_[turn_];
    if (stream.next == stream.records && !refill(stream)) [[unlikely]]
      return nullptr;
    ++stream.read;
    return &stream.batch[stream.next++];
  }
  /// The one after it, if it is there already.
  const Record* peek() const {
    const Stream& stream = streams_[turn_];
    return stream.next != stream.records ? &stream.batch[stream.next] : nullptr;
  }
  /// Those that come after it, as far as they are there already.
  std::span<const Record> upcoming() const {
    const Stream& stream = streams_[turn_];
    return std::span(stream.batch).subspan(stream.next, stream.records - stream.next);
  }
  /// The first `count` of those have come.
  void pass_over(std::size_t count) {
    Stream& stream = streams_[turn_];
    stream.next += count;
    stream.read += count;
  }
  /// Whether no other trace takes turns here.
  bool is_only() const { return streams_.size() == 1; }
  /// The record that `next` will give after `count` others, as far as records are read already.
  const Record* ahead(std::size_t count) const {
    const Stream& stream = streams_[turn_];
    return stream.records - stream.next > count ? &stream.batch[stream.next + count] : nullptr;
  }
  /// Whether, in `cycle`, it is another trace's turn.
  bool turn_is_over(mmu::Cycle cycle) const { return cycle >= turn_end_ && streams_.size() > 1; }
  /// Gives the turn to the next trace; one at its end is done with. False if that was the last.
  bool take_turns();
  /// Says which linear addresses there are: the guest has 4-level paging.
  static bool is_canonical(std::uint64_t address) {
    return arch::is_canonical(address, kLinearBits);
  }
  /// Throws InputError, at the present record, if there is none such.
  void require_canonical(std::uint64_t address) const;

  /// Whether `record` belongs to where the core is.
  bool is_current(const Record& record) const { return home_of(record) == home_; }
  /// What it translates with, once it has entered an address space.
  const mmu::WalkContext& context() const { return *context_; }

  /// Goes to the vCPU and the address space of `record`. Another vCPU is entered after an exit;
  /// within one it is a MOV CR3. Without PCIDs that removes the old space's translations.
  void enter(const Record& record, mmu::Cycle& cycle);
  /// Carries out an event of the trace.
  void act(const Record& record, mmu::Cycle& cycle);
  /// Has software serve a fault that an access met, so that it can be tried again.
  void serve(const mmu::Request& request, const mmu::Outcome& outcome, mmu::Cycle& cycle);

  /// Counts what may have changed translations that there were: as long as it stays the same, what
  /// was walked for is where it was, with the flags that it had.
  std::uint64_t changes() const { return changes_; }

  /// Whether the machine has no other core.
  bool is_alone() const { return work_.group.size() == 1; }
  /// The first cycle in which another core's request is to be served, kNever if there is none.
  mmu::Cycle next_request() const { return work_.group.next_request(work_.number); }
  /// Serves what there is up to `cycle`.
  void serve_requests(mmu::Cycle& cycle);
  /// The core ends in `cycle`, all cores if `by_error`.
  void leave(mmu::Cycle cycle, bool by_error);

  /// Machine::ideal_tlb.
  bool has_ideal_tlb() const { return ideal_tlb_; }
  /// Machine::stale_check.
  bool checks_uses() const { return checks_uses_; }
  /// The end of a walk that takes no time and goes by no walker. The TLBs take it.
  mmu::Outcome translate_at_once(const mmu::Request& request);
  /// The same, and the TLBs don't.
  template <typename Recorder>
  mmu::Outcome walk_memory(const mmu::Request& request, Recorder& recorder) {
    return mmu::translate(*context_, request, work_.memory, recorder).outcome;
  }

  /// The look-up was of an access that had been looked up before a fault, and doesn't count again.
  void count_replayed_lookup(const mmu::Request& request, const mmu::TlbHit& hit) {
    port_.discount(request, hit);
    ++counted_.replayed_lookups;
  }
  /// A walk has begun: has the host bring what its end will be noted in.
  void expect_walk(const mmu::Request& request, std::uint64_t ip) const {
    counted_.pages.prefetch(request.address & ~(kTranslatedPage - 1));
    if (ip != 0) counted_.instruction_addresses.prefetch(ip);
  }
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
    std::uint64_t replayed_lookups = 0;
    CycleClasses cycles_by;
    std::uint64_t page_faults = 0;
    std::uint64_t ept_violations = 0;
    ShadowExits shadow_exits;
    MergeCounts guest_merging;
    MergeCounts hypervisor_merging;
    DirtyLogCounts dirty_log;
    std::vector<DirtyRound> dirty_rounds;
    CoreExits exits;
    Shootdowns shootdowns;
    StaleAccesses stale;
    HotSpots pages;
    HotSpots instruction_addresses;
  };
  Counted& counted() { return counted_; }
  const Counted& counted() const { return counted_; }

  /// Ends a warm-up of nothing, or goes on where the checkpoint was that it was read from. Whether
  /// there is anything to run.
  bool begin(mmu::Cycle& cycle);
  /// Accesses translated since the trace's beginning.
  std::uint64_t translated() const { return translated_; }
  /// Counts one more. Whether a milestone is reached with it.
  bool count_access() {
    ++counted_.accesses;
    return ++translated_ == next_milestone_;
  }
  /// How many more may be counted at once before the one with which a milestone is reached.
  std::uint64_t before_milestone() const { return next_milestone_ - translated_ - 1; }
  void count_accesses(std::uint64_t count) {
    counted_.accesses += count;
    translated_ += count;
  }
  /// How many accesses there will have been when the next milestone comes that isn't passed in full
  /// swing: the warm-up's end, a checkpoint, the limit, the hypervisor's turn.
  std::uint64_t next_stop() const { return next_stop_; }
  /// Whether what comes next is for warming, once nothing is under way.
  bool is_warming() const { return translated_ < lead_in_.warmed || samples_.is_warming(); }
  /// Whether that touches its memory alone.
  bool is_touching() const { return translated_ < lead_in_.touched || samples_.is_touching(); }
  const Samples& samples() const { return samples_; }
  /// What was counted so far.
  SamplePoint sample_point() const;
  /// Of the warmed and measured run (SamplePoint::work).
  std::uint64_t work() const { return work_of(counted_.accesses, faults()); }
  /// Does what is due at a milestone, but for a checkpoint if something is under way. Returns
  /// whether the run goes on.
  bool reach_milestone(mmu::Cycle& cycle, bool at_rest = true);

  bool is_warm() const { return warm_; }
  mmu::Cycle warm_since() const { return warm_since_; }
  /// The run in intervals; nothing if the warm-up never ended.
  Course course() const;
  /// Adds what was counted up to `now` to `result`: nothing if the warm-up never ended.
  void report(RunResult& result, mmu::Cycle now) const;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(turn_, turn_end_, turn_begins_, preempted_, asid_, translated_, warm_, warm_since_,
            counted_, intervals_, samples_, home_);
    std::vector<Place> places = this->places();
    std::optional<VcpuName> vcpu = running_vcpu();
    archive(places, vcpu);
    if constexpr (Archive::is_loading::value) go_to(places, vcpu);
  }

 private:
  static constexpr unsigned kLinearBits = 48;
  static constexpr std::uint64_t kNoStop = ~0ull;  ///< more accesses than there can be

  /// Where a trace has been read to.
  struct Place {
    std::size_t trace = 0;   ///< of the core's
    std::uint64_t read = 0;  ///< records
    std::uint64_t hash = 0;  ///< of them
  };
  /// A trace that takes its turns here.
  struct Stream {
    NamedTrace trace;
    std::size_t number = 0;  ///< of the core's traces
    std::vector<Record> batch;
    std::size_t records = 0;  ///< in `batch`
    std::size_t next = 0;
    std::uint64_t read = 0;  ///< records so far
    RecordHash hash = {};    ///< of those before `batch`, if there are checkpoints
  };

  bool refill(Stream& stream);
  std::vector<Place> places() const;
  std::optional<VcpuName> running_vcpu() const;
  void go_to(const std::vector<Place>& places, const std::optional<VcpuName>& vcpu);
  void read_again(Stream& stream, const Place& place);
  bool is_running(const Record& record) const {
    return record.vcpu == vcpu_->name && record.vm == vcpu_->machine.name;
  }
  bool is_virtual() const { return work_.settings.mode != Mode::kNative; }
  mmu::CurrentTags tags() const { return mmu::current_tags(*context_); }
  /// Those of the operating system here.
  Pcids& pcids() { return work_.machines.pcids(*vcpu_); }
  Pcids::Space space(std::uint16_t asid) const { return {.vm = vcpu_->machine.name, .asid = asid}; }
  bool uses_pcids() const { return work_.settings.machine.guest_pcids != 0; }
  /// MOV to CR3 of what it holds, which removes the translations of the address space.
  mmu::InvalidationScopes reload_cr3() const {
    return mmu::invalidation::mov_to_cr3(tags(), context_->raw.cr3, uses_pcids());
  }
  void find_stale_use(const mmu::Request& request, const mmu::TlbEntry& entry,
                      std::uint64_t number);
  void invlpg(std::uint64_t linear, mmu::Cycle& cycle);
  void invpcid(const Record& record, mmu::Cycle& cycle);
  void invvpid(const Record& record, mmu::Cycle cycle);
  void leave_vcpu(mmu::Cycle& cycle);
  void pay_owed(mmu::Cycle cycle);
  bool has_been_served(const mmu::Request& request, const mmu::Outcome& outcome, mmu::Cycle& cycle);
  void account_for_software(mmu::Cycle& cycle);
  void pass_exits(std::uint64_t exits, mmu::Cycle& cycle);
  void pass(std::uint64_t cycles, mmu::Cycle& cycle);
  void settle(mmu::Cycle& cycle);
  void take_answers(mmu::Cycle& cycle);
  void handle_log(mmu::Cycle& cycle);
  /// What passes in `work` is dirty logging's, whatever parts of it say so themselves.
  template <typename Work>
  void log_dirty(Work work, const mmu::Cycle& cycle) {
    const mmu::Cycle begun = cycle;
    const std::uint64_t before = counted_.dirty_log.cycles;
    work();
    if (logs_writes()) counted_.dirty_log.cycles = before + (cycle - begun);
  }
  void follow_dirty_log(mmu::Cycle& cycle);
  void follow_merging(mmu::Cycle& cycle);
  bool merge_is_due(const MergeSettings& settings, std::uint64_t& next) const;
  void prepare_merge(mmu::Cycle& cycle);
  void merge_in_guest(mmu::Cycle& cycle);
  void merge_in_hypervisor(mmu::Cycle& cycle);
  void end_merge(mmu::Cycle cycle);
  bool waited_for_merge(const mmu::Request& request, const mmu::Outcome& outcome,
                        mmu::Cycle& cycle);
  void count_fault_exit(const mmu::Outcome& outcome, mmu::Cycle& cycle);
  bool logs_writes() const {
    return work_.settings.machine.dirty_log.tracking != DirtyTracking::kOff;
  }
  /// What was counted so far, as the timeline has it.
  Interval total() const;
  /// Served by guest and hypervisor.
  std::uint64_t faults() const {
    return counted_.page_faults + counted_.ept_violations + counted_.shadow_exits.sum();
  }

  // with other cores
  void shoot_down(const mmu::InvalidationScopes& scopes, mmu::Cycle& cycle);
  bool runs_machine(unsigned core) const;
  unsigned interrupt_machine(const mmu::InvalidationScopes& scopes, mmu::Cycle cycle);
  void shoot_down_page(std::uint64_t address, mmu::Cycle& cycle);
  void flush_space(std::uint16_t asid, mmu::Cycle& cycle);
  void shoot_down_guest(std::uint16_t asid, const CoreGroup::Request& request, mmu::Cycle& cycle);
  void serve_request(const CoreGroup::Request& request, mmu::Cycle& cycle);
  void owe(Vcpu& vcpu, std::uint16_t asid);
  void forget_for(const CoreGroup::Request& request, mmu::Cycle cycle);
  void await_answers(mmu::Cycle& cycle);
  void keep_pace(mmu::Cycle& cycle);
  void await(const std::function<mmu::Cycle()>& when, mmu::Cycle& cycle) {
    await(when, cycle, counted_.cycles_by.exits);
  }
  void await(const std::function<mmu::Cycle()>& when, mmu::Cycle& cycle, std::uint64_t& counted);
  void meet(mmu::Cycle& cycle, const std::function<void()>& met, std::uint64_t& counted);

  bool go_on(mmu::Cycle& cycle);
  void set_next_milestone();
  void end_warmup(mmu::Cycle& cycle);
  std::uint64_t following_checkpoint() const;
  void take_checkpoint(mmu::Cycle& cycle);
  const std::string& trace_name(const Stream& stream) const;
  InputError error_at_record(const std::string& problem) const;

  const mmu::Timeline& timeline_;
  mmu::TranslationPort& port_;
  CoreWork work_;
  bool checks_uses_;
  bool ideal_tlb_;

  std::vector<Stream> streams_;
  std::size_t turn_ = 0;                       ///< whose it is
  mmu::Cycle turn_end_ = mmu::kNever;          ///< when it is over
  bool turn_begins_ = true;                    ///< nothing of it has run yet
  bool preempted_ = false;                     ///< the turn before ended by the clock
  Vcpu* vcpu_ = nullptr;                       ///< that it runs, if any yet
  const mmu::WalkContext* context_ = nullptr;  ///< of its address space
  std::uint16_t asid_ = 0;
  std::uint64_t home_ = kNoHome;  ///< home_of what runs there

  std::uint64_t changes_ = 0;
  std::uint64_t translated_ = 0;
  std::uint64_t next_stop_ = 0;
  std::uint64_t next_milestone_ = 0;  ///< that, or sooner: an interval's end, progress
  std::uint64_t next_checkpoint_;
  LeadIn lead_in_;
  bool resumed_ = false;  ///< at a checkpoint, and hasn't gone on yet

  bool warm_ = false;
  mmu::Cycle warm_since_ = 0;
  bool partial_ = false;
  Counted counted_;
  Intervals intervals_;
  Samples samples_;
};

}  // namespace eptsim::sim
