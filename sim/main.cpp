#include <cstdlib>
#include <systemc>

#include "sim/cli/parser.hpp"

int sc_main(int argc, char* argv[]) { return eptsim::sim::run_program(argc, argv); }

// libsystemc has a main of its own; this one is here to silence the banner that it would print.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
