#pragma once

#include <string>
#include <vector>

namespace eptsim::sim::sweep {

/// `text` as one word of a shell command.
std::string quoted(const std::string& text);

/// Where this program is.
std::string program_path();

/// What a command left behind.
struct Finished {
  int status = 0;  ///< exit status, or 128 and a signal's number; 127 if there is no such command
  std::string out;
  std::string err;
};

/// Runs a command, found as a shell would, and waits for it. Throws std::system_error.
Finished finished(const std::vector<std::string>& command);

}  // namespace eptsim::sim::sweep
