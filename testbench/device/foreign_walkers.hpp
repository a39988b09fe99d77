#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "testbench/device/foreign_walker.hpp"

namespace eptsim::tb {

struct ForeignWalkerMaker {
  std::string_view name;  ///< as `eptsim verify --configuration` takes it
  std::unique_ptr<ForeignWalker> (*make)();
};

/// Those of this build. To have your own checked, add it to the list in foreign_walkers.cpp.
std::span<const ForeignWalkerMaker> foreign_walkers();

}  // namespace eptsim::tb
