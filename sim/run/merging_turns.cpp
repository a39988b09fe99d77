// Merging of small pages by the guest's system and by the hypervisor, as it goes beside the
// program.

#include <algorithm>

#include "sim/run/running_program.hpp"

namespace eptsim::sim {
namespace {

/// No piece twice in a pass.
std::size_t looks_of(const MergeSettings& settings, std::size_t pieces) {
  return settings.pieces == 0 ? pieces : std::min<std::size_t>(settings.pieces, pieces);
}

}  // namespace

/// Turns of either are the first vCPU's of each machine. If one is due while that doesn't run, it
/// comes when it does again.
void RunningProgram::follow_merging(mmu::Cycle& cycle) {
  if (vcpu_ == nullptr || vcpu_ != &vcpu_->machine.vcpus.front()) return;
  const Machine& settings = work_.settings.machine;
  VirtualMachine& machine = vcpu_->machine;
  if (merge_is_due(settings.guest_merge, machine.next_guest_merge)) merge_in_guest(cycle);
  if (merge_is_due(settings.hypervisor_merge, machine.next_hypervisor_merge)) {
    merge_in_hypervisor(cycle);
  }
}

bool RunningProgram::merge_is_due(const MergeSettings& settings, std::uint64_t& next) const {
  const std::uint64_t interval = settings.interval;
  if (interval == 0) return false;
  if (next == 0) next = interval;
  if (translated_ < next) return false;
  next = (translated_ / interval + 1) * interval;
  return true;
}

/// No walk is to go through a table that is taken out, and others are to be where this core is.
void RunningProgram::prepare_merge(mmu::Cycle& cycle) {
  ++changes_;
  take_answers(cycle);
  keep_pace(cycle);
}

/// As khugepaged does it: the table is taken out, its address space flushed wherever it is in use,
/// and the large page mapped once it is filled.
void RunningProgram::merge_in_guest(mmu::Cycle& cycle) {
  const MergeSettings& settings = work_.settings.machine.guest_merge;
  VirtualMachine& machine = vcpu_->machine;
  SystemSoftware& software = machine.software;
  const MergeCounts before = software.guest_merging();
  std::size_t looks = looks_of(settings, software.guest_small_pieces());
  for (prepare_merge(cycle); software.begin_guest_merge(looks); prepare_merge(cycle)) {
    const mmu::Cycle begun = cycle;
    machine.merged = mmu::kNever;
    account_for_software(cycle);
    flush_space(software.guest_merge_space(), cycle);
    software.fill_guest_merge();
    account_for_software(cycle);
    pass(std::uint64_t{kMergedPieces} * settings.page_cycles, cycle);
    keep_pace(cycle);
    software.finish_guest_merge();
    account_for_software(cycle);
    end_merge(cycle);
    counted_.guest_merging.cycles += cycle - begun;
  }
  counted_.guest_merging += software.guest_merging() - before;
}

/// Here too the small pages are gone, and forgotten by all, before they are copied.
void RunningProgram::merge_in_hypervisor(mmu::Cycle& cycle) {
  const MergeSettings& settings = work_.settings.machine.hypervisor_merge;
  VirtualMachine& machine = vcpu_->machine;
  SystemSoftware& software = machine.software;
  const MergeCounts before = software.hypervisor_merging();
  std::size_t looks = looks_of(settings, software.hypervisor_small_pieces());
  for (prepare_merge(cycle); software.begin_hypervisor_merge(looks); prepare_merge(cycle)) {
    const mmu::Cycle begun = cycle;
    machine.merged = mmu::kNever;
    ++counted_.exits.merge;
    pass_exits(1, cycle);
    account_for_software(cycle);
    pass(std::uint64_t{kMergedPieces} * settings.page_cycles, cycle);
    keep_pace(cycle);
    software.finish_hypervisor_merge();
    end_merge(cycle);
    counted_.hypervisor_merging.cycles += cycle - begun;
  }
  counted_.hypervisor_merging += software.hypervisor_merging() - before;
}

void RunningProgram::end_merge(mmu::Cycle cycle) {
  vcpu_->machine.merged = cycle + 1;
  work_.group.wake_others(work_.number, cycle + 1);
}

/// The access is to what another core is merging: it waits for the end of that, and tries again.
bool RunningProgram::waited_for_merge(const mmu::Request& request, const mmu::Outcome& outcome,
                                      mmu::Cycle& cycle) {
  VirtualMachine& machine = vcpu_->machine;
  if (!machine.software.is_being_merged(asid_, request, outcome)) return false;
  count_fault_exit(outcome, cycle);
  await([&machine] { return machine.merged; }, cycle);
  return true;
}

}  // namespace eptsim::sim
