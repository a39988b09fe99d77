#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/cli/run_options.hpp"
#include "sim/output/output_file.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {

/// The files of a run's checkpoints: that which it goes on from, and that which it writes.
class CheckpointFile {
 public:
  /// Finds out now what can't be read or written. Throws InputError.
  explicit CheckpointFile(const RunRequest& request);

  /// Says in the settings of a run that is about to begin what is to be done with them.
  void prepare(RunReport& report);

  /// Says on standard error if a run that came to its end has written none.
  void report() const;

 private:
  std::optional<std::string> path_;
  std::optional<OutputFile> file_;
  std::string resume_;  ///< bytes
  std::string resume_name_;
  std::uint64_t written_ = 0;
};

}  // namespace eptsim::sim
