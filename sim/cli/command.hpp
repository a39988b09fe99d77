#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/input_error.hpp"

/// What a command of the program is. To add one: a file beside this with a class and its `make_…`
/// function, and a line in commands.cpp.
namespace eptsim::sim {

/// Exit statuses of the program.
enum class Status : int {
  kDone = 0,
  kMismatch = 1,      ///< a check found one
  kFailed = 1,        ///< a part of what was asked for, which is named
  kBadInput = 2,      ///< bad input or usage
  kInternal = 3,      ///< an error of the program itself
  kInterrupted = 130  ///< by SIGINT, as a shell reports it
};

/// How a command tells its options and arguments. Targets are filled before `Command::run`, and
/// keep their value where an option isn't given. What is given wrongly stops the program before.
class Options {
 public:
  virtual ~Options() = default;

  virtual void flag(const std::string& name, bool& target, const std::string& help) = 0;
  /// `value` names what follows, for the help: "FILE".
  virtual void text(const std::string& name, const std::string& value,
                    std::optional<std::string>& target, const std::string& help) = 0;
  /// May be given several times.
  virtual void texts(const std::string& name, const std::string& value,
                     std::vector<std::string>& target, const std::string& help) = 0;
  /// A whole number, decimal or 0x….
  virtual void number(const std::string& name, std::optional<std::uint64_t>& target,
                      const std::string& help) = 0;
  /// One argument that isn't an option, which must be there if `required`.
  virtual void argument(const std::string& name, std::optional<std::string>& target,
                        const std::string& help, bool required = true) = 0;
  /// All further arguments, at least one.
  virtual void arguments(const std::string& name, std::vector<std::string>& target,
                         const std::string& help) = 0;
  /// Words that a value of the option or argument `name`, declared before, may be, or may begin
  /// with ("tlb.l2.entries="): for shells that complete them. Nothing is checked against them.
  virtual void values(const std::string& name, const std::vector<std::string>& words) {
    static_cast<void>(name);
    static_cast<void>(words);
  }
  /// What stands at the end of the help: examples.
  virtual void footer(const std::string& text) = 0;
};

class Command {
 public:
  virtual ~Command() = default;
  /// As it is typed; "trace info" is the command `info` of the group `trace`.
  virtual std::string name() const = 0;
  /// One line.
  virtual std::string help() const = 0;
  virtual void declare(Options& options) = 0;
  /// Throws InputError for bad input.
  virtual Status run() = 0;
};

/// Every command, in the order of the help.
std::vector<std::unique_ptr<Command>> all_commands();

/// What the program says of `error` on standard error, in one line.
std::string error_line(const InputError& error);

/// A word that an option can take, and what it stands for.
template <typename Value>
using Words = std::vector<std::pair<std::string_view, Value>>;

template <typename Value>
std::vector<std::string> names_of(const Words<Value>& words) {
  std::vector<std::string> names;
  for (const auto& [word, value] : words) names.emplace_back(word);
  return names;
}

/// Throws InputError: `given` isn't one of `words`, or is one of `later`, which a later version
/// has.
[[noreturn]] void refuse_word(const std::string& option, const std::string& given,
                              const std::vector<std::string_view>& words,
                              const std::vector<std::string_view>& later);

/// What `given`, the value of `option`, stands for; `otherwise` if it isn't given. Throws
/// InputError.
template <typename Value>
Value word_of(const std::string& option, const std::optional<std::string>& given,
              const Words<Value>& words, Value otherwise,
              const std::vector<std::string_view>& later = {}) {
  if (!given) return otherwise;
  std::vector<std::string_view> names;
  for (const auto& [word, value] : words) {
    if (*given == word) return value;
    names.push_back(word);
  }
  refuse_word(option, *given, names, later);
}

}  // namespace eptsim::sim
