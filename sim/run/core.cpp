#include "sim/run/core.hpp"

#include <algorithm>
#include <utility>

#include "ept/arch/address.hpp"
#include "ept/arch/registers.hpp"
#include "sim/run/hexadecimal.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kBatch = 4096;                     // records read at a time
constexpr std::uint64_t kProgressInterval = 1ull << 16;  // accesses
constexpr std::uint64_t kPage = 4096;                    // an access across its boundary is two
constexpr std::uint16_t kLastType = 3;                   // of INVPCID and of INVVPID
constexpr unsigned kLinearBits = 48;                     // the guest has 4-level paging
constexpr std::size_t kStackBytes = 1u << 20;            // trace decoders run on it

arch::AccessKind access_kind(RecordKind kind) {
  switch (kind) {
    case RecordKind::kWrite: return arch::AccessKind::kWrite;
    case RecordKind::kModify: return arch::AccessKind::kReadModifyWrite;
    case RecordKind::kFetch: return arch::AccessKind::kFetch;
    default: return arch::AccessKind::kRead;
  }
}

}  // namespace

Core::Core(const sc_core::sc_module_name& name, const mmu::Timeline& timeline, mmu::MmuModule& unit,
           SystemSoftware& software, CoreWork work)
    : sc_module(name),
      timeline_(timeline),
      software_(software),
      work_(std::move(work)),
      port_("port", timeline, unit) {
  SC_HAS_PROCESS(Core);
  SC_THREAD(run);
  set_stack_size(kStackBytes);
}

// The kernel would turn an exception into a report of its own, so it is carried out by hand.
void Core::run() {
  try {
    run_trace();
  } catch (const sc_core::sc_unwind_exception&) {
    throw;
  } catch (...) {
    exception_ = std::current_exception();
  }
  finished_ = true;
}

void Core::run_trace() {
  if (work_.settings.warmup == 0) end_warmup();
  set_next_milestone();
  if (work_.settings.limit == 0u) return;
  std::vector<Record> batch(kBatch);
  while (const std::size_t count = work_.trace.read(batch)) {
    for (std::size_t i = 0; i < count; ++i) {
      ++records_;
      if (!run_record(batch[i])) return;
    }
  }
}

/// Whether the run goes on.
bool Core::run_record(const Record& record) {
  if (work_.stop.load(std::memory_order_relaxed)) [[unlikely]] {
    partial_ = true;
    return false;
  }
  cycle_ += record.instructions;
  counted_.instructions += record.instructions;
  if (is_access(record.kind)) [[likely]] {
    if (record.kind == RecordKind::kFetch && !work_.settings.fetch) return true;
    return access(record);
  }
  act(record);
  return true;
}

bool Core::access(const Record& record) {
  if (!is_current(record)) [[unlikely]]
    enter(record);
  mmu::Request request{.address = record.address, .access = access_kind(record.kind), .user = true};
  const std::uint64_t ip = record.ip;
  const std::uint64_t size = std::max<std::uint64_t>(record.size, 1);
  const std::uint64_t offset = record.address & (kPage - 1);
  if (offset + size <= kPage) [[likely]]
    return translate(request, ip);
  // Every page by itself, the lowest first. At the top of the address space it goes on at 0.
  for (std::uint64_t begin = 0; begin < offset + size; begin += kPage) {
    if (!translate(request, ip)) return false;
    request.address = (request.address & ~(kPage - 1)) + kPage;
  }
  return true;
}

bool Core::translate(const mmu::Request& request, std::uint64_t ip) {
  if (!arch::is_canonical(request.address, kLinearBits)) [[unlikely]] {
    throw error_at_record(
        "address " + hexadecimal(request.address) + " is not canonical, expected bits 63 to 47 " +
        "all equal" +
        (arch::is_canonical(request.address, 57) ? ": the guest has 4-level paging" : ""));
  }
  timeline_.keep_pace(cycle_);
  for (;;) {
    const mmu::TlbHit hit = port_.lookup(request);
    cycle_ += hit.cycles;
    counted_.translation_cycles += hit.cycles;
    if (hit) [[likely]] {
      if (work_.settings.machine.stale_check) check_use(request, *hit.entry);
      break;
    }
    if (walk(request, ip)) break;
    // A fault was served: the instruction begins anew.
  }
  ++counted_.accesses;
  return ++translated_ != next_milestone_ || reach_milestone();
}

