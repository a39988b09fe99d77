#pragma once

#include <atomic>
#include <csignal>

namespace eptsim::sim {

/// While it lives, SIGINT and SIGTERM ask a run to stop instead of ending the program. A second
/// one ends it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Set once one has come.
  static const std::atomic<bool>& asked();

 private:
  struct sigaction before_interrupt_{};
  struct sigaction before_terminate_{};
};

}  // namespace eptsim::sim
