#include "sim/cli/checkpoint_file.hpp"

#include <cstdio>

#include "sim/settings/machine_file.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

CheckpointFile::CheckpointFile(const RunRequest& request) : path_(request.checkpoint) {
  if (request.resume) {
    resume_name_ = *request.resume;
    resume_ = read_text(resume_name_);
    if (resume_.empty()) throw InputError(resume_name_, "is empty, expected a checkpoint");
  }
  if (path_) file_.emplace(*path_);
}

void CheckpointFile::prepare(CheckpointSettings& settings, const Machine& machine,
                             const std::vector<TraceReport>& traces) {
  if (file_) {
    settings.write = [this](const std::string& bytes) {
      file_->write(bytes);
      ++written_;
    };
  }
  settings.resume = std::move(resume_);
  settings.resume_name = resume_name_;
  for (std::size_t i = 0; i < traces.size(); ++i) {
    const std::string& hash = traces[i].hash;
    settings.same.emplace_back("trace " + std::to_string(i + 1) + " of hash",
                               hash.empty() ? "unknown" : hash);
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
