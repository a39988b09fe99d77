#include "sim/cli/child_run.hpp"

#include <utility>

#include "sim/cli/child_group.hpp"
#include "sim/cli/run_trace.hpp"
#include "sim/statistics/stats_json.hpp"

namespace eptsim::sim {

std::vector<ChildRun> run_in_children(const std::vector<RunRequest>& requests, unsigned jobs,
                                      const std::atomic<bool>& stop) {
  std::vector<ChildWork> works;
  for (const RunRequest& asked : requests) {
    works.push_back([&](ProgressMode progress, const auto& send) {
      RunRequest request = asked;
      request.progress = progress;
      const RunReport report = run_trace(request, stop);
      send(json_text(stats_document(report)));
      return status_of(report);
    });
  }
  std::vector<ChildRun> runs;
  for (const ChildOutput& output : run_children(works, jobs, requests.front().progress, stop)) {
    ChildRun& run = runs.emplace_back(ChildRun{.status = output.status, .document = {}});
    if (!output.bytes.empty()) run.document = Json::parse(output.bytes);
  }
  return runs;
}

}  // namespace eptsim::sim
