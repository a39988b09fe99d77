#include "sim/settings/machine.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sim/input_text.hpp"
#include "sim/near_miss.hpp"
#include "sim/settings/machine_file.hpp"
#include "sim/settings/parameter.hpp"
#include "sim/settings/value.hpp"

namespace eptsim::sim {
namespace {

std::string names_of_presets() {
  std::string names;
  for (const Preset& preset : presets()) {
    names += (names.empty() ? "" : ", ") + std::string(preset.name);
  }
  return names;
}

/// Sets what was given, settings that say which others there are first.
void apply(Machine& machine, const std::vector<Given>& given, Places& places) {
  for (const bool shaping : {true, false}) {
    for (const Given& setting : given) {
      if (setting.parameter->shapes != shaping) continue;
      if (!shaping && !setting.parameter->applies_to(machine)) {
        const bool sized = setting.parameter->key.find("ways.") != std::string::npos;
        throw InputError(setting.place, setting.parameter->key + " isn't a setting of this machine",
                         sized ? "give the entries of this array too: that is how it comes to be"
                               : "this TLB is split by page size: set ways.4k, .2m or .1g");
      }
      setting.parameter->set(machine, setting.value);
      places[setting.parameter->key] = setting.place;
    }
  }
  // The last of several wins, but not when they say different things of what the machine is.
  for (const Given& setting : given) {
    if (setting.parameter->shapes && !setting.parameter->applies_to(machine)) {
      throw InputError(setting.place, setting.parameter->key +
                                          ": a TLB is split by page size or it isn't, and another "
                                          "setting says otherwise");
    }
  }
}

std::vector<Given> given_by(const std::vector<Assignment>& assignments) {
  std::vector<Given> given;
  for (const Assignment& assignment : assignments) {
    const Parameter& parameter = require_parameter(assignment.key, assignment.place);
    given.push_back(
        {&parameter, parse_value(parameter, assignment.value, assignment.place), assignment.place});
  }
  return given;
}

Machine resolve(Machine machine, std::string_view text, const std::string& name,
                const std::vector<Assignment>& assignments) {
  Places by_hand;
  Places in_file;
  apply(machine, read_machine_file(text, name), in_file);
  apply(machine, given_by(assignments), by_hand);
  check_machine(machine, {by_hand, in_file});
  return machine;
}

const Preset& plain() { return presets().front(); }

Machine plain_machine() { return resolve({}, plain().text, "plain", {}); }

}  // namespace

Assignment parse_assignment(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string place = "--set " + text;
  if (equals == std::string::npos) {
    throw InputError(place, "no value, expected key=value as in tlb.l2.entries=2048");
  }
  return {text.substr(0, equals), text.substr(equals + 1), place};
}

Machine resolve_machine_text(std::string_view text, const std::string& name,
                             const std::vector<Assignment>& assignments) {
  return resolve(plain_machine(), text, name, assignments);
}

std::string_view Preset::title() const {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t colon = line.find(": ");
  return colon == std::string_view::npos ? std::string_view() : line.substr(colon + 2);
}

std::string machine_text(const std::string& preset_or_file) {
  if (preset_or_file.empty()) {
    throw InputError("--machine", "is empty, expected " + names_of_presets() + " or a file");
  }
  const auto preset = std::ranges::find(presets(), preset_or_file, &Preset::name);
  if (preset != presets().end()) return std::string(preset->text);
  std::error_code error;
  if (preset_or_file != "-" && !std::filesystem::exists(preset_or_file, error) && !error) {
    std::vector<std::string_view> names;
    for (const Preset& known : presets()) names.push_back(known.name);
    std::string hint = did_you_mean(preset_or_file, names);
    if (hint.empty()) hint = "`eptsim machine list` names those that are built in";
    throw InputError(preset_or_file, "No such file or directory", hint);
  }
  return read_text(preset_or_file);
}

Notes notes_of_text(std::string_view text, const std::string& name,
                    const std::vector<Assignment>& assignments) {
  Notes notes;
  for (const std::string_view layer : {plain().text, text}) {
    for (const Given& given : read_machine_file(layer, name)) {
      notes[given.parameter->key] = given.note;
    }
  }
  for (const Assignment& assignment : assignments) notes[assignment.key] = "given by --set";
  return notes;
}

Notes notes_of(const std::string& preset_or_file, const std::vector<Assignment>& assignments) {
  return notes_of_text(machine_text(preset_or_file), preset_or_file, assignments);
}

Machine resolve_machine(const std::string& preset_or_file,
                        const std::vector<Assignment>& assignments) {
  return resolve_machine_text(machine_text(preset_or_file), input_name(preset_or_file),
                              assignments);
}

}  // namespace eptsim::sim
