#include "sim/run/system_software.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "ept/arch/fault.hpp"
#include "sim/run/hexadecimal.hpp"

namespace eptsim::sim {
namespace {

/// What an EPT of 4 levels reaches.
constexpr unsigned kGuestPhysicalBits = 48;

std::uint64_t checked_memory(const Machine& machine) {
  const mmu::MachineSettings& hardware = machine.hardware;
  if (hardware.dram_bytes > std::uint64_t{1} << hardware.maxphyaddr) {
    throw InputError("dram.bytes", "memory of " + std::to_string(hardware.dram_bytes) +
                                       " bytes does not fit physical addresses of " +
                                       std::to_string(hardware.maxphyaddr) +
                                       " bits, expected at most 2^cpu.maxphyaddr");
  }
  return hardware.dram_bytes;
}

}  // namespace

SystemSoftware::SystemSoftware(mmu::Dram& memory, const Machine& machine, Mode mode)
    : maxphyaddr_(machine.hardware.maxphyaddr),
      invalidates_(machine.invalidate),
      host_frames_(checked_memory(machine)) {
  if (mode == Mode::kNative) {
    guest_ =
        std::make_unique<Guest>(memory, identity_, host_frames_, maxphyaddr_, machine.guest_page);
    return;
  }
  guest_frames_.emplace(std::min(host_frames_.bytes(), std::uint64_t{1} << kGuestPhysicalBits));
  hypervisor_ = std::make_unique<Hypervisor>(memory, host_frames_, maxphyaddr_, machine.ept_page);
  guest_ = std::make_unique<Guest>(memory, *hypervisor_, *guest_frames_, maxphyaddr_,
                                   machine.guest_page);
}

const mmu::WalkContext& SystemSoftware::context(std::uint16_t asid) {
  if (const auto known = contexts_.find(asid); known != contexts_.end()) return known->second;
  const ept::GuestState state = guest_->state(asid);
  mmu::Context context;
  context.ept_enabled = hypervisor_ != nullptr;
  if (hypervisor_) context.eptp = hypervisor_->eptp();
  context.cr0 = state.cr0;
  context.cr3 = state.cr3;
  context.cr4 = state.cr4;
  context.efer = state.efer;
  context.vpid = hypervisor_ ? 1 : 0;
  context.cpu.maxphyaddr = maxphyaddr_;
  if (const auto error = mmu::check(context)) throw InputError(error->key, error->text);
  return contexts_.emplace(asid, context).first->second;
}

void SystemSoftware::serve(std::uint16_t asid, const mmu::Request& request,
                           const mmu::Outcome& outcome) {
  switch (outcome.kind) {
    case mmu::OutcomeKind::kPageFault:
      if (!arch::error_code::kPresent.any(outcome.error_code)) {
        ++page_faults_;
        guest_->handle_page_fault(asid, request.address, arch::is_write(request.access));
        return;
      }
      break;
    case mmu::OutcomeKind::kEptViolation:
      hypervisor_->handle_violation(arch::Gpa(outcome.gpa));
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
  guest_->unmap(asid, linear);
}

bool SystemSoftware::write_protect() {
  if (hypervisor_) hypervisor_->write_protect();
  return hypervisor_ != nullptr;
}

mmu::InvalidationScopes SystemSoftware::take_owed_invalidation() {
  if (!hypervisor_) return {};
  const bool owed = hypervisor_->pending().needs_invept();
  hypervisor_->complete();
  if (!owed || !invalidates_) return {};
  return mmu::invalidation::invept(mmu::InveptType::kSingle, hypervisor_->eptp());
}

// In nested mode the guest's tables lie in backed memory too.
std::uint64_t SystemSoftware::page_bytes() const {
  return hypervisor_ ? hypervisor_->mapped_bytes() - guest_->table_bytes() : guest_->page_bytes();
}

}  // namespace eptsim::sim
