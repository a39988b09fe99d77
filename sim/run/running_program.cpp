#include "sim/run/running_program.hpp"

#include <algorithm>
#include <utility>

#include "ept/arch/address.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/walk/translate.hpp"
#include "sim/run/hexadecimal.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kBatch = 4096;                     // records read at a time
constexpr std::uint64_t kProgressInterval = 1ull << 16;  // accesses
constexpr std::uint16_t kLastType = 3;                   // of INVPCID and of INVVPID
constexpr unsigned kLinearBits = 48;                     // the guest has 4-level paging
constexpr std::uint64_t kNoStop = ~0ull;                 // more accesses than there can be

}  // namespace

RunningProgram::RunningProgram(SystemSoftware& software, mmu::TranslationPort& port, CoreWork work)
    : software_(software),
      port_(port),
      work_(std::move(work)),
      checks_uses_(work_.settings.machine.stale_check),
      ideal_tlb_(work_.settings.machine.ideal_tlb),
      batch_(kBatch) {}

bool RunningProgram::is_stopped() {
  if (!work_.stop.load(std::memory_order_relaxed)) [[likely]]
    return false;
  partial_ = true;
  return true;
}

std::span<const Record> RunningProgram::read() { return {batch_.data(), work_.trace.read(batch_)}; }

void RunningProgram::require_canonical(std::uint64_t address) const {
  if (arch::is_canonical(address, kLinearBits)) [[likely]]
    return;
  throw error_at_record("address " + hexadecimal(address) +
                        " is not canonical, expected bits 63 to 47 " + "all equal" +
                        (arch::is_canonical(address, 57) ? ": the guest has 4-level paging" : ""));
}

void RunningProgram::find_stale_use(const mmu::Request& request, const mmu::TlbEntry& entry,
                                    std::uint64_t number) {
  const auto use = mmu::find_stale_use(*context_, request, entry, work_.memory);
  if (!use) return;
  StaleAccesses& stale = counted_.stale;
  ++(use->in_ept ? stale.ept : stale.guest);
  if (stale.first.size() == kStaleAccesses) return;
  stale.first.push_back({.number = number,
                         .address = request.address,
                         .kind = request.access,
                         .eptp = context_->raw.eptp,
                         .use = *use});
}

void RunningProgram::count_walk(const mmu::WalkTransaction& walk, std::uint64_t ip) {
  work_.after_walk();
  const std::uint64_t cycles = walk.response.cycles;
  counted_.pages.add(walk.request.request.address & ~(kTranslatedPage - 1), cycles);
  if (ip != 0) counted_.instruction_addresses.add(ip, cycles);
}

mmu::Outcome RunningProgram::translate_at_once(const mmu::Request& request) {
  mmu::Outcome outcome = mmu::translate(*context_, request, work_.memory).outcome;
  port_.fill(*context_, request, outcome);
  return outcome;
}

void RunningProgram::serve(const mmu::Request& request, const mmu::Outcome& outcome,
                           mmu::Cycle& cycle) {
  software_.serve(asid_, request, outcome);
  account_for_software(cycle);
}

