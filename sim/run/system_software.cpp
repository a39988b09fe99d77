#include "sim/run/system_software.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "ept/arch/fault.hpp"
#include "ept/arch/registers.hpp"
#include "sim/run/hexadecimal.hpp"
#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {
namespace {

/// Of a page-modification log, which is filled from the last on.
constexpr std::uint16_t kLastLogIndex = 511;
/// So that guest and host are broken in different places.
constexpr std::uint64_t kOfGuest = 1ull << 32;

Fragmentation host_fragmentation(const Machine& machine, Mode mode) {
  return {.percent = mode == Mode::kNative ? machine.guest_fragmentation
                                           : machine.hypervisor_fragmentation,
          .seed = machine.hardware.seed};
}

void require_merging_possible(const Machine& machine, Mode mode) {
  if (machine.hypervisor_merge.interval == 0 || mode == Mode::kNested) return;
  throw InputError("hypervisor.merge_interval",
                   mode == Mode::kNative
                       ? "without a hypervisor there is nothing to merge, expected 0 with --mode "
                         "native"
                       : "this version merges no pages below shadow tables, expected 0 with --mode "
                         "shadow");
}

void require_dirty_log_possible(const Machine& machine, Mode mode) {
  if (machine.dirty_log.tracking == DirtyTracking::kOff) return;
  if (mode == Mode::kNative) {
    throw InputError("hypervisor.dirty_log",
                     "without a hypervisor there is no dirty logging, expected off with --mode "
                     "native");
  }
  if (mode == Mode::kShadow) {
    throw InputError("hypervisor.dirty_log",
                     "this version write-protects no shadow tables, expected off with --mode "
                     "shadow");
  }
  if (machine.ideal_tlb && machine.dirty_log.tracking == DirtyTracking::kPml) {
    throw InputError("hypervisor.dirty_log",
                     "a page-modification log is written by walks, which tlb.ideal has none of, "
                     "expected off or write_protect");
  }
}

}  // namespace

PhysicalFrames host_memory(const Machine& machine, Mode mode, const PageLists& lists) {
  const mmu::MachineSettings& hardware = machine.hardware;
  if (hardware.dram_bytes > std::uint64_t{1} << hardware.maxphyaddr) {
    throw InputError("dram.bytes", "memory of " + std::to_string(hardware.dram_bytes) +
                                       " bytes does not fit physical addresses of " +
                                       std::to_string(hardware.maxphyaddr) +
                                       " bits, expected at most 2^cpu.maxphyaddr");
  }
  PhysicalFrames frames(hardware.dram_bytes, host_fragmentation(machine, mode));
  frames.reserve(frames_of(mode == Mode::kNative ? lists.guest : lists.host));
  return frames;
}

SystemSoftware::SystemSoftware(mmu::Dram& memory, PhysicalFrames& host_frames,
                               const Machine& machine, Mode mode, LinearAreas areas,
                               const PageLists& lists)
    : memory_(memory),
      host_frames_(host_frames),
      maxphyaddr_(machine.hardware.maxphyaddr),
      invalidates_(machine.invalidate),
      dirty_rounds_(machine.dirty_log.rounds) {
  require_merging_possible(machine, mode);
  require_dirty_log_possible(machine, mode);
  if (mode == Mode::kNative) {
    guest_ = std::make_unique<Guest>(memory, identity_, host_frames, maxphyaddr_,
                                     machine.guest_page, machine.guest_merge, std::move(areas));
    guest_->map(lists.guest);
    return;
  }
  guest_frames_.emplace(
      std::min(host_frames.bytes(), kMostGuestMemory),
      Fragmentation{machine.guest_fragmentation, machine.hardware.seed + kOfGuest});
  guest_frames_->reserve(frames_of(lists.guest));
  hypervisor_ =
      std::make_unique<Hypervisor>(memory, host_frames, maxphyaddr_, machine.ept_page,
                                   machine.hypervisor_merge, machine.dirty_log, lists.host);
  guest_ = std::make_unique<Guest>(memory, *hypervisor_, *guest_frames_, maxphyaddr_,
                                   machine.guest_page, machine.guest_merge, std::move(areas));
  guest_->map(lists.guest);
  if (mode == Mode::kShadow) shadow_.emplace(memory, *hypervisor_, host_frames, maxphyaddr_);
}

