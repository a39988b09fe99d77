#include <gtest/gtest.h>

#include <systemc>

// libsystemc owns main and calls this. The kernel runs once in a process, and so does each test.
int sc_main(int argc, char* argv[]) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
