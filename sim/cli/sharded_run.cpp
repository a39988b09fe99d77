#include "sim/cli/sharded_run.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "sim/cli/child_group.hpp"
#include "sim/cli/run_trace.hpp"
#include "sim/run/hot_spots.hpp"
#include "sim/run/result_bytes.hpp"
#include "sim/run/shards.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kBatch = 4096;

void require_one_trace(const RunRequest& request, const CoreTracesOf& traces) {
  const std::string option = "--shards " + std::to_string(request.shards);
  if (traces.cores().size() != 1 || traces.cores().front().size() != 1) {
    throw InputError(option, "this version cuts one trace on one core");
  }
  const std::string& path = request.trace_paths.front();
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (path == "-" || std::filesystem::is_fifo(status) || std::filesystem::is_other(status)) {
    throw InputError(option, path + " can't be read by each part, expected a regular file");
  }
}

/// Accesses in the trace, or `most` if there are more. It is read for that if it doesn't tell. (One
/// across a page boundary counts once here: a cut lies where it does for any reason.)
std::uint64_t accesses_of(const RunRequest& request, bool fetch, std::uint64_t most,
                          const std::atomic<bool>& stop) {
  const auto reader = open_trace(request.trace_paths.front(), request.format);
  const auto total = reader->total_accesses();
  if (total && (fetch || !reader->has_fetches())) return std::min(*total, most);
  std::uint64_t accesses = 0;
  std::vector<Record> records(kBatch);
  try {
    while (accesses < most) {
      if (stop) throw Interrupted();
      const std::size_t count = reader->read(records);
      if (count == 0) break;
      accesses += static_cast<std::uint64_t>(std::count_if(
          records.begin(), records.begin() + static_cast<std::ptrdiff_t>(count),
          [fetch](const Record& record) {
            return is_access(record.kind) && (fetch || record.kind != RecordKind::kFetch);
          }));
    }
  } catch (const InputError&) {
    if (accesses <= request.settings.warmup) throw;
    // Otherwise the part that comes there says it.
  }
  return std::min(accesses, most);
}

/// What a part's process does.
Status run_part(const RunRequest& request, RunSettings settings, ProgressMode progress,
                const std::atomic<bool>& stop, const std::function<void(std::string_view)>& send) {
  settings.hot_spots = HotSpots::kMostRemembered;
  RunResult result;
  try {
    const CoreTracesOf traces(request.trace_paths, request.format, settings.machine);
    result = simulate(settings, traces, progress, stop);
  } catch (const InputError& error) {
    result.partial = true;
    result.error = error;
  }
  send(bytes_of(result));
  return Status::kDone;
}

RunResult result_of_part(const ChildOutput& output) {
  if (!output.bytes.empty()) return result_of(output.bytes);
  if (output.status != Status::kInterrupted) {
    throw std::runtime_error("a part of the run failed");
  }
  RunResult nothing;
  nothing.partial = true;
  return nothing;
}

}  // namespace

RunReport run_sharded(const RunRequest& request, const std::atomic<bool>& stop) {
  const auto begin = std::chrono::steady_clock::now();
  auto [report, traces] = open_run(request);
  require_one_trace(request, traces);
  const RunSettings& settings = report.settings;
  const std::uint64_t most = settings.limit ? settings.warmup + *settings.limit : ~std::uint64_t{0};
  const std::uint64_t accesses = accesses_of(request, settings.fetch, most, stop);
  report.shards = request.shards;
  if (accesses > settings.warmup) {
    std::vector<ChildWork> works;
    for (const RunSettings& part :
         cut_into_shards(settings, request.shards, accesses - settings.warmup)) {
      works.push_back([&request, &stop, part](ProgressMode progress, const auto& send) {
        return run_part(request, part, progress, stop, send);
      });
    }
    const unsigned jobs = request.jobs.value_or(std::max(1u, std::thread::hardware_concurrency()));
    std::vector<RunResult> parts;
    for (const ChildOutput& output : run_children(works, jobs, request.progress, stop)) {
      parts.push_back(result_of_part(output));
    }
    report.result = joined(parts);
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  report.wall_seconds = taken.count();
  report.peak_memory_bytes = peak_memory_bytes();
  require_measured(report);
  return report;
}

}  // namespace eptsim::sim