PageLists SystemSoftware::lists() const {
  return {.guest = guest_->list(), .host = hypervisor_ ? hypervisor_->list() : PageList{}};
}

const mmu::WalkContext& SystemSoftware::context(std::uint16_t asid, std::uint16_t vpid,
                                                std::uint16_t vcpu, std::uint16_t pcid) {
  const auto found = contexts_.find({asid, vcpu, pcid});
  if (found != contexts_.end()) return found->second;
  mmu::Context context =
      shadow_ || !hypervisor_ ? registers(asid, vpid) : registers_in_ept(asid, vpid);
  if (shadow_) context.cr3 = shadow_->root(asid).value();
  if (pcid != 0) {
    context.cr4 |= arch::cr4::kPcide.mask();
    context.cr3 |= pcid;
  }
  if (uses_pml()) {
    context.pml_address = log(vcpu).page.value();
    context.controls.pml = log(vcpu).enabled;
  }
  return add(contexts_, {asid, vcpu, pcid}, context);
}

/// Software walks have no tags.
const mmu::WalkContext& SystemSoftware::guest_context(std::uint16_t asid) {
  const auto found = guest_contexts_.find({.asid = asid});
  if (found != guest_contexts_.end()) return found->second;
  return add(guest_contexts_, {.asid = asid}, registers_in_ept(asid, 0));
}

mmu::Context SystemSoftware::registers_in_ept(std::uint16_t asid, std::uint16_t vpid) {
  mmu::Context context = registers(asid, vpid);
  context.ept_enabled = true;
  context.eptp = hypervisor_->eptp();
  return context;
}

mmu::Context SystemSoftware::registers(std::uint16_t asid, std::uint16_t vpid) {
  const ept::GuestState state = guest_->state(asid);
  mmu::Context context;
  context.cr0 = state.cr0;
  context.cr3 = state.cr3;
  context.cr4 = state.cr4;
  context.efer = state.efer;
  context.vpid = vpid;
  context.cpu.maxphyaddr = maxphyaddr_;
  return context;
}

const mmu::WalkContext& SystemSoftware::add(Contexts& contexts, Contexts::key_type key,
                                            const mmu::Context& context) {
  if (const auto error = mmu::check(context)) throw InputError(error->key, error->text);
  return contexts.emplace(key, context).first->second;
}

void SystemSoftware::serve(std::uint16_t asid, const mmu::Request& request,
                           const mmu::Outcome& outcome) {
  switch (outcome.kind) {
    case mmu::OutcomeKind::kPageFault: {
      std::uint32_t error_code = outcome.error_code;
      if (shadow_) {
        ++shadow_exits_.page_faults;
        const auto injected = shadow_->handle_page_fault(asid, guest_context(asid), request);
        if (!injected) return;
        error_code = *injected;
      }
      if (arch::error_code::kPresent.any(error_code)) break;
      ++page_faults_;
      guest_->handle_page_fault(asid, request.address, arch::is_write(request.access));
      count_table_write();
      return;
    }
    case mmu::OutcomeKind::kEptViolation:
      hypervisor_->handle_violation(arch::Gpa(outcome.gpa),
                                    arch::qualification::kWrite.any(outcome.qualification));
      return;
    default: break;
  }
  throw std::logic_error("a walk of linear address " + hexadecimal(request.address) +
                         " ended as no walk of these " + "tables can: outcome " +
                         std::to_string(static_cast<int>(outcome.kind)) + ", reason " +
                         std::to_string(static_cast<int>(outcome.reason)) + ", guest level " +
                         std::to_string(outcome.place.guest_level) + ", EPT level " +
                         std::to_string(outcome.place.ept_level) + ", entry " +
                         hexadecimal(outcome.entry) + " at " + hexadecimal(outcome.entry_address));
}

void SystemSoftware::unmap(std::uint16_t asid, std::uint64_t linear) {
  const auto page = guest_->unmap(asid, linear);
  if (!page) return;
  count_table_write();
  if (shadow_) shadow_->forget(asid, *page);
}

bool SystemSoftware::begin_guest_merge(std::size_t& looks) {
  if (!guest_->begin_merge(looks)) return false;
  count_table_write();
  if (shadow_) shadow_->forget_table(guest_->merge()->asid, guest_->merge()->begin);
  return true;
}

