#include <algorithm>

#include "sim/run/simulation.hpp"

// Sums over the cores of a machine.
namespace eptsim::sim {

StaleAccesses& StaleAccesses::operator+=(const StaleAccesses& more) {
  guest += more.guest;
  ept += more.ept;
  first.insert(first.end(), more.first.begin(), more.first.end());
  first.resize(std::min(first.size(), kStaleAccesses));
  return *this;
}

CycleClasses& CycleClasses::operator+=(const CycleClasses& more) {
  retiring += more.retiring;
  data += more.data;
  translation += more.translation;
  exits += more.exits;
  other += more.other;
  return *this;
}

CoreExits& CoreExits::operator+=(const CoreExits& more) {
  external_interrupt += more.external_interrupt;
  apic_write += more.apic_write;
  preemption_timer += more.preemption_timer;
  vcpu_switch += more.vcpu_switch;
  merge += more.merge;
  return *this;
}

Shootdowns& Shootdowns::operator+=(const Shootdowns& more) {
  of_hypervisor += more.of_hypervisor;
  of_guest += more.of_guest;
  interrupts += more.interrupts;
  cycles += more.cycles;
  return *this;
}

}  // namespace eptsim::sim