/// Counts the use of `entry`, of a TLB or just walked for, if memory says otherwise.
void Core::check_use(const mmu::Request& request, const mmu::TlbEntry& entry) {
  const auto use = mmu::find_stale_use(*context_, request, entry, work_.memory);
  if (!use) return;
  StaleAccesses& stale = counted_.stale;
  ++(use->in_ept ? stale.ept : stale.guest);
  if (stale.first.size() == kStaleAccesses) return;
  stale.first.push_back({.number = translated_ + 1,
                         .address = request.address,
                         .kind = request.access,
                         .eptp = context_->raw.eptp,
                         .use = *use});
}

/// Whether the walk translated. A fault was served otherwise.
bool Core::walk(const mmu::Request& request, std::uint64_t ip) {
  const mmu::WalkTransaction& walk = port_.walk(*context_, request, cycle_);
  counted_.translation_cycles += walk.answered + 1 - cycle_;
  cycle_ = walk.answered + 1;
  work_.after_walk();
  counted_.pages.add(request.address & ~(kPage - 1), walk.response.cycles);
  if (ip != 0) counted_.instruction_addresses.add(ip, walk.response.cycles);
  const mmu::Outcome& outcome = walk.response.outcome;
  if (outcome.kind == mmu::OutcomeKind::kTranslated) {
    // The walk may have gone through structure caches that are stale.
    if (work_.settings.machine.stale_check) {
      check_use(request, mmu::make_tlb_entry(*context_, outcome));
    }
    return true;
  }
  software_.serve(asid_, request, outcome);
  account_for_software();
  return false;
}

/// Events between accesses, as far as a machine of one core and guests without PCIDs can have them:
/// each removes what the SDM asks, no more. The trace's CR4, VPIDs and EPTPs are those of the
/// machine that it was recorded on.
void Core::act(const Record& record) {
  namespace invalidation = mmu::invalidation;
  ++counted_.events;
  switch (record.kind) {
    case RecordKind::kSwitch: enter(record); return;
    case RecordKind::kMapChange:
      if (!is_current(record)) enter(record);
      software_.unmap(asid_, record.address);
      invalidate(invalidation::invlpg(current_tags(*context_), record.address));
      return;
    case RecordKind::kInvlpg:
      if (!is_current(record)) enter(record);
      invalidate(invalidation::invlpg(current_tags(*context_), record.address));
      return;
    default: break;
  }
  if (context_ == nullptr) return;  // nothing can be cached yet
  const mmu::CurrentTags current = current_tags(*context_);
  switch (record.kind) {
    case RecordKind::kMovCr3:
      invalidate(invalidation::mov_to_cr3(current, context_->raw.cr3, false));
      return;
    case RecordKind::kMovCr4: {
      // Which bits changed isn't told: as if one had that removes all.
      const std::uint64_t cr4 = context_->raw.cr4;
      invalidate(invalidation::mov_to_cr4(current, cr4, cr4 ^ arch::cr4::kPge.mask()));
      return;
    }
    case RecordKind::kInvpcid: invpcid(record); return;
    case RecordKind::kInvvpid: invvpid(record); return;
    default: invalidate(invalidation::invept(mmu::InveptType::kAll, 0)); return;
  }
}

/// A type for one address space concerns the current one, or one that nothing is cached of. One
/// that doesn't exist made the instruction fail, here as below.
void Core::invpcid(const Record& record) {
  if (record.size > kLastType) return;
  const auto type = static_cast<mmu::InvpcidType>(record.size);
  const bool one_space = type == mmu::InvpcidType::kAddress || type == mmu::InvpcidType::kSingle;
  if (one_space && !is_current(record)) return;
  invalidate(mmu::invalidation::invpcid(current_tags(*context_), type, 0, record.address));
}

/// There is one virtual machine; on a native machine nothing has its tag.
void Core::invvpid(const Record& record) {
  const std::uint16_t vpid = context_->raw.vpid;
  if (record.size > kLastType || vpid == 0) return;
  invalidate(
      mmu::invalidation::invvpid(static_cast<mmu::InvvpidType>(record.size), vpid, record.address));
}

