#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "sim/cli/commands.hpp"
#include "sim/cli/machine_options.hpp"
#include "sim/input_text.hpp"
#include "sim/near_miss.hpp"
#include "sim/output/output_file.hpp"
#include "sim/settings/machine.hpp"
#include "sim/settings/machine_file.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {
namespace {

class ListCommand : public Command {
 public:
  std::string name() const override { return "machine list"; }
  std::string help() const override { return "Name the machines that are built in"; }
  void declare(Options& options) override { options.footer("Example:\n  eptsim machine list"); }
  Status run() override {
    std::string text;
    for (const Preset& preset : presets()) {
      text += fmt::format("{:<16} {}\n", preset.name, preset.title());
    }
    write_standard_output(text);
    return Status::kDone;
  }
};

class ShowCommand : public Command {
 public:
  std::string name() const override { return "machine show"; }
  std::string help() const override {
    return "Print a machine, every setting and where its value comes from, as a machine file";
  }
  void declare(Options& options) override {
    options.argument("NAME", name_, "A machine that is built in, or a file; - is standard input");
    options.values("NAME", preset_names());
    changes_.declare_changes(options);
    options.footer(
        "Examples:\n"
        "  eptsim machine show zen5\n"
        "  eptsim machine show plain --set tlb.l2.entries=1024 > mine.toml");
  }
  Status run() override {
    const std::vector<Assignment> assignments = changes_.assignments();
    const std::string text = machine_text(name_.value());
    const std::string name = input_name(*name_);
    write_standard_output(machine_as_toml(resolve_machine_text(text, name, assignments),
                                          notes_of_text(text, name, assignments)));
    return Status::kDone;
  }

 private:
  std::optional<std::string> name_;
  MachineOptions changes_{"", ""};
};

class ExplainCommand : public Command {
 public:
  std::string name() const override { return "machine explain"; }
  std::string help() const override { return "Say what a setting means, or list them all"; }
  void declare(Options& options) override {
    options.argument("KEY", key_, "A setting, or the beginning of several: tlb.l2", false);
    options.values("KEY", setting_keys());
    options.flag("--markdown", markdown_, "Print them as tables of a page");
    options.footer(
        "Examples:\n"
        "  eptsim machine explain tlb.l2\n"
        "  eptsim machine explain walker.slots      # and what each machine has, and why");
  }
  Status run() override {
    const Machine plain = resolve_machine("plain");
    const Machine other = resolve_machine("default");
    std::string text;
    std::string last;
    std::vector<const Parameter*> explained_ones;
    for (const Parameter& parameter : parameters()) {
      if (!key_ || parameter.key == *key_ || parameter.key.starts_with(*key_ + ".")) {
        explained_ones.push_back(&parameter);
        if (!markdown_) {
          text += explained(parameter, plain, other);
          continue;
        }
        const std::string group = parameter.key.substr(0, parameter.key.find('.'));
        if (group != last) text += heading(group);
        last = group;
        text += table_row(parameter, plain, other);
      }
    }
    if (text.empty()) require_parameter(*key_, "eptsim machine explain");
    if (explained_ones.size() == 1 && !markdown_) text += values_of(*explained_ones.front());
    write_standard_output(text);
    return Status::kDone;
  }

 private:
  /// What it may be.
  static std::string range_of(const Parameter& parameter) {
    std::string text = parameter.expected();
    if (parameter.unit == "cycle" || parameter.unit == "bit") {
      text += fmt::format(" {}s", parameter.unit);
    }
    return text;
  }

  static std::string heading(const std::string& group) {
    return fmt::format(
        "\n## `{}`\n\n| key | values | plain | default | meaning |\n|---|---|---|---|---|\n",
        group);
  }
  static std::string table_row(const Parameter& parameter, const Machine& plain,
                               const Machine& other) {
    const auto value = [&](const Machine& machine) {
      return parameter.has_value(machine) ? parameter.text(machine) : "-";
    };
    return fmt::format("| `{}` | {} | {} | {} | {} |\n", parameter.key, range_of(parameter),
                       value(plain), value(other), parameter.help);
  }

  static std::string explained(const Parameter& parameter, const Machine& plain,
                               const Machine& other) {
    std::string text =
        fmt::format("{}\n    {}\n    {}", parameter.key, parameter.help, range_of(parameter));
    if (parameter.has_value(plain)) text += fmt::format("; plain has {}", parameter.text(plain));
    if (parameter.has_value(other) && parameter.get(other) != parameter.get(plain)) {
      text += fmt::format(", default has {}", parameter.text(other));
    }
    return text + "\n";
  }

  /// What each machine has, and why.
  static std::string values_of(const Parameter& parameter) {
    std::string text = "\n";
    for (const Preset& preset : presets()) {
      const std::string name(preset.name);
      const Machine machine = resolve_machine(name);
      const bool there = parameter.has_value(machine);
      const Notes notes = notes_of(name);
      const auto note = notes.find(parameter.key);
      std::string line =
          fmt::format("    {:<16} {:<12}", name, there ? parameter.text(machine) : "-");
      if (there && note != notes.end()) line += "  " + note->second;
      text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
  }

  std::optional<std::string> key_;
  bool markdown_ = false;
};

}  // namespace

std::unique_ptr<Command> make_machine_list_command() { return std::make_unique<ListCommand>(); }
std::unique_ptr<Command> make_machine_show_command() { return std::make_unique<ShowCommand>(); }
std::unique_ptr<Command> make_machine_explain_command() {
  return std::make_unique<ExplainCommand>();
}

}  // namespace eptsim::sim
