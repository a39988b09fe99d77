#include "sim/cli/child_group.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "sim/cli/child_process.hpp"

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

constexpr int kLookAgain = 100;                 // milliseconds
constexpr std::string_view kWipe = "\r\x1b[K";  // of a line of progress

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("making a pipe");
    out = ends[0];
    in = ends[1];
  }
  int out = -1;
  int in = -1;
};

/// A child and the pipes that it writes to.
class Child {
 public:
  Child(const ChildWork& work, bool shows_progress)
      : shows_progress_(shows_progress), process_([&] {
          ::dup2(messages_.in, STDERR_FILENO);
          return work(shows_progress ? ProgressMode::kAlways : ProgressMode::kNever,
                      [this](std::string_view bytes) { send(results_.in, bytes); });
        }) {
    ::close(results_.in);
    ::close(messages_.in);
  }

  bool shows_progress() const { return shows_progress_; }
  std::array<pollfd, 2> readable() const {
    return {pollfd{.fd = results_.out, .events = POLLIN, .revents = 0},
            pollfd{.fd = messages_.out, .events = POLLIN, .revents = 0}};
  }
  void terminate() { process_.terminate(); }
  /// Reads what is there. Returns whether the child has closed both pipes.
  bool receive(const std::array<pollfd, 2>& ready) {
    if (ready[0].revents != 0) {
      take(results_.out, [this](std::string_view text) { bytes_ += text; });
    }
    if (ready[1].revents != 0) {
      take(messages_.out, [this](std::string_view text) { say(text); });
    }
    return results_.out < 0 && messages_.out < 0;
  }
  ChildOutput end() {
    if (shows_progress_) send(STDERR_FILENO, kWipe);
    const Ending ending = process_.wait();
    if (process_.terminated() && ending.signal == SIGTERM) return {};
    if (ending.signal != 0) {
      throw std::runtime_error("a run was ended by signal " + std::to_string(ending.signal));
    }
    return {.status = static_cast<Status>(ending.status), .bytes = std::move(bytes_)};
  }
  const std::vector<std::string>& said() const { return said_; }

 private:
  template <typename Use>
  static void take(int& pipe, Use use) {
    std::array<char, 65536> buffer;
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return;
    if (got < 0) fail("reading results of a child");
    if (got > 0) return use(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    ::close(pipe);
    pipe = -1;
  }
  /// Progress is written over from a carriage return on; all else is whole lines.
  void say(std::string_view text) {
    if (shows_progress_ && text.find('\n') == std::string_view::npos) {
      send(STDERR_FILENO, text);
    }
    for (const char letter : text) {
      if (letter == '\n') {
        line_.erase(0, line_.find_last_of('\r') + 1);
        if (line_.starts_with(kWipe.substr(1))) line_.erase(0, kWipe.size() - 1);
        said_.push_back(std::exchange(line_, {}));
      } else {
        line_ += letter;
      }
    }
  }

  Pipe results_;
  Pipe messages_;
  bool shows_progress_;
  ChildProcess process_;
  std::string bytes_;
  std::string line_;
  std::vector<std::string> said_;
};

}  // namespace

std::vector<ChildOutput> run_children(const std::vector<ChildWork>& works, unsigned jobs,
                                      ProgressMode progress, const std::atomic<bool>& stop) {
  std::vector<ChildOutput> outputs(works.size());
  std::vector<std::vector<std::string>> said(works.size());
  std::map<std::size_t, Child> under_way;  // by number of the work
  std::size_t next = 0;
  bool failed = false;
  const bool on_terminal = ::isatty(STDERR_FILENO) == 1;
  while (true) {
    while (!stop && !failed && next < works.size() && under_way.size() < jobs) {
      bool shows =
          progress == ProgressMode::kAlways || (progress == ProgressMode::kAuto && on_terminal);
      for (const auto& [number, child] : under_way) shows = shows && !child.shows_progress();
      under_way.try_emplace(next, works[next], shows);
      ++next;
    }
    if (under_way.empty()) break;
    std::vector<pollfd> readable;
    for (const auto& [number, child] : under_way) {
      for (const pollfd& pipe : child.readable()) readable.push_back(pipe);
    }
    const int ready = ::poll(readable.data(), readable.size(), kLookAgain);
    if (ready < 0 && errno != EINTR) fail("waiting for results of a child");
    if (stop) {
      for (auto& [number, child] : under_way) child.terminate();
    }
    if (ready <= 0) continue;
    auto pipe = readable.begin();
    for (auto at = under_way.begin(); at != under_way.end();) {
      auto& [number, child] = *at;
      const std::array<pollfd, 2> pipes = {pipe[0], pipe[1]};
      pipe += 2;
      if (!child.receive(pipes)) {
        ++at;
        continue;
      }
      outputs[number] = child.end();
      said[number] = child.said();
      failed = failed ||
               (outputs[number].bytes.empty() && outputs[number].status != Status::kInterrupted);
      at = under_way.erase(at);
    }
  }
  std::set<std::string> told;
  for (const auto& lines : said) {
    for (const std::string& line : lines) {
      if (told.insert(line).second) std::fprintf(stderr, "%s\n", line.c_str());
    }
  }
  return outputs;
}

}  // namespace eptsim::sim
