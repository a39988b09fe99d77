#pragma once

namespace eptsim::sim {

/// Parses the command line, runs the command that it names, and returns the program's exit status.
/// Reports every error on standard error.
int run_program(int argc, char** argv);

}  // namespace eptsim::sim
