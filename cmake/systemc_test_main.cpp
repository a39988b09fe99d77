#include <gtest/gtest.h>

#include <cstdlib>
#include <systemc>

// The kernel runs once in a process, and so does each test.
int sc_main(int argc, char* argv[]) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// libsystemc has a main of its own; this one is here to silence the banner that it would print.
int main(int argc, char* argv[]) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
  return sc_core::sc_elab_and_sim(argc, argv);
}
