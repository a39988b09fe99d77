#include "sim/sweep/attempt.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "sim/cli/run_trace.hpp"
#include "sim/output/output_file.hpp"
#include "sim/report/report.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim::sweep {
namespace {

/// The log, opened as standard error, and held: by its lock one process at a time is at work. The
/// lock goes with the process, however that ends.
void open_and_hold(const std::filesystem::path& log, const std::atomic<bool>& stop) {
  const int file = ::open(log.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0) throw InputError(log.string(), std::strerror(errno));
  while (::flock(file, LOCK_EX) != 0) {
    if (errno != EINTR) throw InputError(log.string(), std::strerror(errno));
    if (stop) throw Interrupted();
  }
  ::dup2(file, STDERR_FILENO);
  ::close(file);
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

/// The traces were read when the point was named; a file that was replaced since makes it another.
void check_traces(const Point& point, const RunReport& report) {
  std::vector<TraceReport> traces = {{report.trace_path, report.trace_format, report.trace_hash}};
  traces.insert(traces.end(), report.more_traces.begin(), report.more_traces.end());
  for (std::size_t i = 0; i < traces.size(); ++i) {
    if (traces[i].hash == point.trace_hashes[i]) continue;
    throw InputError(traces[i].path, "has changed since the sweep began");
  }
}

Status run(const Point& point, const PointFolder& folder, const std::atomic<bool>& stop) {
  remove_remains(folder.path());
  folder.describe(point);
  const RunReport report = run_trace(point.request, stop);
  check_traces(point, report);
  const Status status = status_of(report);
  if (status != Status::kDone) return status;
  const Json document = stats_document(report);
  OutputFolder results(folder.path().string());
  results.write("report.html", run_report_html(document));
  results.write("stats.json", json_text(document));
  return status;
}

}  // namespace

Status attempt(const Point& point, const PointFolder& folder, const std::atomic<bool>& stop) {
  std::filesystem::create_directories(folder.path());
  open_and_hold(folder.log(), stop);
  if (folder.done()) return Status::kDone;
  const std::time_t now = std::time(nullptr);
  say(fmt::format("begun by process {} on {}, {:%Y-%m-%d %H:%M:%S}", ::getpid(), host_name(),
                  fmt::localtime(now)));
  const Status status = run(point, folder, stop);
  if (status == Status::kDone) say("done");
  return status;
}

}  // namespace eptsim::sim::sweep
