#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// A machine file that is built in.
struct Preset {
  std::string_view name;
  std::string_view text;  ///< TOML
  /// What it is, from the first line of its text.
  std::string_view title() const;
};
std::span<const Preset> presets();

/// A setting given by hand, and where: {"tlb.l2.entries", "2048", "--set tlb.l2.entries=2048"}.
struct Assignment {
  std::string key;
  std::string value;
  std::string place;
};
/// Takes "key=value" apart. Throws InputError.
Assignment parse_assignment(const std::string& text);

/// The machine that `preset_or_file` describes, changed by `assignments` in their order. What a
/// file leaves out is as in `plain`. Throws InputError with file, line and column, or with the
/// place of the assignment, for anything unknown, doubled, of the wrong type, out of range, or at
/// odds with another setting.
Machine resolve_machine(const std::string& preset_or_file,
                        const std::vector<Assignment>& assignments = {});

/// The machine file that `preset_or_file` names: that of a preset, a file, or standard input if it
/// is "-". Throws InputError.
std::string machine_text(const std::string& preset_or_file);

/// What is said of each setting's value, by key: the comment on its line in the machine file, or in
/// `plain` where the file leaves it out, or that it was given by hand. The machine must resolve.
using Notes = std::map<std::string, std::string, std::less<>>;
Notes notes_of(const std::string& preset_or_file, const std::vector<Assignment>& assignments = {});

/// As above, with the file's text given. `name` is for messages.
Notes notes_of_text(std::string_view text, const std::string& name,
                    const std::vector<Assignment>& assignments = {});
Machine resolve_machine_text(std::string_view text, const std::string& name,
                             const std::vector<Assignment>& assignments = {});

/// Where settings were given, by key; those that weren't are absent.
using Places = std::map<std::string, std::string, std::less<>>;
/// What no setting can tell by itself. Throws InputError at the place of a setting concerned, from
/// the first of `places` that has one.
void check_machine(const Machine& machine, const std::vector<Places>& places);

/// Every setting of `machine` as a machine file, which reads back as the same machine. With what
/// `notes` say of each value, or, where there are none, with what the setting means.
std::string machine_as_toml(const Machine& machine, const Notes& notes = {});

}  // namespace eptsim::sim
