#include <fmt/format.h>

#include <string>

#include "sim/cli/commands.hpp"
#include "sim/cli/completion.hpp"
#include "sim/output/output_file.hpp"

namespace eptsim::sim {
namespace {

using Operand = CommandLine::Operand;

/// "`FILE` or `-`" of FILE|-, for a bar would end the cell of a table.
std::string cell_of_value(const std::string& value) {
  std::string text;
  for (const char letter : value) {
    if (letter == '|') {
      text += "` or `";
    } else {
      text += letter;
    }
  }
  return text.empty() ? text : "`" + text + "`";
}

std::string usage(const CommandLine::Leaf& leaf) {
  std::string text = "eptsim " + leaf.name + " [options]";
  for (const Operand& argument : leaf.arguments) {
    const std::string word = argument.name + (argument.several ? "..." : "");
    text += argument.required ? " " + word : " [" + word + "]";
  }
  return text;
}

std::string reference(const CommandLine::Leaf& leaf) {
  std::string text = fmt::format("\n## eptsim {}\n\n{}.\n\n```text\n{}\n```\n\n", leaf.name,
                                 leaf.help, usage(leaf));
  text += "| argument or option | value | meaning |\n|---|---|---|\n";
  for (const Operand& argument : leaf.arguments) {
    text += fmt::format("| `{}` |  | {} |\n", argument.name, argument.help);
  }
  for (const Operand& option : leaf.options) {
    text +=
        fmt::format("| `{}` | {} | {} |\n", option.name, cell_of_value(option.value), option.help);
  }
  if (!leaf.footer.empty()) text += "\n```text\n" + leaf.footer + "\n```\n";
  return text;
}

class CommandsCommand : public Command {
 public:
  std::string name() const override { return "commands"; }
  std::string help() const override { return "List every command, or print their reference"; }
  void declare(Options& options) override {
    options.flag("--markdown", markdown_, "Print all that their --help says, as a page");
    options.footer("Example:\n  eptsim commands --markdown > commands.md");
  }
  Status run() override {
    const CommandLine line = command_line_of(all_commands());
    std::string text;
    for (const CommandLine::Leaf& leaf : line.commands) {
      text += markdown_ ? reference(leaf) : fmt::format("{:<17} {}\n", leaf.name, leaf.help);
    }
    write_standard_output(text);
    return Status::kDone;
  }

 private:
  bool markdown_ = false;
};

}  // namespace

std::unique_ptr<Command> make_commands_command() { return std::make_unique<CommandsCommand>(); }

}  // namespace eptsim::sim
