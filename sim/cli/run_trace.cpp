#include "sim/cli/run_trace.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "sim/cli/checkpoint_file.hpp"
#include "sim/cli/reference_file.hpp"
#include "sim/cli/table_files.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

/// How much of the run is done: of the accesses to come, or of the files where their number isn't
/// known; whichever ends the run earlier.
std::optional<double> fraction_done(const RunSettings& settings, const CoreTracesOf& traces,
                                    std::uint64_t accesses) {
  std::optional<double> fraction = traces.fraction_read(accesses);
  if (settings.limit) {
    const std::uint64_t total = (settings.warmup + *settings.limit) * traces.cores().size();
    const double part = static_cast<double>(accesses) / static_cast<double>(total);
    fraction = fraction ? std::max(*fraction, part) : part;
  }
  return fraction;
}

}  // namespace

OpenedRun open_run(const RunRequest& request) {
  RunReport report;
  report.settings = request.settings;
  report.machine_name = request.machine_name;
  report.machine_changes = request.changes;

  // Before the run: a file that is replaced meanwhile is not what was run.
  std::vector<TraceReport> reports;
  for (const std::string& path : request.trace_paths) {
    reports.push_back({.path = path, .format = {}, .hash = hash_of_trace(path)});
  }
  CoreTracesOf traces(request.trace_paths, request.format, request.settings.machine);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    reports[i].format = traces.traces()[i]->format();
    if (request.fetch == true && !traces.traces()[i]->has_fetches()) {
      throw InputError("--fetch on", "there are no instruction fetches in " + reports[i].path);
    }
  }
  report.trace_path = reports.front().path;
  report.trace_format = reports.front().format;
  report.trace_hash = reports.front().hash;
  report.more_traces.assign(reports.begin() + 1, reports.end());
  report.settings.fetch = traces.have_fetches() && request.fetch.value_or(true);
  return {.report = std::move(report), .traces = std::move(traces)};
}

RunResult simulate(const RunSettings& settings, const CoreTracesOf& traces, ProgressMode shown,
                   const std::atomic<bool>& stop) {
  Progress progress(shown, std::string(name(settings.mode)));
  return simulate(settings, traces.cores(), stop, [&](std::uint64_t accesses) {
    progress.update(accesses, fraction_done(settings, traces, accesses));
  });
}

void require_measured(const RunReport& report) {
  if (report.result.accesses != 0) return;
  if (report.result.error) throw *report.result.error;
  if (report.result.partial) return;
  throw InputError(report.trace_path,
                   report.settings.warmup > 0
                       ? "the trace ends within the warm-up, and nothing was counted"
                       : "there is no access in this trace");
}

std::uint64_t peak_memory_bytes() {
  std::uint64_t kib = 0;
  for (const auto whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(whose, &usage);
    kib = std::max(kib, static_cast<std::uint64_t>(usage.ru_maxrss));
  }
  return kib * 1024;
}

RunReport run_trace(const RunRequest& request, const std::atomic<bool>& stop) {
  CheckpointFile checkpoint(request);
  auto [report, traces] = open_run(request);
  const TableFiles tables(request, report);
  std::optional<ReferenceFile> references;
  if (request.references) references.emplace(*request.references, report.settings.warmup == 0);
  if (references) report.settings.observer = &*references;
  checkpoint.prepare(report);
  const auto begin = std::chrono::steady_clock::now();
  report.result = simulate(report.settings, traces, request.progress, stop);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  if (!report.result.partial) checkpoint.report();
  if (references) references->finish();
  tables.write();
  report.settings.observer = nullptr;
  report.settings.take_lists = {};
  report.wall_seconds = taken.count();
  report.peak_memory_bytes = peak_memory_bytes();
  require_measured(report);
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
