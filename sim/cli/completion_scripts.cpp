#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "sim/cli/completion.hpp"

namespace eptsim::sim {
namespace {

using Operand = CommandLine::Operand;
using Leaf = CommandLine::Leaf;

/// A word that stands at the first place of a command line: a command, or a group of some.
struct Word {
  std::string name;
  std::string help;
  std::vector<const Leaf*> leaves;  ///< of a group
};

std::vector<Word> first_words(const CommandLine& line) {
  std::vector<Word> words;
  for (const Leaf& leaf : line.commands) {
    const std::size_t space = leaf.name.find(' ');
    const std::string name = leaf.name.substr(0, space);
    if (space == std::string::npos) {
      words.push_back({name, leaf.help, {}});
      continue;
    }
    if (words.empty() || words.back().name != name) words.push_back({name, "", {}});
    Word& group = words.back();
    group.leaves.push_back(&leaf);
    group.help += (group.help.empty() ? "" : ", ") + leaf.name.substr(space + 1);
  }
  return words;
}

std::string second_word(const Leaf& leaf) { return leaf.name.substr(leaf.name.find(' ') + 1); }

/// `text` within single quotes of a shell, in which `quote` is what a quote becomes.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string out = "'";
  for (const char letter : text) {
    if (letter == '\'') {
      out += quote;
    } else {
      out += letter;
    }
  }
  return out + "'";
}

constexpr std::string_view kPosixQuote = R"('\'')";

/// Whether words go on after what is completed: "tlb.l2.entries=".
bool go_on(const Operand& operand) {
  return std::ranges::any_of(operand.values,
                             [](const std::string& word) { return word.ends_with('='); });
}

std::string names_of_groups(const std::vector<Word>& words, std::string_view between) {
  std::string names;
  for (const Word& word : words) {
    if (word.leaves.empty()) continue;
    names += (names.empty() ? "" : std::string(between)) + word.name;
  }
  return names;
}

std::string bash_line(const Operand& operand) {
  return fmt::format("values='{}'{}", fmt::join(operand.values, " "),
                     operand.files ? " files=1" : "");
}

/// The text of `[…]` in a specification of zsh's _arguments.
std::string zsh_help(const std::string& help) {
  std::string out;
  for (const char letter : help) {
    if (letter == '[' || letter == ']' || letter == ':' || letter == '\\') out += '\\';
    out += letter;
  }
  return out;
}

/// What zsh does to complete a value.
std::string zsh_action(const Operand& operand) {
  const std::string words = fmt::format("{}", fmt::join(operand.values, " "));
  if (go_on(operand)) return fmt::format("{{compadd -S \"\" -- {}}}", words);
  if (operand.values.empty()) return operand.files ? "_files" : " ";
  if (!operand.files) return "(" + words + ")";
  return fmt::format("{{_alternative \"words:value:({})\" \"files:file:_files\"}}", words);
}

std::string fish_values(const Operand& operand) {
  if (!operand.takes_value()) return "";
  const std::string words =
      operand.values.empty() ? "" : fmt::format(" -a '{}'", fmt::join(operand.values, " "));
  return (operand.files ? " -r -F" : " -x") + words;
}

}  // namespace

std::string bash_completion(const CommandLine& line) {
  const std::vector<Word> words = first_words(line);
  std::string first;
  std::string second;
  for (const Word& word : words) {
    first += word.name + " ";
    if (word.leaves.empty()) continue;
    std::string names;
    for (const Leaf* leaf : word.leaves) names += second_word(*leaf) + " ";
    second += fmt::format("    {}) values='{}--help' ;;\n", word.name, names);
  }
  std::string operands;
  for (const Leaf& leaf : line.commands) {
    std::string options;
    for (const Operand& option : leaf.options) {
      options += (options.empty() ? "" : " ") + option.name;
      if (!option.takes_value()) continue;
      operands += fmt::format("    '{} {}') {} ;;\n", leaf.name, option.name, bash_line(option));
    }
    const Operand argument = leaf.arguments.empty() ? Operand{} : leaf.arguments.front();
    operands +=
        fmt::format("    '{} '*) {} options='{}' ;;\n", leaf.name, bash_line(argument), options);
  }
  return fmt::format(R"(# Has bash complete eptsim's command line. Made by: eptsim completion bash
_eptsim() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command=${{COMP_WORDS[1]}} depth=1 values= options= files=
  # Bash takes the = of --mode=native for a word.
  [[ $word == = ]] && word= || [[ $before != = ]] || before=${{COMP_WORDS[COMP_CWORD - 2]}}
  case $command in
    {}) command+=" ${{COMP_WORDS[2]}}" depth=2 ;;
  esac
  if ((COMP_CWORD == 1)); then
    values='{}--help --version'
  elif ((COMP_CWORD <= depth)); then
    case ${{COMP_WORDS[1]}} in
{}    esac
  else
    case "$command $before" in
{}    esac
    [[ $word == -* && $options ]] && values=$options files=
  fi
  mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  {{
    [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
    [[ $files ]] && compopt -o default
  }} 2>/dev/null
  return 0
}}
complete -F _eptsim eptsim
)",
                     names_of_groups(words, " | "), first, second, operands);
}

