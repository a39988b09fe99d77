#include "sim/cli/checkpoint_file.hpp"

#include <cstdio>
#include <utility>

#include "sim/input_text.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

CheckpointFile::CheckpointFile(const RunRequest& request) : path_(request.checkpoint) {
  if (request.resume) {
    resume_name_ = input_name(*request.resume);
    resume_ = read_text(*request.resume);
    if (resume_.empty()) throw InputError(resume_name_, "is empty, expected a checkpoint");
  }
  if (path_) file_.emplace(*path_);
}

void CheckpointFile::prepare(RunReport& report) {
  CheckpointSettings& settings = report.settings.checkpoint;
  const Machine& machine = report.settings.machine;
  if (file_) {
    settings.write = [this](const std::string& bytes) {
      file_->write(bytes);
      ++written_;
    };
  }
  settings.resume = std::move(resume_);
  settings.resume_name = resume_name_;
  std::size_t number = 0;
  const auto require_same_trace = [&](const std::string& hash) {
    settings.same.emplace_back("trace " + std::to_string(++number) + " of hash",
                               hash.empty() ? "unknown" : hash);
  };
  require_same_trace(report.trace_hash);
  for (const TraceReport& trace : report.more_traces) require_same_trace(trace.hash);
  for (const auto& [option, file] : {std::pair("--guest-tables", &report.guest_tables),
                                     std::pair("--host-tables", &report.host_tables)}) {
    if (*file) settings.same.emplace_back(option, (*file)->hash);
  }
  settings.same.emplace_back("--seed", std::to_string(machine.hardware.seed));
  for (const Parameter& parameter : parameters()) {
    // On what no result depends may differ.
    if (parameter.key == "simulation.lockstep" || !parameter.has_value(machine)) continue;
    settings.same.emplace_back(parameter.key, parameter.text(machine));
  }
}

void CheckpointFile::report() const {
  if (!file_ || written_ != 0) return;
  std::fprintf(stderr, "%s: no checkpoint was written, for the run didn't come to one\n",
               path_->c_str());
}

}  // namespace eptsim::sim
