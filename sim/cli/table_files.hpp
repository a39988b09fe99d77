#pragma once

#include <optional>

#include "sim/cli/run_options.hpp"
#include "sim/output/output_file.hpp"
#include "sim/statistics/run_report.hpp"

namespace eptsim::sim {

/// The files of tables that a run begins with, and of those that it ends with.
class TableFiles {
 public:
  /// Reads into `report` what is mapped from the beginning, and where that is said. Finds out now
  /// what can't be read or written. Throws InputError.
  TableFiles(const RunRequest& request, RunReport& report);
  TableFiles(const TableFiles&) = delete;
  TableFiles& operator=(const TableFiles&) = delete;

  /// Writes what was mapped at the end. Throws InputError.
  void write() const;

 private:
  std::optional<OutputFile> guest_;
  std::optional<OutputFile> host_;
  PageLists at_end_;
};

}  // namespace eptsim::sim
