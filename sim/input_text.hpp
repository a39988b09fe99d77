#pragma once

#include <string>

namespace eptsim::sim {

/// The bytes of the file at `path`, or of standard input if that is "-". Throws InputError.
std::string read_text(const std::string& path);

/// What messages call the file at `path`: standard input has no name of its own.
inline std::string input_name(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

}  // namespace eptsim::sim
