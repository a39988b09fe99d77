#include "mmu_model/walker/configurations.hpp"

#include <algorithm>

namespace eptsim::mmu {

namespace {

// Printed from rtl/configurations.json when the build is configured.
constexpr WalkerConfiguration kConfigurations[] = {
#include "mmu_model/walker/configurations.inc"
};

}  // namespace

std::span<const WalkerConfiguration> named_configurations() { return kConfigurations; }

const WalkerConfiguration* find_configuration(std::string_view name) {
  const auto* found = std::ranges::find(kConfigurations, name, &WalkerConfiguration::name);
  return found == std::end(kConfigurations) ? nullptr : found;
}

const WalkerConfiguration* find_configuration(const WalkerConfiguration& size) {
  const auto* found = std::ranges::find_if(
      kConfigurations, [&](const WalkerConfiguration& built) { return built.is_like(size); });
  return found == std::end(kConfigurations) ? nullptr : found;
}

}  // namespace eptsim::mmu
