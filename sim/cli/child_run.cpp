#include "sim/cli/child_run.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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

std::string receive(int pipe) {
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("reading results of a child");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
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
  } catch (const std::exception& error) {
    std::fprintf(stderr, "eptsim: internal error: %s\n", error.what());
    return Status::kInternal;
  }
}

}  // namespace

ChildRun run_in_child(const RunRequest& request, const std::atomic<bool>& stop) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("making a pipe");
  const pid_t child = ::fork();
  if (child < 0) fail("starting a child process");
  if (child == 0) {
    ::close(ends[0]);
    // Not through exit: what the parent set up is the parent's to take down.
    ::_exit(static_cast<int>(run_and_send(request, stop, ends[1])));
  }
  ::close(ends[1]);
  const std::string text = receive(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waiting for a child process");
  }
  if (!WIFEXITED(status)) {
    throw std::runtime_error("a run was ended by signal " + std::to_string(WTERMSIG(status)));
  }
  ChildRun run;
  run.status = static_cast<Status>(WEXITSTATUS(status));
  if (!text.empty()) run.document = Json::parse(text);
  return run;
}

}  // namespace eptsim::sim