/// Events between accesses, as far as a machine of one core and guests without PCIDs can have them:
/// each removes what the SDM asks, no more. The trace's CR4, VPIDs and EPTPs are those of the
/// machine that it was recorded on.
void RunningProgram::act(const Record& record, mmu::Cycle& cycle) {
  namespace invalidation = mmu::invalidation;
  ++counted_.events;
  switch (record.kind) {
    case RecordKind::kSwitch: enter(record, cycle); return;
    case RecordKind::kMapChange:
      if (!is_current(record)) enter(record, cycle);
      software_.unmap(asid_, record.address);
      invlpg(record.address, cycle);
      return;
    case RecordKind::kInvlpg:
      if (!is_current(record)) enter(record, cycle);
      invlpg(record.address, cycle);
      return;
    default: break;
  }
  if (context_ == nullptr) return;  // nothing can be cached yet
  const mmu::CurrentTags current = current_tags(*context_);
  switch (record.kind) {
    case RecordKind::kMovCr3:
      software_.intercept_cr_access();
      account_for_software(cycle);
      port_.invalidate(invalidation::mov_to_cr3(current, context_->raw.cr3, false), cycle);
      return;
    case RecordKind::kMovCr4: {
      // Which bits changed isn't told: as if one had that removes all.
      const std::uint64_t cr4 = context_->raw.cr4;
      software_.intercept_cr_access();
      account_for_software(cycle);
      port_.invalidate(invalidation::mov_to_cr4(current, cr4, cr4 ^ arch::cr4::kPge.mask()), cycle);
      return;
    }
    case RecordKind::kInvpcid: invpcid(record, cycle); return;
    case RecordKind::kInvvpid: invvpid(record, cycle); return;
    default: port_.invalidate(invalidation::invept(mmu::InveptType::kAll, 0), cycle); return;
  }
}

void RunningProgram::invlpg(std::uint64_t linear, mmu::Cycle& cycle) {
  software_.intercept_invlpg();
  account_for_software(cycle);
  port_.invalidate(mmu::invalidation::invlpg(current_tags(*context_), linear), cycle);
}

/// A type for one address space concerns the current one, or one that nothing is cached of. One
/// that doesn't exist made the instruction fail, here as below.
void RunningProgram::invpcid(const Record& record, mmu::Cycle& cycle) {
  software_.intercept_invlpg();
  account_for_software(cycle);
  if (record.size > kLastType) return;
  const auto type = static_cast<mmu::InvpcidType>(record.size);
  const bool one_space = type == mmu::InvpcidType::kAddress || type == mmu::InvpcidType::kSingle;
  if (one_space && !is_current(record)) return;
  port_.invalidate(mmu::invalidation::invpcid(current_tags(*context_), type, 0, record.address),
                   cycle);
}

/// There is one virtual machine; on a native machine nothing has its tag.
void RunningProgram::invvpid(const Record& record, mmu::Cycle cycle) {
  const std::uint16_t vpid = context_->raw.vpid;
  if (record.size > kLastType || vpid == 0) return;
  const auto type = static_cast<mmu::InvvpidType>(record.size);
  port_.invalidate(mmu::invalidation::invvpid(type, vpid, record.address), cycle);
}

void RunningProgram::enter(const Record& record, mmu::Cycle& cycle) {
  if (context_ == nullptr) {
    vcpu_ = record.vcpu;
    vm_ = record.vm;
  } else if (record.vcpu != vcpu_ || record.vm != vm_) {
    throw error_at_record("a second virtual CPU or machine (VM " + std::to_string(record.vm) +
                          ", vCPU " + std::to_string(record.vcpu) +
                          "), expected one: this version simulates one core");
  } else {
    software_.intercept_cr_access();
    port_.invalidate(
        mmu::invalidation::mov_to_cr3(current_tags(*context_), context_->raw.cr3, false), cycle);
  }
  asid_ = record.asid;
  context_ = &software_.context(asid_);
  account_for_software(cycle);
  port_.use(*context_);
}

/// Lets what the software has just done cost its cycles, and carries out what it owes.
void RunningProgram::account_for_software(mmu::Cycle& cycle) {
  const std::uint64_t exits = software_.ept_violations() - exits_accounted_;
  exits_accounted_ += exits;
  counted_.ept_violations += exits;
  const ShadowExits shadow = software_.shadow_exits() - shadow_accounted_;
  shadow_accounted_ += shadow;
  counted_.shadow_exits += shadow;
  pass_exits(exits + shadow.sum(), cycle);
  counted_.page_faults += software_.page_faults() - faults_accounted_;
  faults_accounted_ = software_.page_faults();
  counted_.protected_writes += software_.protected_writes() - protected_writes_accounted_;
  protected_writes_accounted_ = software_.protected_writes();
  port_.invalidate(software_.take_owed_invalidation(), cycle);
}

