#include "sim/settings/built_walker.hpp"

#include <utility>
#include <vector>

#include "mmu_model/walker/configurations.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {
namespace {

/// The settings in which `machine` is not as `built`: "psc.pde.entries = 16, expected 32".
std::vector<std::string> differences(const Machine& machine,
                                     const mmu::WalkerConfiguration& built) {
  Machine asked = machine;
  asked.hardware.walker = machine.hardware.walker.normalized();
  Machine other = machine;
  other.hardware.walker = built;
  std::vector<std::string> list;
  for (const Parameter& parameter : parameters()) {
    if (parameter.get(asked) == parameter.get(other)) continue;
    list.push_back(parameter.key + " = " + parameter.text(asked) + ", expected " +
                   parameter.text(other));
  }
  return list;
}

}  // namespace

void require_built_walker(const Machine& machine, const std::string& place) {
  const mmu::WalkerConfiguration* nearest = nullptr;
  std::vector<std::string> fewest;
  std::string names;
  for (const mmu::WalkerConfiguration& configuration : mmu::named_configurations()) {
    std::vector<std::string> differing = differences(machine, configuration);
    if (nearest == nullptr || differing.size() < fewest.size()) {
      nearest = &configuration;
      fewest = std::move(differing);
    }
    names += (names.empty() ? "" : ", ") + std::string(configuration.name);
  }
  if (fewest.empty()) return;
  std::string problem = "the RTL is built as " + names + ", and this machine differs from " +
                        std::string(nearest->name) + ", the nearest: " + fewest.front();
  for (std::size_t i = 1; i < fewest.size(); ++i) problem += "; " + fewest[i];
  throw InputError(place, problem);
}

}  // namespace eptsim::sim
