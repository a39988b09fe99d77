#pragma once

#include <span>
#include <string_view>

#include "mmu_model/walker/configuration.hpp"

namespace eptsim::mmu {

/// The walkers that are built, in the order of their names: those of rtl/configurations.json.
std::span<const WalkerConfiguration> named_configurations();

/// The one of that name; null if there is none.
const WalkerConfiguration* find_configuration(std::string_view name);

/// The one that is as `size` says, whose name doesn't count; null if there is none.
const WalkerConfiguration* find_configuration(const WalkerConfiguration& size);

}  // namespace eptsim::mmu
