// Runs a guest of a few instructions and prints each VM exit and what the hypervisor made of it.

#include <iomanip>
#include <iostream>

#include "ept/dump.hpp"
#include "examples/simple_ept_vm/machine.hpp"

using eptsim::examples::Exit;
using eptsim::examples::Instruction;
using eptsim::examples::Machine;

namespace {

const char* words(Exit::Handling handling) {
  switch (handling) {
    case Exit::Handling::kMapped: return "page mapped, the instruction runs again";
    case Exit::Handling::kDeviceStore: return "the device takes the value";
    case Exit::Handling::kStopped: return "out of memory, the guest stops";
  }
  return "?";
}

}  // namespace

int main() {
  using Kind = Instruction::Kind;
  const Instruction program[] = {
      {Kind::kStore, 0x1000, 0x1111, 7},
      {Kind::kLoad, 0x1000, 0, 3},
      {Kind::kStore, 0x4000'0008, 0x2222, 7},
      {Kind::kLoad, Machine::kDevice.value(), 0, 5},
      {Kind::kStore, Machine::kDevice.value() + 0x10, 0xbeef, 7},
      {Kind::kLoad, Machine::kDevice.value() + 0x10, 0, 5},
  };
  Machine machine(64);
  const bool finished = machine.run(program);

  std::cout << std::hex << std::showbase;
  for (const Exit& exit : machine.exits()) {
    std::cout << "rip " << exit.rip << ": EPT violation, guest-physical "
              << exit.violation.gpa.value() << ", qualification " << exit.violation.qualification
              << ": " << words(exit.handling) << '\n';
  }
  std::cout << "loaded:";
  for (const std::uint64_t value : machine.loaded()) std::cout << ' ' << value;
  std::cout << "\nthe device took:";
  for (const std::uint64_t value : machine.device_log()) std::cout << ' ' << value;
  std::cout << "\n\n" << std::dec;
  eptsim::ept::dump_text(std::cout, machine.memory(), machine.table().eptp(),
                         machine.table().settings());
  return finished ? 0 : 1;
}