void RunningProgram::pass_exits(std::uint64_t exits, mmu::Cycle& cycle) {
  const Machine& machine = work_.settings.machine;
  const std::uint64_t cycles =
      exits * (std::uint64_t{machine.exit_cycles} + machine.handler_cycles);
  counted_.cycles_by.exits += cycles;
  cycle += cycles;
}

/// The hypervisor's turn: something made it run, which costs what any exit does.
void RunningProgram::write_protect(mmu::Cycle& cycle) {
  if (!software_.write_protect()) return;
  ++counted_.write_protections;
  pass_exits(1, cycle);
  account_for_software(cycle);
}

bool RunningProgram::begin() {
  if (work_.settings.warmup == 0) end_warmup(0);
  set_next_milestone();
  return work_.settings.limit != 0u;
}

bool RunningProgram::reach_milestone(mmu::Cycle& cycle) {
  if (!warm_ && translated_ == work_.settings.warmup) end_warmup(cycle);
  if (warm_ && counted_.accesses == work_.settings.limit) return false;
  if (warm_ && counted_.accesses == intervals_.next_end()) intervals_.end(total());
  const std::uint64_t interval = work_.settings.machine.protect_interval;
  if (interval != 0 && translated_ % interval == 0) write_protect(cycle);
  if (work_.progress && translated_ % kProgressInterval == 0) work_.progress(translated_);
  set_next_milestone();
  return true;
}

Interval RunningProgram::total() const {
  Interval total{.accesses = counted_.accesses,
                 .instructions = counted_.instructions,
                 .cycles = counted_.cycles_by.sum(),
                 .translation_cycles = counted_.cycles_by.translation,
                 .exit_cycles = counted_.cycles_by.exits};
  work_.count_units(total);
  return total;
}

void RunningProgram::set_next_milestone() {
  next_stop_ = kNoStop;
  if (const std::uint64_t interval = work_.settings.machine.protect_interval; interval != 0) {
    next_stop_ = (translated_ / interval + 1) * interval;
  }
  if (!warm_) {
    next_stop_ = std::min(next_stop_, work_.settings.warmup);
  } else if (work_.settings.limit) {
    const std::uint64_t left = *work_.settings.limit - counted_.accesses;
    if (left < next_stop_ - translated_) next_stop_ = translated_ + left;
  }
  next_milestone_ = std::min(next_stop_, (translated_ / kProgressInterval + 1) * kProgressInterval);
  if (warm_) {
    next_milestone_ =
        std::min(next_milestone_, translated_ + (intervals_.next_end() - counted_.accesses));
  }
}

void RunningProgram::end_warmup(mmu::Cycle cycle) {
  warm_ = true;
  warm_since_ = cycle;
  counted_ = {};
  port_.reset_counters();
  work_.reset_counters();
}

InputError RunningProgram::error_at_record(const std::string& problem) const {
  const std::string record = "record " + std::to_string(records_);
  const std::string& trace = work_.settings.trace_name;
  return {trace.empty() ? record : trace + ": " + record, problem};
}

void RunningProgram::report(RunResult& result, mmu::Cycle now) const {
  result.partial = partial_;
  result.translated = translated_;
  if (!warm_) return;
  result.accesses = counted_.accesses;
  result.instructions = counted_.instructions;
  result.events = counted_.events;
  result.cycles = now - warm_since_;
  result.replayed = counted_.replayed;
  result.cycles_by = counted_.cycles_by;
  result.guest_page_faults = counted_.page_faults;
  result.ept_violations = counted_.ept_violations;
  result.shadow_exits = counted_.shadow_exits;
  result.write_protections = counted_.write_protections;
  result.protected_writes = counted_.protected_writes;
  result.timeline = intervals_.up_to(total());
  result.stale = counted_.stale;
  result.walk_queue = port_.counters();
  result.hot_pages = counted_.pages.top(kHotSpots);
  result.hot_instructions = counted_.instruction_addresses.top(kHotSpots);
}

}  // namespace eptsim::sim
