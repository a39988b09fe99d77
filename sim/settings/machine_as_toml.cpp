#include <algorithm>

#include "sim/settings/machine.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {
namespace {

/// "tlb.l2" of "tlb.l2.entries", "dram" of "dram.cycles": what stands together.
std::string_view group_of(std::string_view key) {
  const std::size_t first = key.find('.');
  const std::size_t second = key.find('.', first + 1);
  return key.substr(0, second == std::string_view::npos ? first : second);
}

}  // namespace

std::string machine_as_toml(const Machine& machine, const Notes& notes) {
  std::string text = "# The machine as resolved: every setting.\n";
  std::string_view group;
  for (const Parameter& parameter : parameters()) {
    if (!parameter.has_value(machine)) continue;
    if (group_of(parameter.key) != group) text += '\n';
    group = group_of(parameter.key);
    std::string line = parameter.key + " = " + parameter.text(machine);
    const auto note = notes.find(parameter.key);
    const std::string& said = notes.empty()         ? parameter.help
                              : note != notes.end() ? note->second
                                                    : std::string();
    if (!said.empty()) {
      line.resize(std::max<std::size_t>(line.size(), 36), ' ');
      line += "  # " + said;
    }
    text += line + '\n';
  }
  return text;
}

}  // namespace eptsim::sim
