#include "testbench/device/foreign_walkers.hpp"

#ifdef EPTSIM_HAS_RTL
#include "testbench/second_walker/second_walker.hpp"
#endif

namespace eptsim::tb {

std::span<const ForeignWalkerMaker> foreign_walkers() {
#ifdef EPTSIM_HAS_RTL
  static constexpr ForeignWalkerMaker kWalkers[] = {
      {"second", make_second_walker},
  };
  return kWalkers;
#else
  return {};
#endif
}

}  // namespace eptsim::tb
