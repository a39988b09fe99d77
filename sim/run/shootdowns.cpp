// What a core's program has to do with other cores: changes of tables that those must learn of.

#include <algorithm>
#include <functional>
#include <vector>

#include "sim/run/running_program.hpp"

namespace eptsim::sim {

/// The hypervisor changed tables that other cores run with, or have run with: those that run the
/// machine are interrupted, and waited for; others owe it.
void RunningProgram::shoot_down(const mmu::InvalidationScopes& scopes, mmu::Cycle& cycle) {
  const unsigned asked = interrupt_machine(scopes, cycle);
  for (unsigned core = 0; core < work_.group.size(); ++core) {
    if (core != work_.number && !runs_machine(core)) vcpu_->machine.owed[core] = scopes;
  }
  if (asked == 0) return;
  ++counted_.shootdowns.of_hypervisor;
  await_answers(cycle);
}

/// Has the other cores that run the machine exit, and forget what is in `scopes`. Returns how many.
unsigned RunningProgram::interrupt_machine(const mmu::InvalidationScopes& scopes,
                                           mmu::Cycle cycle) {
  unsigned asked = 0;
  for (unsigned core = 0; core < work_.group.size(); ++core) {
    if (core == work_.number || !runs_machine(core)) continue;
    work_.group.send(core, {.holds = cycle + 1, .sender = work_.number, .scopes = scopes});
    ++asked;
  }
  counted_.shootdowns.interrupts += asked;
  return asked;
}

bool RunningProgram::runs_machine(unsigned core) const {
  const Vcpu* const running = work_.group.running(core);
  return running != nullptr && &running->machine == &vcpu_->machine;
}

/// The guest changed its tables: the same, as its system does it. In a virtual machine to send an
/// interrupt is an exit.
void RunningProgram::shoot_down_page(std::uint64_t address, mmu::Cycle& cycle) {
  shoot_down_guest(asid_, {.address = address}, cycle);
}

/// All of an address space, wherever a vCPU is in it: for so many pages Linux reloads CR3.
void RunningProgram::flush_space(std::uint16_t asid, mmu::Cycle& cycle) {
  if (asid == asid_) {
    vcpu_->machine.software.intercept_cr_access();
    account_for_software(cycle);
    port_.invalidate(reload_cr3(), cycle);
  } else {
    pcids().forget(space(asid));
  }
  shoot_down_guest(asid, {.whole_space = true}, cycle);
}

void RunningProgram::shoot_down_guest(std::uint16_t asid, const CoreGroup::Request& request,
                                      mmu::Cycle& cycle) {
  std::vector<CoreGroup::Request> requests;
  for (Vcpu& other : vcpu_->machine.vcpus) {
    if (&other == vcpu_ || !other.entered) continue;
    if (!is_virtual() && other.core == work_.number) continue;  // this core's TLBs
    const Vcpu* const running = work_.group.running(other.core);
    const bool is_there = running != nullptr && running->is_in(vcpu_->machine, asid);
    if (is_there && running == &other) {
      CoreGroup::Request& sent = requests.emplace_back(request);
      sent.sender = work_.number;
      sent.vcpu = &other;
      sent.asid = asid;
    } else if (is_virtual() || !is_there) {
      owe(other, asid);
    }
  }
  if (requests.empty()) return;
  ++counted_.shootdowns.of_guest;
  counted_.shootdowns.interrupts += requests.size();
  if (is_virtual()) {
    ++counted_.exits.apic_write;
    pass_exits(1, cycle);
  }
  for (CoreGroup::Request& sent : requests) {
    sent.holds = cycle + 1;
    work_.group.send(sent.vcpu->core, sent);
  }
  await_answers(cycle);
}

void RunningProgram::serve_requests(mmu::Cycle& cycle) {
  while (const auto request = work_.group.take(work_.number, cycle)) serve_request(*request, cycle);
}

/// An interrupt, which a virtual machine exits for.
void RunningProgram::serve_request(const CoreGroup::Request& request, mmu::Cycle& cycle) {
  const Machine& machine = work_.settings.machine;
  if (is_virtual()) {
    ++counted_.exits.external_interrupt;
    if (!machine.vpid) port_.invalidate(mmu::invalidation::vm_transition(false), cycle);
    handle_log(cycle);
  }
  if (request.vcpu == nullptr) {
    log_dirty([&] { pass(machine.shootdown_cycles, cycle); }, cycle);
    port_.invalidate(request.scopes, cycle);
  } else {
    pass(machine.guest_shootdown_cycles + (is_virtual() ? machine.exit_cycles : 0), cycle);
    if (work_.settings.mode == Mode::kShadow) {
      ++(request.whole_space ? counted_.shadow_exits.cr_accesses : counted_.shadow_exits.invlpgs);
      pass_exits(1, cycle);
    }
    forget_for(request, cycle);
  }
  work_.group.acknowledge(request, cycle + 1);
}

/// The vCPU isn't interrupted, for it doesn't run in the address space. If it will without a MOV
/// CR3, a guest that is told who runs has all flushed before. Otherwise nothing is left of the
/// space, or what carries its PCID: an operating system counts what it changes, and flushes that
/// when it comes to the space again.
void RunningProgram::owe(Vcpu& vcpu, std::uint16_t asid) {
  if (is_virtual() && vcpu.is_in(vcpu.machine, asid)) {
    vcpu.owes_flush = true;
  } else {
    work_.machines.pcids(vcpu).forget({.vm = vcpu.machine.name, .asid = asid});
  }
}

/// What the guest's request asks for, by whoever runs here when it is served: the vCPU that was
/// asked may have left the core, or the address space, since. Natively another that is in that
/// space has the same TLBs.
void RunningProgram::forget_for(const CoreGroup::Request& request, mmu::Cycle cycle) {
  const bool has_its_tlbs = !is_virtual() || vcpu_ == request.vcpu;
  if (!has_its_tlbs || !vcpu_->is_in(request.vcpu->machine, request.asid)) {
    owe(*request.vcpu, request.asid);
    return;
  }
  port_.invalidate(
      request.whole_space ? reload_cr3() : mmu::invalidation::invlpg(tags(), request.address),
      cycle);
}

/// Until all cores that were asked have done it. Meanwhile they may ask too.
void RunningProgram::await_answers(mmu::Cycle& cycle) {
  const mmu::Cycle begun = cycle;
  await([this] { return work_.group.acknowledged(work_.number); }, cycle);
  counted_.shootdowns.cycles += cycle - begun;
}

/// Until the others are where this core is.
void RunningProgram::keep_pace(mmu::Cycle& cycle) {
  if (!is_alone()) await([&cycle] { return cycle; }, cycle);
}

/// Waits for the cycle that `when` says, kNever as long as it isn't known, and adds the cycles of
/// that to `counted`.
void RunningProgram::await(const std::function<mmu::Cycle()>& when, mmu::Cycle& cycle,
                           std::uint64_t& counted) {
  for (;;) {
    const mmu::Cycle end = when();
    const mmu::Cycle request = next_request();
    const mmu::Cycle due = std::min(end, request);
    if (due > timeline_.now()) {
      port_.sleep_until(due);
      continue;
    }
    if (due > cycle) {
      counted += due - cycle;
      cycle = due;
    }
    if (request > timeline_.now()) return;
    serve_requests(cycle);
  }
}

}  // namespace eptsim::sim
