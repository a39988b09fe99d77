#include "sim/sweep/local_executor.hpp"

#include <poll.h>

#include <cerrno>
#include <map>
#include <system_error>

#include "sim/cli/child_process.hpp"
#include "sim/sweep/attempt.hpp"

namespace eptsim::sim::sweep {
namespace {

constexpr int kLookAgain = 100;  // milliseconds

/// Those of `children` that have ended, by number of their point.
std::vector<std::size_t> ended(const std::map<std::size_t, ChildProcess>& children) {
  std::vector<pollfd> files;
  for (const auto& [point, child] : children) {
    files.push_back({.fd = child.ended(), .events = POLLIN, .revents = 0});
  }
  if (::poll(files.data(), files.size(), kLookAgain) < 0 && errno != EINTR) {
    throw std::system_error(errno, std::generic_category(), "waiting for a point");
  }
  std::vector<std::size_t> points;
  auto file = files.begin();
  for (const auto& [point, child] : children) {
    if ((file++)->revents != 0) points.push_back(point);
  }
  return points;
}

}  // namespace

void LocalExecutor::run(const Work& work, const std::atomic<bool>& stop, Watcher& watcher) {
  std::map<std::size_t, ChildProcess> children;
  auto next = work.numbers.begin();
  while (true) {
    while (!stop && next != work.numbers.end() && children.size() < jobs_) {
      const std::size_t point = *next++;
      children.try_emplace(point,
                           [&] { return attempt(work.points[point], work.folders[point], stop); });
      watcher.began(point);
    }
    if (children.empty()) return;
    const std::vector<std::size_t> over = ended(children);
    if (stop) {
      for (auto& [point, child] : children) child.terminate();
    }
    for (const std::size_t point : over) {
      const Ending ending = children.at(point).wait();
      children.erase(point);
      // What stands in the folder counts: a child may be killed after all is done.
      const bool done = work.folders[point].done();
      if (stop && !done) continue;
      if (!done) work.folders[point].note(ending.text());
      watcher.ended(point, done ? std::string() : ending.text());
    }
    watcher.time_passes(children.size());
  }
}

}  // namespace eptsim::sim::sweep
