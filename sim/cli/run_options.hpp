#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/cli/command.hpp"
#include "sim/cli/machine_options.hpp"
#include "sim/cli/reference_file.hpp"
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
  std::optional<ReferenceOptions> references;
  std::optional<std::string> guest_tables;  ///< files that say what is mapped from the beginning
  std::optional<std::string> host_tables;
  std::optional<std::string> write_guest_tables;  ///< and those for what is at the end
  std::optional<std::string> write_host_tables;
  unsigned shards = 1;           ///< parts that the run is cut into
  std::optional<unsigned> jobs;  ///< of them, at a time; nothing: as the host has processors
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
  std::optional<ReferenceOptions> references(const RunSettings& settings) const;
  void check_tables(const RunSettings& settings) const;

  std::vector<std::string> traces_;
  MachineOptions machine_{"default", "The machine"};
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
  std::optional<std::string> guest_tables_;
  std::optional<std::string> host_tables_;
  std::optional<std::string> write_guest_tables_;
  std::optional<std::string> write_host_tables_;
  std::optional<std::string> references_;
  std::optional<std::string> references_format_;
  std::optional<std::string> references_at_;
  std::optional<std::string> references_of_;
  std::optional<std::uint64_t> shards_;
  std::optional<std::uint64_t> jobs_;
};

}  // namespace eptsim::sim