void SystemSoftware::finish_guest_merge() {
  guest_->finish_merge();
  count_table_write();
  if (shadow_) shadow_->free_tables();
}

bool SystemSoftware::is_being_merged(std::uint16_t asid, const mmu::Request& request,
                                     const mmu::Outcome& outcome) const {
  switch (outcome.kind) {
    case mmu::OutcomeKind::kPageFault: return guest_->is_being_merged(asid, request.address);
    case mmu::OutcomeKind::kEptViolation:
      return hypervisor_->is_being_merged(arch::Gpa(outcome.gpa));
    default: return false;
  }
}

/// One store puts a page, or a table with it, into tables that are in use or takes it out. A new
/// table is filled before: it isn't write-protected then.
void SystemSoftware::count_table_write() {
  if (shadow_) ++shadow_exits_.guest_table_writes;
}

ShadowExits SystemSoftware::shadow_exits() const {
  ShadowExits exits = shadow_exits_;
  if (shadow_) exits.page_faults += hypervisor_->violations();
  return exits;
}

void SystemSoftware::begin_dirty_turn() {
  dirty_turn_begins_logging_ = !hypervisor_->dirty_log().is_on();
  hypervisor_->dirty_log().turn_on();
}

std::optional<std::vector<arch::Gpa>> SystemSoftware::end_dirty_turn() {
  DirtyLog& log = hypervisor_->dirty_log();
  if (dirty_turn_begins_logging_) {
    log.begin();
    return std::nullopt;
  }
  std::vector<arch::Gpa> pages = log.collect();
  if (log.counts().rounds == dirty_rounds_) {
    log.end();
    dirty_logging_over_ = true;
  }
  return pages;
}

SystemSoftware::Log& SystemSoftware::log(std::uint16_t vcpu) {
  const auto found = logs_.find(vcpu);
  if (found != logs_.end()) return found->second;
  const auto frame = host_frames_.take(arch::PageSize::k4K);
  if (!frame) throw out_of_memory(host_frames_, "a page-modification log");
  return logs_.emplace(vcpu, Log{.page = arch::Hpa(*frame), .index = kLastLogIndex}).first->second;
}

std::uint16_t* SystemSoftware::pml_index(std::uint16_t vcpu) {
  return uses_pml() ? &log(vcpu).index : nullptr;
}

std::uint64_t SystemSoftware::handle_log(std::uint16_t vcpu) {
  if (!uses_pml()) return 0;
  Log& of = log(vcpu);
  const auto next = static_cast<std::uint16_t>(of.index + 1);  // 0 of a full one's 0xffff
  for (std::uint64_t entry = next; entry <= kLastLogIndex; ++entry) {
    hypervisor_->dirty_log().add(arch::Gpa(memory_.read64(of.page + 8 * entry)));
  }
  of.index = kLastLogIndex;
  if (of.enabled != hypervisor_->dirty_log().is_on()) {
    of.enabled = !of.enabled;
    for (auto& [key, context] : contexts_) {
      if (key.vcpu != vcpu) continue;
      mmu::Context changed = context.raw;
      changed.controls.pml = of.enabled;
      context = mmu::WalkContext(changed);
    }
  }
  return kLastLogIndex + 1u - next;
}

OwedInvalidation SystemSoftware::take_owed_invalidation() {
  if (!hypervisor_) return {};
  OwedInvalidation owed{.scopes = {}, .pending = hypervisor_->take_pending()};
  if (shadow_) {
    // Of any VPID that the machine's processors have.
    if (shadow_->take_owed() && invalidates_) {
      owed.scopes = mmu::invalidation::invvpid(mmu::InvvpidType::kAll, 0, 0);
    }
  } else if (owed.pending.needs_invept() && invalidates_) {
    owed.scopes = mmu::invalidation::invept(mmu::InveptType::kSingle, hypervisor_->eptp());
  }
  return owed;
}

void SystemSoftware::complete(OwedInvalidation owed) {
  if (hypervisor_) hypervisor_->complete(std::move(owed.pending));
}

// In a virtual machine the guest's tables lie in backed memory too.
std::uint64_t SystemSoftware::page_bytes() const {
  return hypervisor_ ? hypervisor_->mapped().sum() - guest_->table_bytes() : guest_->mapped().sum();
}

}  // namespace eptsim::sim
