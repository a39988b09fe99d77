#pragma once

#include "mmu_model/vmx/logical_processor.hpp"
#include "testbench/conformance/machine_state.hpp"
#include "testbench/stimulus/sparse_memory.hpp"

namespace eptsim::tb::conformance {

/// A logical processor in VMX root operation, whose host runs without paging, with a VMCS for the
/// guest of a MachineState.
class GuestProcessor {
 public:
  GuestProcessor(const MachineState& state, const mmu::VmxCapabilities& capabilities);
  GuestProcessor(const GuestProcessor&) = delete;
  GuestProcessor& operator=(const GuestProcessor&) = delete;

  SparseMemory memory;
  mmu::Vmcs vmcs;
  mmu::LogicalProcessor cpu;

  /// Bits of a secondary control.
  void set_secondary(arch::BitField control, bool on);
  /// Writes a 128-bit operand and returns its address.
  std::uint64_t operand(std::uint64_t low, std::uint64_t high);
};

/// How an instruction ended: "done", "#UD", "VM exit 59", "VMfail 28".
std::string text_of(const mmu::Completion& completion);

}  // namespace eptsim::tb::conformance
