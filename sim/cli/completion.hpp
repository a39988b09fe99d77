#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/cli/command.hpp"

namespace eptsim::sim {

/// What can be typed, as the commands declare it.
struct CommandLine {
  struct Operand {
    std::string name;  ///< "--mode"; of an argument "TRACE"
    std::string help;
    std::string value;                ///< what stands for the value: "FILE|-"; empty without one
    bool files = false;               ///< a value may be a file or folder
    bool several = false;             ///< it may be given several times
    bool required = false;            ///< of an argument
    std::vector<std::string> values;  ///< words that a value may be, or begin with

    bool takes_value() const { return !value.empty(); }
  };
  struct Leaf {
    std::string name;  ///< "run", "trace info"
    std::string help;
    std::vector<Operand> options;
    std::vector<Operand> arguments;
    std::string footer;  ///< examples
  };
  std::vector<Leaf> commands;
};

/// Of `commands`, none of which is run.
CommandLine command_line_of(const std::vector<std::unique_ptr<Command>>& commands);

/// A script that has a shell complete what is typed.
std::string bash_completion(const CommandLine& line);
std::string zsh_completion(const CommandLine& line);
std::string fish_completion(const CommandLine& line);

}  // namespace eptsim::sim
