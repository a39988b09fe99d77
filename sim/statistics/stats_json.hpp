#pragma once

#include <string>

#include "sim/statistics/run_report.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {

/// Of stats.json; another one is for a change that readers of this one wouldn't understand.
inline constexpr int kSchemaVersion = 1;

/// The document of stats.json. The same inputs, seed and version give the same, but for `host`.
Json stats_document(const RunReport& report);

/// `document` as the bytes of a file, with a newline at the end.
std::string json_text(const Json& document);

}  // namespace eptsim::sim
