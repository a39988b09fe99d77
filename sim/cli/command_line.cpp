#include <algorithm>
#include <iterator>
#include <string_view>

#include "sim/cli/completion.hpp"

namespace eptsim::sim {
namespace {

/// Notes what a command declares.
class Notes : public Options {
 public:
  explicit Notes(CommandLine::Leaf& leaf) : leaf_(leaf) {}

  void flag(const std::string& name, bool&, const std::string& help) override {
    leaf_.options.push_back({.name = name, .help = help, .value = {}, .values = {}});
  }
  void text(const std::string& name, const std::string& value, std::optional<std::string>&,
            const std::string& help) override {
    option(name, value, help);
  }
  void texts(const std::string& name, const std::string& value, std::vector<std::string>&,
             const std::string& help) override {
    option(name, value, help).several = true;
  }
  void number(const std::string& name, std::optional<std::uint64_t>&,
              const std::string& help) override {
    option(name, "N", help);
  }
  void argument(const std::string& name, std::optional<std::string>&, const std::string& help,
                bool required) override {
    add(leaf_.arguments, name, name, help).required = required;
  }
  void arguments(const std::string& name, std::vector<std::string>&,
                 const std::string& help) override {
    CommandLine::Operand& operand = add(leaf_.arguments, name, name, help);
    operand.required = true;
    operand.several = true;
  }
  void values(const std::string& name, const std::vector<std::string>& words) override {
    for (std::vector<CommandLine::Operand>* operands : {&leaf_.options, &leaf_.arguments}) {
      const auto operand = std::ranges::find(*operands, name, &CommandLine::Operand::name);
      if (operand != operands->end()) operand->values = words;
    }
  }
  void footer(const std::string& text) override { leaf_.footer = text; }

 private:
  CommandLine::Operand& option(const std::string& name, const std::string& value,
                               const std::string& help) {
    return add(leaf_.options, name, value, help);
  }

  /// What stands for the value in the help says whether it is a file.
  static CommandLine::Operand& add(std::vector<CommandLine::Operand>& to, const std::string& name,
                                   const std::string& value, const std::string& help) {
    constexpr std::string_view kWhole[] = {"DIR", "CORE", "TRACE", "IN", "OUT", "COMMAND"};
    const bool files = std::ranges::find(kWhole, value) != std::end(kWhole) ||
                       value.find("FILE") != std::string::npos ||
                       value.find(".json") != std::string::npos;
    return to.emplace_back(CommandLine::Operand{
        .name = name, .help = help, .value = value, .files = files, .values = {}});
  }

  CommandLine::Leaf& leaf_;
};

}  // namespace

CommandLine command_line_of(const std::vector<std::unique_ptr<Command>>& commands) {
  CommandLine line;
  for (const auto& command : commands) {
    CommandLine::Leaf& leaf = line.commands.emplace_back();
    leaf.name = command->name();
    leaf.help = command->help();
    Notes notes(leaf);
    command->declare(notes);
    leaf.options.push_back(
        {.name = "--help", .help = "Say what there is, and exit", .value = {}, .values = {}});
  }
  return line;
}

}  // namespace eptsim::sim
