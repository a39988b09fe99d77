#include "sim/cli/parser.hpp"

// The only file that includes it: it takes seconds to compile.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "sim/cli/build_facts.hpp"
#include "sim/cli/command.hpp"
#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/number.hpp"
#include "sim/output/output_file.hpp"

namespace eptsim::sim {
namespace {

/// Options over CLI11, which gets every value as text: what is wrong with one is ours to say.
class ParserOptions : public Options {
 public:
  explicit ParserOptions(CLI::App& app) : app_(app) {}

  void flag(const std::string& name, bool& target, const std::string& help) override {
    app_.add_flag(name, target, help);
  }

  void text(const std::string& name, const std::string& value, std::optional<std::string>& target,
            const std::string& help) override {
    option(name, value, help, [&target](const std::string& given) { target = given; });
  }

  void texts(const std::string& name, const std::string& value, std::vector<std::string>& target,
             const std::string& help) override {
    app_.add_option(name, target, help)->type_name(value)->allow_extra_args(false);
  }

  void number(const std::string& name, std::optional<std::uint64_t>& target,
              const std::string& help) override {
    option(name, "N", help, [name, &target](const std::string& given) {
      target = parse_number(given);
      if (!target) {
        throw InputError(name + " " + given, "not a whole number, expected one from 0 to 2^64 - 1");
      }
    });
  }

  void argument(const std::string& name, std::optional<std::string>& target,
                const std::string& help, bool required) override {
    option(name, "", help, [&target](const std::string& given) {
      target = given;
    })->required(required);
  }

  void arguments(const std::string& name, std::vector<std::string>& target,
                 const std::string& help) override {
    app_.add_option(name, target, help)->type_name("")->required();
  }

  void footer(const std::string& text) override { app_.footer(text); }

 private:
  CLI::Option* option(const std::string& name, const std::string& value, const std::string& help,
                      std::function<void(const std::string&)> take) {
    return app_.add_option_function<std::string>(name, std::move(take), help)->type_name(value);
  }

  CLI::App& app_;
};

constexpr std::size_t kHelpWidth = 80;
constexpr std::size_t kCommandColumn = 16;  ///< where the meanings of commands begin
constexpr std::size_t kOptionColumn = 28;   ///< and those of options

/// `text` in lines of at most `width` letters, of which some take several bytes.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string lines;
  std::size_t line = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const auto letters = static_cast<std::size_t>(
        std::ranges::count_if(word, [](char c) { return (c & 0xc0) != 0x80; }));
    if (line > 0) {
      const bool fits = line + 1 + letters <= width;
      lines += fits ? ' ' : '\n';
      line = fits ? line + 1 : 0;
    }
    lines += word;
    line += letters;
  }
  return lines;
}

/// CLI11's help, its lines no longer than a terminal's.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(option->get_description(), kHelpWidth - column_width_);
  }
};

void set_up(CLI::App& app, std::size_t column) {
  app.set_help_flag("-h,--help", "Say this and exit");
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(column);
  const std::pair<const char*, const char*> kLabels[] = {{"OPTIONS", "options"},
                                                         {"SUBCOMMAND", "COMMAND"},
                                                         {"Positionals", "Arguments"},
                                                         {"REQUIRED", ""}};
  for (const auto& [label, ours] : kLabels) app.get_formatter()->label(label, ours);
}

/// The program's commands as CLI11's tree, and which of its leaves is which command.
class Tree {
 public:
  Tree() : commands_(all_commands()) {
    set_up(app_, kCommandColumn);
    app_.set_version_flag("--version", version_text(), "Say the version and how it was built");
    for (const auto& command : commands_) {
      CLI::App& leaf = node(command->name(), command->help());
      ParserOptions options(leaf);
      command->declare(options);
      leaves_.emplace_back(&leaf, command.get());
    }
    // Last, for commands inherit it.
    app_.footer(
        "Examples:\n"
        "  eptsim run program.trace --output results\n"
        "  eptsim compare program.trace --set tlb.l2.entries=1024\n"
        "  eptsim run --help");
  }

  Status run(int argc, char** argv) {
    check_command_name(argc, argv);
    try {
      app_.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::string parents = usage_place();
      parents.erase(std::min(parents.rfind(' '), parents.size()));
      if (parents == "eptsim" && app_.get_subcommands().empty()) parents.clear();
      write_standard_output(deepest().help(parents));
      return Status::kDone;
    } catch (const CLI::CallForVersion&) {
      write_standard_output(version_text());
      return Status::kDone;
    } catch (const CLI::ExtrasError&) {
      refuse_extra(argc, argv);
    } catch (const CLI::ArgumentMismatch& error) {
      // "--set: 1 required TEXT missing" or "--mode: At Most 1 required but received 2"
      const std::string text = error.what();
      const bool missing = text.ends_with("missing");
      throw InputError(usage_place(),
                       text.substr(0, text.find(':')) +
                           (missing ? " needs a value" : " is given more than once"),
                       "see " + usage_place() + " --help");
    } catch (const CLI::ParseError& error) {
      throw InputError(usage_place(), error.what(), "see " + usage_place() + " --help");
    }
    for (const auto& [leaf, command] : leaves_) {
      if (leaf->parsed()) return command->run();
    }
    throw InputError(usage_place(), "no command, expected " + names_below(deepest()),
                     "see " + usage_place() + " --help");
  }

