#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/oracle/oracle.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// A walker to be checked, behind the interface that every walker stands behind. To check one of
/// your own, make it a WalkerUnit and put it here.
struct Device {
  std::string name;  ///< for reports: "RTL"
  std::unique_ptr<mmu::WalkerUnit> unit;
  /// The name of what the case needs and the walker lacks, if anything.
  std::function<std::optional<std::string>(const TestCase&)> unsupported;
};

/// Those who answer the same question: the step machine run at once, the oracle, the clocked model,
/// and a device.
struct Voices {
  std::function<mmu::TranslateResult(const mmu::WalkContext&, const mmu::Request&,
                                     arch::PhysicalMemory&, mmu::Recording&)>
      step_machine;
  std::function<oracle::Result(const oracle::State&, const oracle::Access&, const oracle::Memory&)>
      oracle;
  std::unique_ptr<mmu::WalkerUnit> model;
  std::optional<Device> device;  ///< absent: the others are compared
};

/// Those of this build; the device is the RTL in the configuration `single`, if it was built.
Voices built_voices();

}  // namespace eptsim::tb
