#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/cli/command.hpp"
#include "sim/output/progress.hpp"
#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// One run, as the command line asks for it.
struct RunRequest {
  RunSettings settings;  ///< `fetch` yet to be joined with what the trace has
  std::string machine_name;
  std::vector<std::string> changes;      ///< of --set
  std::vector<std::string> trace_paths;  ///< at least one
  std::optional<std::string> format;
  std::optional<bool> fetch;  ///< nothing: as the trace has them
  ProgressMode progress = ProgressMode::kAuto;
  std::optional<std::string> checkpoint;  ///< the file to write
  std::optional<std::string> resume;      ///< the file to go on from
};

/// The options that `run` and `compare` share.
class RunOptions {
 public:
  void declare(Options& options, bool with_mode);
  /// Checks them all. Throws InputError.
  RunRequest resolve() const;
  /// The same for each trace by itself.
  std::vector<RunRequest> resolve_each() const;

  std::optional<std::string> output;  ///< --output
  std::optional<std::string> json;    ///< --json

 private:
  std::vector<std::string> traces_;
  std::optional<std::string> machine_;
  std::vector<std::string> set_;
  std::optional<std::string> mode_;
  std::optional<std::string> guest_page_;
  std::optional<std::string> ept_page_;
  std::optional<std::uint64_t> warmup_;
  std::optional<std::uint64_t> limit_;
  std::optional<std::uint64_t> seed_;
  std::optional<std::string> walker_;
  std::optional<std::string> detail_;
  std::optional<std::string> fetch_;
  std::optional<std::string> format_;
  std::optional<std::string> progress_;
  std::optional<std::string> checkpoint_;
  std::optional<std::uint64_t> checkpoint_every_;
  std::optional<std::string> resume_;
};

}  // namespace eptsim::sim
