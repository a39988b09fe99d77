#include "sim/cli/run_trace.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kLinearAddressBits = 48;  // guests of this version page with 4 levels

/// How much of the run is done: of the accesses to come, or of the file where their number isn't
/// known; whichever ends the run earlier.
std::optional<double> fraction_done(const RunSettings& settings, const TraceReader& trace,
                                    std::uint64_t accesses) {
  std::optional<double> fraction = trace.fraction_read();
  const auto of = [&](std::uint64_t total) {
    const double part = static_cast<double>(accesses) / static_cast<double>(total);
    fraction = fraction ? std::max(*fraction, part) : part;
  };
  if (const auto total = trace.total_accesses(); total && *total > 0) of(*total);
  if (settings.limit) of(settings.warmup + *settings.limit);
  return fraction;
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

RunReport run_trace(const RunRequest& request, const std::atomic<bool>& stop) {
  RunReport report;
  report.settings = request.settings;
  report.machine_name = request.machine_name;
  report.machine_changes = request.changes;
  report.trace_path = request.trace_path;

  // Before the run: a file that is replaced meanwhile is not what was run.
  report.trace_hash = hash_of_trace(request.trace_path);
  const auto trace = open_trace(request.trace_path, request.format, kLinearAddressBits);
  report.trace_format = trace->format();
  if (request.fetch == true && !trace->has_fetches()) {
    throw InputError("--fetch on", "there are no instruction fetches in " + request.trace_path);
  }
  report.settings.fetch = trace->has_fetches() && request.fetch.value_or(true);

  const auto begin = std::chrono::steady_clock::now();
  {
    Progress progress(request.progress, std::string(name(request.settings.mode)));
    report.result = simulate(report.settings, *trace, stop, [&](std::uint64_t accesses) {
      progress.update(accesses, fraction_done(request.settings, *trace, accesses));
    });
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  report.wall_seconds = taken.count();
  report.peak_memory_bytes = peak_memory_bytes();

  if (report.result.accesses == 0) {
    if (report.result.error) throw *report.result.error;
    if (!report.result.partial) {
      throw InputError(request.trace_path,
                       request.settings.warmup > 0
                           ? "the trace ends within the warm-up, and nothing was counted"
                           : "there is no access in this trace");
    }
  }
  return report;
}

Status status_of(const RunReport& report) {
  if (report.result.error) {
    std::fprintf(stderr, "%s\n", error_line(*report.result.error).c_str());
    return Status::kBadInput;
  }
  if (!report.result.mismatch.empty()) {
    std::fprintf(stderr, "%s: %s", report.trace_path.c_str(), report.result.mismatch.c_str());
    return Status::kMismatch;
  }
  if (!report.result.partial) return Status::kDone;
  std::fprintf(stderr, "%s: interrupted, what was measured so far is reported as partial\n",
               report.trace_path.c_str());
  return Status::kInterrupted;
}

}  // namespace eptsim::sim