/// MOV CR3 to the address space of `record`, which removes the old one's translations: there are no
/// PCIDs.
void Core::enter(const Record& record) {
  if (context_ == nullptr) {
    vcpu_ = record.vcpu;
    vm_ = record.vm;
  } else if (record.vcpu != vcpu_ || record.vm != vm_) {
    throw error_at_record("a second virtual CPU or machine (VM " + std::to_string(record.vm) +
                          ", vCPU " + std::to_string(record.vcpu) +
                          "), expected one: this version simulates one core");
  } else {
    invalidate(mmu::invalidation::mov_to_cr3(current_tags(*context_), context_->raw.cr3, false));
  }
  asid_ = record.asid;
  context_ = &software_.context(asid_);
  account_for_software();
  port_.use(*context_);
}

/// Lets what the software has just done cost its cycles, and carries out what it owes.
void Core::account_for_software() {
  const std::uint64_t exits = software_.ept_violations() - exits_accounted_;
  const Machine& machine = work_.settings.machine;
  const std::uint64_t cycles =
      exits * (std::uint64_t{machine.exit_cycles} + machine.handler_cycles);
  exits_accounted_ += exits;
  counted_.ept_violations += exits;
  counted_.exit_cycles += cycles;
  cycle_ += cycles;
  counted_.page_faults += software_.page_faults() - faults_accounted_;
  faults_accounted_ = software_.page_faults();
  counted_.protected_writes += software_.protected_writes() - protected_writes_accounted_;
  protected_writes_accounted_ = software_.protected_writes();
  invalidate(software_.take_owed_invalidation());
}

/// The hypervisor's turn: something made it run, which costs what any exit does.
void Core::write_protect() {
  if (!software_.write_protect()) return;
  const Machine& machine = work_.settings.machine;
  const std::uint64_t cycles = std::uint64_t{machine.exit_cycles} + machine.handler_cycles;
  ++counted_.write_protections;
  counted_.exit_cycles += cycles;
  cycle_ += cycles;
  account_for_software();
}

/// Does what is due after this many accesses. Returns whether the run goes on.
bool Core::reach_milestone() {
  if (!warm_ && translated_ == work_.settings.warmup) end_warmup();
  if (warm_ && counted_.accesses == work_.settings.limit) return false;
  const std::uint64_t interval = work_.settings.machine.protect_interval;
  if (interval != 0 && translated_ % interval == 0) write_protect();
  if (work_.progress && translated_ % kProgressInterval == 0) work_.progress(translated_);
  set_next_milestone();
  return true;
}

void Core::set_next_milestone() {
  next_milestone_ = (translated_ / kProgressInterval + 1) * kProgressInterval;
  if (const std::uint64_t interval = work_.settings.machine.protect_interval; interval != 0) {
    next_milestone_ = std::min(next_milestone_, (translated_ / interval + 1) * interval);
  }
  if (!warm_) {
    next_milestone_ = std::min(next_milestone_, work_.settings.warmup);
  } else if (work_.settings.limit) {
    const std::uint64_t left = *work_.settings.limit - counted_.accesses;
    if (left < next_milestone_ - translated_) next_milestone_ = translated_ + left;
  }
}

void Core::end_warmup() {
  warm_ = true;
  counted_ = {};
  work_.reset_counters();
}

InputError Core::error_at_record(const std::string& problem) const {
  const std::string record = "record " + std::to_string(records_);
  const std::string& trace = work_.settings.trace_name;
  return {trace.empty() ? record : trace + ": " + record, problem};
}

void Core::report(RunResult& result) const {
  result.partial = partial_ || !finished_ || exception_ != nullptr;
  result.translated = translated_;
  if (!warm_) return;
  result.accesses = counted_.accesses;
  result.instructions = counted_.instructions;
  result.events = counted_.events;
  result.cycles = counted_.instructions + counted_.translation_cycles + counted_.exit_cycles;
  result.translation_cycles = counted_.translation_cycles;
  result.guest_page_faults = counted_.page_faults;
  result.ept_violations = counted_.ept_violations;
  result.exit_cycles = counted_.exit_cycles;
  result.write_protections = counted_.write_protections;
  result.protected_writes = counted_.protected_writes;
  result.stale = counted_.stale;
  result.hot_pages = counted_.pages.top(kHotSpots);
  result.hot_instructions = counted_.instruction_addresses.top(kHotSpots);
}

}  // namespace eptsim::sim
