#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/run/simulation.hpp"

namespace eptsim::sim {

/// A trace as it is reported.
struct TraceReport {
  std::string path;
  std::string format;
  std::string hash;  ///< empty for a pipe
};

/// A file of tables that a run begins with.
struct TableReport {
  std::string path;
  std::string hash;  ///< empty for a pipe
};

/// One run as it is reported: what was asked, what came out, and what it took.
struct RunReport {
  RunSettings settings;
  RunResult result;
  std::string machine_name;                  ///< preset or file, as given
  std::vector<std::string> machine_changes;  ///< "key=value", as given beside it
  std::string trace_path;
  std::string trace_format;
  std::string trace_hash;                ///< empty for a pipe
  std::vector<TraceReport> more_traces;  ///< that ran beside it
  std::optional<TableReport> guest_tables;
  std::optional<TableReport> host_tables;
  unsigned shards = 1;  ///< parts that the run was cut into
  double wall_seconds = 0;
  std::uint64_t peak_memory_bytes = 0;
};

/// What the core is, for people and for stats.json.
std::string core_model(const RunSettings& settings);

constexpr std::string_view name(Mode mode) {
  switch (mode) {
    case Mode::kNative: return "native";
    case Mode::kNested: return "nested";
    case Mode::kShadow: return "shadow";
  }
  return "?";
}
constexpr std::string_view name(Detail detail) {
  return detail == Detail::kFull ? "full" : "translation";
}
constexpr std::string_view name(WalkerKind walker) {
  switch (walker) {
    case WalkerKind::kModel: return "model";
    case WalkerKind::kRtl: return "rtl";
    case WalkerKind::kBoth: return "both";
  }
  return "?";
}

}  // namespace eptsim::sim
