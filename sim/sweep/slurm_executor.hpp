#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "sim/sweep/executor.hpp"

namespace eptsim::sim::sweep {

/// Runs points as a job array of Slurm, in tasks of several points each. They leave their results
/// in the sweep's folder, which all nodes must see under the same path. An array outlives the sweep
/// that submitted it: the next one in the same folder waits for it before it submits what is left.
class SlurmExecutor : public Executor {
 public:
  struct Settings {
    std::filesystem::path folder;       ///< of the sweep's results, absolute
    std::filesystem::path sweep_file;   ///< a copy of it, for the tasks
    std::filesystem::path paths_from;   ///< where the paths in it start
    std::optional<std::uint64_t> jobs;  ///< tasks at a time; nothing: as Slurm says
    double seconds_per_point = 0;       ///< about; 0: not known yet
  };

  /// Throws InputError if there is no Slurm.
  explicit SlurmExecutor(Settings settings);
  void run(const Work& work, const std::atomic<bool>& stop, Watcher& watcher) override;

 private:
  /// The tasks of this sweep that wait or run.
  struct Tasks {
    std::size_t all = 0;
    std::size_t running = 0;
  };
  Tasks tasks() const;
  void submit(const Work& work, const std::vector<std::size_t>& points) const;
  void cancel() const;
  /// Until none of its tasks is left. Tells the watcher of points that become done.
  void wait(const Work& work, std::vector<std::size_t>& open, const std::atomic<bool>& stop,
            Watcher& watcher) const;

  Settings settings_;
  std::string job_name_;  ///< the same for every sweep in this folder
};

}  // namespace eptsim::sim::sweep