 private:
  CLI::App& node(const std::string& name, const std::string& help) {
    const std::size_t space = name.find(' ');
    if (space == std::string::npos) return add(app_, name, help, kOptionColumn);
    const std::string group = name.substr(0, space);
    CLI::App*& parent = groups_[group];
    if (parent == nullptr) {
      parent = &add(app_, group, "", kCommandColumn);
      parent->footer("Example:\n  eptsim " + name + " --help");
    }
    CLI::App& leaf = add(*parent, name.substr(space + 1), help, kOptionColumn);
    leaf.footer("");  // which it inherits
    parent->description("Commands: " + names_below(*parent));
    return leaf;
  }

  static CLI::App& add(CLI::App& parent, const std::string& name, const std::string& help,
                       std::size_t column) {
    CLI::App* child = parent.add_subcommand(name, help);
    child->group("Commands");
    set_up(*child, column);
    return *child;
  }

  static std::vector<std::string> children_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(child->get_name());
    }
    return names;
  }

  static std::string names_below(const CLI::App& app) {
    std::string text;
    for (const std::string& name : children_of(app)) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  /// CLI11 takes an unknown command for a stray argument and says so.
  void check_command_name(int argc, char** argv) {
    const CLI::App* app = &app_;
    std::string typed = "eptsim";
    for (int i = 1; i < argc; ++i) {
      const std::vector<std::string> names = children_of(*app);
      if (names.empty() || argv[i][0] == '-') return;
      const std::string given = argv[i];
      if (std::find(names.begin(), names.end(), given) == names.end()) {
        const std::vector<std::string_view> candidates(names.begin(), names.end());
        std::string hint = did_you_mean(given, candidates);
        // "eptsim help" and "eptsim version", as other programs have them.
        if (app->get_option_no_throw("--" + given) != nullptr) {
          hint = "did you mean '" + typed + " --" + given + "'?";
        }
        if (hint.empty()) hint = "see " + typed + " --help";
        throw InputError(typed, "unknown command '" + given + "', expected " + names_below(*app),
                         hint);
      }
      app = app->get_subcommand(given);
      typed += " " + given;
    }
  }

  /// The command that parsing came to.
  CLI::App& deepest() {
    CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return *app;
  }

  std::string usage_place() {
    std::string place = "eptsim";
    for (CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      place += " " + app->get_name();
    }
    return place;
  }

  [[noreturn]] void refuse_extra(int argc, char** argv) {
    const std::vector<std::string> extras = app_.remaining(true);
    // A word behind an unknown option may be its value: the option is what is wrong.
    char** const end = std::find(argv, argv + argc, std::string_view("--"));
    char** const dashed = std::find_if(argv, end, [&](const std::string& word) {
      return word.size() > 1 && word.starts_with('-') &&
             std::find(extras.begin(), extras.end(), word) != extras.end();
    });
    const std::string first = dashed != end ? *dashed : extras.empty() ? "" : extras.front();
    if (!first.starts_with('-')) {
      throw InputError(usage_place(), "'" + first + "' is one argument too many",
                       "see " + usage_place() + " --help");
    }
    const std::string option = first.substr(0, first.find('='));
    std::vector<std::string> names;
    for (const CLI::Option* known : deepest().get_options()) {
      for (const std::string& name : known->get_lnames()) names.push_back("--" + name);
    }
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    std::string hint = did_you_mean(option, candidates);
    if (hint.empty() && option.size() == 2) {  // "-o"
      const auto meant = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
        return name[2] == option[1];
      });
      if (meant != names.end()) hint = "did you mean '" + *meant + "'?";
    }
    if (hint.empty()) hint = "see " + usage_place() + " --help";
    throw InputError(usage_place(), "unknown option '" + option + "'", hint);
  }

  CLI::App app_{"A cycle-level simulator of x86 address translation under VMX with EPT.", "eptsim"};
  std::map<std::string, CLI::App*> groups_;
  std::vector<std::unique_ptr<Command>> commands_;
  std::vector<std::pair<CLI::App*, Command*>> leaves_;
};

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

}  // namespace

int run_program(int argc, char** argv) {
  try {
    Tree tree;
    return static_cast<int>(tree.run(argc, argv));
  } catch (const InputError& error) {
    say(error_line(error));
    return static_cast<int>(Status::kBadInput);
  } catch (const Interrupted&) {
    say("eptsim: interrupted");
    return static_cast<int>(Status::kInterrupted);
  } catch (const std::exception& error) {
    say(std::string("eptsim: internal error: ") + error.what());
    return static_cast<int>(Status::kInternal);
  }
}

}  // namespace eptsim::sim
