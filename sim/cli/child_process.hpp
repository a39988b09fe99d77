#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "sim/cli/command.hpp"

namespace eptsim::sim {

/// How a process ended: with an exit status, or by a signal.
struct Ending {
  int status = 0;
  int signal = 0;  ///< 0: it ended by itself

  bool with(Status expected) const { return signal == 0 && status == static_cast<int>(expected); }
  /// "exit status 2", "killed by signal 9".
  std::string text() const;
};

/// A process forked from this one, which is asked to end when this one ends, however that comes: a
/// run of its own, for SystemC has one kernel a process.
class ChildProcess {
 public:
  /// The child's whole life is `life`, whose result is its exit status. Throws std::system_error if
  /// there can't be one.
  explicit ChildProcess(const std::function<Status()>& life);
  ~ChildProcess();  ///< kills it if nobody has waited for it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t id() const { return process_; }
  /// A file that poll() finds readable once the child has ended.
  int ended() const { return ended_; }
  /// Sends SIGTERM, the first time.
  void terminate();
  bool terminated() const { return terminated_; }
  /// Waits for its end.
  Ending wait();

 private:
  pid_t process_ = 0;
  int ended_ = -1;
  bool terminated_ = false;
  bool waited_ = false;
};

}  // namespace eptsim::sim
