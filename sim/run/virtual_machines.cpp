#include "sim/run/virtual_machines.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace eptsim::sim {

VirtualMachines::VirtualMachines(mmu::Dram& memory, const RunSettings& settings, unsigned cores,
                                 LinearAreas areas)
    : memory_(memory),
      settings_(settings),
      cores_(cores),
      core_pcids_(cores, Pcids(settings.machine.guest_pcids)),
      areas_(std::move(areas)),
      host_frames_(host_memory(settings.machine, settings.mode, settings.lists)) {
  machines_
      .emplace_back(std::uint16_t{0}, memory_, host_frames_, settings_, areas_, settings_.lists)
      .owed.resize(cores_);
}

Vcpu& VirtualMachines::vcpu(std::uint16_t machine_name, std::uint8_t name, unsigned core) {
  VirtualMachine& of = machine(machine_name);
  const auto known = std::ranges::find(of.vcpus, name, &Vcpu::name);
  if (known != of.vcpus.end()) {
    if (known->core != core) throw std::logic_error("a vCPU is on two cores");
    return *known;
  }
  ++vcpus_;
  const bool tagged = settings_.mode != Mode::kNative && settings_.machine.vpid;
  const auto number = static_cast<std::uint16_t>(of.vcpus.size());
  return of.vcpus.emplace_back(of, name, number, tagged ? vcpus_ : std::uint16_t{0}, core,
                               Pcids(settings_.machine.guest_pcids));
}

VirtualMachine& VirtualMachines::machine(std::uint16_t name) {
  if (!first_is_named_) {
    first_is_named_ = true;
    machines_.front().name = name;
  }
  const auto known = std::ranges::find(machines_, name, &VirtualMachine::name);
  if (known != machines_.end()) return *known;
  VirtualMachine& made =
      machines_.emplace_back(name, memory_, host_frames_, settings_, areas_, PageLists{});
  made.owed.resize(cores_);
  return made;
}

}  // namespace eptsim::sim
