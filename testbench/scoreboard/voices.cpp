#include "testbench/scoreboard/voices.hpp"

#include "mmu_model/walker/configurations.hpp"
#include "mmu_model/walker/model_walker.hpp"
#ifdef EPTSIM_HAS_RTL
#include "testbench/rtl_walker/rtl_walker.hpp"
#endif

namespace eptsim::tb {

Voices built_voices(std::string_view name) {
  const mmu::WalkerConfiguration& configuration = *mmu::find_configuration(name);
  Voices voices{.step_machine = mmu::translate<mmu::Recording>,
                .oracle = oracle::translate,
                .model = std::make_unique<mmu::ModelWalker>(configuration),
                .device = std::nullopt,
                .configuration = configuration};
#ifdef EPTSIM_HAS_RTL
  const auto unsupported = [](const TestCase& test) {
    return RtlWalker::unsupported(test.context);
  };
  voices.device.emplace(Device{"RTL", std::make_unique<RtlWalker>(name), unsupported});
#endif
  return voices;
}

}  // namespace eptsim::tb
