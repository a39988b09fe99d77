#include "sim/cli/machine_options.hpp"

#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

void MachineOptions::declare(Options& options) {
  options.text("--machine", "NAME|FILE|-", name_,
               purpose_ + ": one of `eptsim machine list`, " + usual_ +
                   " by default, or a machine file; - is standard input");
  options.values("--machine", preset_names());
  declare_changes(options);
}

void MachineOptions::declare_changes(Options& options) {
  options.texts("--set", "KEY=VALUE", changes_,
                "Change one setting of the machine; may be repeated, the last of a key wins");
  std::vector<std::string> beginnings = setting_keys();
  for (std::string& beginning : beginnings) beginning += '=';
  options.values("--set", beginnings);
}

std::vector<Assignment> MachineOptions::assignments() const {
  std::vector<Assignment> assignments;
  for (const std::string& change : changes_) assignments.push_back(parse_assignment(change));
  return assignments;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.emplace_back(preset.name);
  return names;
}

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  for (const std::string_view key : parameter_keys()) keys.emplace_back(key);
  return keys;
}

}  // namespace eptsim::sim
