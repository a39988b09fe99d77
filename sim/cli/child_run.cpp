#include "sim/cli/child_run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "sim/cli/run_trace.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void send(int pipe, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(pipe, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("sending results to the parent");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

constexpr int kLookAgain = 100;  // milliseconds

/// What `child` sends until it closes the pipe. `stop` is passed on to it: a signal that was sent
/// to this process alone hasn't reached it.
std::string receive(int pipe, pid_t child, const std::atomic<bool>& stop) {
  std::string text;
  std::array<char, 65536> buffer;
  bool passed_on = false;
  while (true) {
    if (stop && !passed_on) {
      ::kill(child, SIGTERM);
      passed_on = true;
    }
    pollfd readable{.fd = pipe, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&readable, 1, kLookAgain);
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    if (ready < 0) fail("waiting for results of a child");
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("reading results of a child");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
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

/// The child's whole life: its exit status.
Status run_and_send(const RunRequest& request, const std::atomic<bool>& stop, int pipe) {
  try {
    const RunReport report = run_trace(request, stop);
    send(pipe, json_text(stats_document(report)));
    return status_of(report);
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

ChildRun run_in_child(const RunRequest& request, const std::atomic<bool>& stop) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("making a pipe");
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) fail("starting a child process");
  if (child == 0) {
    follow(parent);
    ::close(ends[0]);
    // Not through exit: what the parent set up is the parent's to take down.
    ::_exit(static_cast<int>(run_and_send(request, stop, ends[1])));
  }
  ::close(ends[1]);
  const std::string text = receive(ends[0], child, stop);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waiting for a child process");
  }
  if (stop && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)
    return {.status = Status::kInterrupted, .document = {}};
  if (!WIFEXITED(status)) {
    throw std::runtime_error("a run was ended by signal " + std::to_string(WTERMSIG(status)));
  }
  ChildRun run;
  run.status = static_cast<Status>(WEXITSTATUS(status));
  if (!text.empty()) run.document = Json::parse(text);
  return run;
}

}  // namespace eptsim::sim
