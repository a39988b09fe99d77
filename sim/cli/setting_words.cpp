#include "sim/cli/setting_words.hpp"

#include "sim/settings/machine.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

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

std::vector<std::string> setting_beginnings() {
  std::vector<std::string> beginnings = setting_keys();
  for (std::string& beginning : beginnings) beginning += '=';
  return beginnings;
}

}  // namespace eptsim::sim
