#include "sim/cli/child_process.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

namespace eptsim::sim {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// Lets a child end with its parent, and take SIGTERM more than once: from a terminal or a process
/// group, and passed on by the parent.
void follow(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(static_cast<int>(Status::kInterrupted));
  struct sigaction action{};
  ::sigaction(SIGTERM, nullptr, &action);
  action.sa_flags &= ~static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGTERM, &action, nullptr);
}

Status lived(const std::function<Status()>& life) {
  try {
    return life();
  } catch (const InputError& error) {
    std::fprintf(stderr, "%s\n", error_line(error).c_str());
    return Status::kBadInput;
  } catch (const Interrupted&) {
    return Status::kInterrupted;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "eptsim: internal error: %s\n", error.what());
    return Status::kInternal;
  }
}

}  // namespace

std::string Ending::text() const {
  return signal == 0 ? "exit status " + std::to_string(status)
                     : "killed by signal " + std::to_string(signal);
}

ChildProcess::ChildProcess(const std::function<Status()>& life) {
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ < 0) fail("starting a child process");
  if (process_ == 0) {
    follow(parent);
    const Status status = lived(life);
    std::fflush(stderr);
    // Not through exit: what the parent set up is the parent's to take down.
    ::_exit(static_cast<int>(status));
  }
  // Not through the function of this name: the library's header of 2.36 is for C alone.
  ended_ = static_cast<int>(::syscall(SYS_pidfd_open, process_, 0));
  if (ended_ < 0) {
    const int error = errno;
    ::kill(process_, SIGKILL);
    wait();
    errno = error;
    fail("watching a child process");
  }
}

ChildProcess::~ChildProcess() {
  if (!waited_) {
    ::kill(process_, SIGKILL);
    wait();
  }
  ::close(ended_);
}

void ChildProcess::terminate() {
  if (!terminated_) ::kill(process_, SIGTERM);
  terminated_ = true;
}

Ending ChildProcess::wait() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) fail("waiting for a child process");
  }
  waited_ = true;
  if (WIFSIGNALED(status)) return {.status = 0, .signal = WTERMSIG(status)};
  return {.status = WEXITSTATUS(status), .signal = 0};
}

}  // namespace eptsim::sim
