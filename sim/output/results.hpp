#pragma once

#include <string>

#include "sim/output/output_file.hpp"
#include "sim/statistics/run_report.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// Writes what `--output` promises of one run: stats.json and machine.toml. `document` is the run's
/// stats document. Throws InputError.
void write_results(OutputFolder& folder, const Machine& machine, const Json& document);

}  // namespace eptsim::sim
