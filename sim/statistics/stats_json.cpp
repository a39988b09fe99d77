#include "sim/statistics/stats_json.hpp"

#include <fmt/format.h>

#include "sim/settings/parameter.hpp"
#include "sim/version.hpp"

namespace eptsim::sim {
namespace {

Json machine_object(const Machine& machine) {
  Json object = Json::object();
  for (const Parameter& parameter : parameters()) {
    if (!parameter.has_value(machine)) continue;
    const std::uint64_t value = parameter.get(machine);
    Json& place = at_key(object, parameter.key);
    if (parameter.type == Parameter::Type::kWord) {
      place = parameter.words.at(value);
    } else {
      place = value;
    }
  }
  return object;
}

Json trace_object(const TraceReport& trace) {
  Json object = {{"path", trace.path}, {"format", trace.format}};
  if (!trace.hash.empty()) object["hash"] = trace.hash;
  return object;
}

Json tables_object(const TableReport& tables) {
  Json object = {{"path", tables.path}};
  if (!tables.hash.empty()) object["hash"] = tables.hash;
  return object;
}

Json run_object(const RunReport& report) {
  const RunSettings& settings = report.settings;
  Json run = {{"fetch", settings.fetch}, {"warmup", settings.warmup}};
  if (settings.limit) run["limit"] = *settings.limit;
  run["seed"] = settings.machine.hardware.seed;
  if (report.guest_tables) run["guest_tables"] = tables_object(*report.guest_tables);
  if (report.host_tables) run["host_tables"] = tables_object(*report.host_tables);
  if (report.shards > 1) run["shards"] = report.shards;
  return run;
}

/// For people: what data and references of walks go through.
std::string caches_of(const RunSettings& settings) {
  const mmu::MemorySettings& memory = settings.machine.hardware.memory;
  const bool data = settings.detail == Detail::kFull;
  std::string sizes;
  const auto add = [&](std::string_view name, const mmu::MemoryCacheSettings& cache) {
    if (cache.bytes == 0) return;
    const bool mib = cache.bytes % (1u << 20) == 0;
    sizes += fmt::format("{}{} {} {}", sizes.empty() ? "" : ", ", name,
                         cache.bytes >> (mib ? 20 : 10), mib ? "MiB" : "KiB");
  };
  add("L1D", memory.l1d);
  add("L2", memory.l2);
  add("L3", memory.l3);
  if (sizes.empty()) return "no data caches: every reference of a walk goes to memory";
  return fmt::format("{}: for {}, which enter at {}", sizes,
                     data ? "data, and walks" : "walks alone", name(memory.walks_enter_at));
}

}  // namespace

std::string core_model(const RunSettings& settings) {
  if (settings.detail == Detail::kTranslation) return "one instruction a cycle, every miss blocks";
  const CoreSettings& core = settings.machine.core;
  return fmt::format("{} instructions a cycle, a window of {}, {} loads", core.width, core.window,
                     core.loads);
}

Json stats_document(const RunReport& report) {
  const RunResult& result = report.result;
  const Json trace = trace_object({report.trace_path, report.trace_format, report.trace_hash});

  Json document = {
      {"schema_version", kSchemaVersion},
      {"eptsim_version", kVersion},
      {"mode", name(report.settings.mode)},
      {"detail", name(report.settings.detail)},
      {"model", {{"core", core_model(report.settings)}, {"caches", caches_of(report.settings)}}},
      {"partial", result.partial},
  };
  if (result.error) document["error"] = result.error->what();
  if (!result.mismatch.empty()) document["mismatch"] = result.mismatch;
  document["trace"] = trace;
  for (const TraceReport& more : report.more_traces) {
    document["more_traces"].push_back(trace_object(more));
  }
  document["run"] = run_object(report);
  document["machine_name"] = report.machine_name;
  if (!report.machine_changes.empty()) document["machine_changes"] = report.machine_changes;
  document["machine"] = machine_object(report.settings.machine);
  const double seconds = report.wall_seconds;
  document["memory"] = {{"hash", result.memory_hash}};
  document["host"] = {
      {"engine", name(report.settings.walker)},
      {"wall_seconds", seconds},
      {"accesses_per_second", seconds > 0 ? static_cast<double>(result.translated) / seconds : 0.0},
      {"peak_memory_bytes", report.peak_memory_bytes},
  };
  document["stats"] = stats_object(report.settings, result);
  document["units"] = units_object();
  return document;
}

std::string json_text(const Json& document) {
  // A path may be any bytes; JSON is UTF-8.
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace eptsim::sim
