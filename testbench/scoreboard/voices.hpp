#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walker/configuration.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/device/foreign_walker.hpp"
#include "testbench/oracle/oracle.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// A walker that is compared with the model in every cycle. For one of your own, with other ports
/// and other timing, there is ForeignWalker.
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
  std::optional<Device> device;                                 ///< absent: the others are compared
  std::unique_ptr<ForeignWalker> foreign = nullptr;             ///< in the device's place
  mmu::WalkerConfiguration configuration = {.name = "single"};  ///< of the clocked model and device
};

/// Those of this build; the device is the RTL, if it was built. `configuration` is one of
/// rtl/configurations.json.
Voices built_voices(std::string_view configuration = "single");

}  // namespace eptsim::tb
