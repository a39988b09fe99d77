// Events of a trace: what the program's system and its hypervisor did to translations.

#include <optional>

#include "ept/arch/registers.hpp"
#include "sim/run/running_program.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint16_t kLastType = 3;  // of INVPCID and of INVVPID

}  // namespace

/// Events between accesses: each removes what the SDM asks, no more. The trace's PCIDs, CR4, VPIDs
/// and EPTPs are those of the machine that it was recorded on.
void RunningProgram::act(const Record& record, mmu::Cycle& cycle) {
  namespace invalidation = mmu::invalidation;
  ++counted_.events;
  ++changes_;
  switch (record.kind) {
    case RecordKind::kSwitch: enter(record, cycle); return;
    case RecordKind::kMapChange:
      if (!is_current(record)) enter(record, cycle);
      vcpu_->machine.software.unmap(asid_, record.address);
      invlpg(record.address, cycle);
      return;
    case RecordKind::kInvlpg:
      if (!is_current(record)) enter(record, cycle);
      invlpg(record.address, cycle);
      return;
    default: break;
  }
  if (context_ == nullptr) return;  // nothing can be cached yet
  const mmu::CurrentTags current = tags();
  switch (record.kind) {
    case RecordKind::kMovCr3:
      vcpu_->machine.software.intercept_cr_access();
      account_for_software(cycle);
      port_.invalidate(reload_cr3(), cycle);
      return;
    case RecordKind::kMovCr4: {
      // Which bits changed isn't told: as if one had that removes all.
      const std::uint64_t cr4 = context_->raw.cr4;
      vcpu_->machine.software.intercept_cr_access();
      account_for_software(cycle);
      port_.invalidate(invalidation::mov_to_cr4(current, cr4, cr4 ^ arch::cr4::kPge.mask()), cycle);
      return;
    }
    case RecordKind::kInvpcid: invpcid(record, cycle); return;
    case RecordKind::kInvvpid: invvpid(record, cycle); return;
    default: port_.invalidate(invalidation::invept(mmu::InveptType::kAll, 0), cycle); return;
  }
}

/// INVLPG, here and on every other vCPU that is in the address space: no operating system has just
/// one of them forget a page.
void RunningProgram::invlpg(std::uint64_t linear, mmu::Cycle& cycle) {
  vcpu_->machine.software.intercept_invlpg();
  account_for_software(cycle);
  port_.invalidate(mmu::invalidation::invlpg(tags(), linear), cycle);
  shoot_down_page(linear, cycle);
}

/// A type for one address space concerns the current one, one that has a PCID, or one that nothing
/// is cached of. A type that doesn't exist made the instruction fail, here as below.
void RunningProgram::invpcid(const Record& record, mmu::Cycle& cycle) {
  vcpu_->machine.software.intercept_invlpg();
  account_for_software(cycle);
  if (record.size > kLastType) return;
  const auto type = static_cast<mmu::InvpcidType>(record.size);
  const bool one_space = type == mmu::InvpcidType::kAddress || type == mmu::InvpcidType::kSingle;
  std::optional<std::uint16_t> pcid = tags().pcid;
  if (one_space && !is_current(record)) {
    pcid = is_running(record) ? pcids().of(space(record.asid)) : std::nullopt;
  }
  if (!pcid) return;
  port_.invalidate(mmu::invalidation::invpcid(tags(), type, *pcid, record.address), cycle);
}

/// The trace's VPID is taken for the current one; on a native machine nothing has its tag.
void RunningProgram::invvpid(const Record& record, mmu::Cycle cycle) {
  const std::uint16_t vpid = context_->raw.vpid;
  if (record.size > kLastType || vpid == 0) return;
  const auto type = static_cast<mmu::InvvpidType>(record.size);
  port_.invalidate(mmu::invalidation::invvpid(type, vpid, record.address), cycle);
}

}  // namespace eptsim::sim