std::string zsh_completion(const CommandLine& line) {
  const auto described = [](const std::string& name, const std::string& help) {
    return fmt::format("      {}\n", quoted(name + ":" + help, kPosixQuote));
  };
  const std::vector<Word> words = first_words(line);
  std::string first;
  std::string groups;
  for (const Word& word : words) {
    first += described(word.name, word.help);
    if (word.leaves.empty()) continue;
    std::string names;
    for (const Leaf* leaf : word.leaves) names += described(second_word(*leaf), leaf->help);
    groups += fmt::format("      {}) commands=(\n{}      ) ;;\n", word.name, names);
  }
  std::string leaves;
  for (const Leaf& leaf : line.commands) {
    leaves += fmt::format("    {}) _arguments \\\n", quoted(leaf.name, kPosixQuote));
    for (const Operand& option : leaf.options) {
      std::string text = fmt::format("*{}[{}]", option.name, zsh_help(option.help));
      if (option.takes_value()) text += ":value:" + zsh_action(option);
      leaves += "      " + quoted(text, kPosixQuote) + " \\\n";
    }
    for (const Operand& argument : leaf.arguments) {
      leaves += "      " +
                quoted(fmt::format("*:{}:{}", argument.name, zsh_action(argument)), kPosixQuote) +
                " \\\n";
      break;  // the others are like it
    }
    leaves += "      ;;\n";
  }
  return fmt::format(R"(#compdef eptsim
# Has zsh complete eptsim's command line. Made by: eptsim completion zsh
_eptsim() {{
  local -a commands
  local command=$words[2]
  if ((CURRENT == 2)); then
    commands=(
{}    )
    _describe command commands
    return
  fi
  if [[ $command == ({}) ]]; then
    if ((CURRENT == 3)); then
      case $command in
{}      esac
      _describe command commands
      return
    fi
    command+=" $words[3]"
    shift words
    ((CURRENT--))
  fi
  shift words
  ((CURRENT--))
  case $command in
{}  esac
}}
if [[ $funcstack[1] == _eptsim ]]; then _eptsim "$@"; else compdef _eptsim eptsim; fi
)",
                     first, names_of_groups(words, "|"), groups, leaves);
}

std::string fish_completion(const CommandLine& line) {
  constexpr std::string_view kQuote = R"(\')";
  std::string out = R"(# Has fish complete eptsim's command line. Made by: eptsim completion fish
function __eptsim_in --description 'Whether the command line begins with this command'
    set -l words (commandline -opc)
    string match -q -- "$argv[1] *" "$words[2..] "
end
function __eptsim_at --description 'Whether this, and nothing more, stands there'
    set -l words (commandline -opc)
    test "$words[2..]" = "$argv[1]"
end
complete -c eptsim -f
complete -c eptsim -n '__eptsim_at ""' -l version -d 'Say the version and how it was built'
)";
  for (const Word& word : first_words(line)) {
    out += fmt::format("complete -c eptsim -n '__eptsim_at \"\"' -a {} -d {}\n", word.name,
                       quoted(word.help, kQuote));
    for (const Leaf* leaf : word.leaves) {
      out += fmt::format("complete -c eptsim -n '__eptsim_at {}' -a {} -d {}\n", word.name,
                         second_word(*leaf), quoted(leaf->help, kQuote));
    }
  }
  for (const Leaf& leaf : line.commands) {
    const std::string here = fmt::format("complete -c eptsim -n '__eptsim_in \"{}\"'", leaf.name);
    for (const Operand& option : leaf.options) {
      out += fmt::format("{} -l {}{} -d {}\n", here, option.name.substr(2), fish_values(option),
                         quoted(option.help, kQuote));
    }
    if (leaf.arguments.empty()) continue;
    const Operand& argument = leaf.arguments.front();
    if (argument.files) out += here + " -F\n";
    if (!argument.values.empty()) {
      out += fmt::format("{} -a '{}'\n", here, fmt::join(argument.values, " "));
    }
  }
  return out;
}

}  // namespace eptsim::sim
