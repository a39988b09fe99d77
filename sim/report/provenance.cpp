#include "sim/report/sections.hpp"

#include <algorithm>
#include <functional>

#include "sim/output/differences.hpp"
#include "sim/output/style.hpp"
#include "sim/report/table.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim::report {
namespace {

void add_settings(Table& table, const std::string& key, const Json& value) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      add_settings(table, key.empty() ? name : key + "." + name, inner);
    }
    return;
  }
  const Parameter* parameter = find_parameter(key);
  table.row({element("code", key), setting_text(key, value),
             parameter != nullptr ? parameter->help : ""});
}

}  // namespace

Html settings(const Run& run) {
  Table table("Every setting of the machine", {{"setting", false}, {"value"}, {"meaning", false}});
  add_settings(table, "", run.document().at("machine"));
  return section("The machine",
                 element("p", run.machine()) + folded("Every setting as resolved", table.html()));
}

namespace {

/// A line of the provenance, of any run.
struct Fact {
  std::string label;
  std::function<Html(const Run&)> of;
};

std::string walker_in_words(const std::string& engine) {
  if (engine == "rtl") return "the Verilated RTL";
  if (engine == "model") return "the SystemC model";
  return "the SystemC model and the Verilated RTL, compared";
}

Html hash_of(const Run& run) {
  return run.document().at("trace").contains("hash") ? element("code", run.text("/trace/hash"))
                                                     : Html("none: it came through a pipe");
}

std::vector<Fact> facts() {
  const auto text = [](const char* pointer) {
    return [pointer](const Run& run) { return Html(run.text(pointer)); };
  };
  return {
      {"program", [](const Run& run) { return "eptsim " + run.text("/eptsim_version"); }},
      {"trace", [](const Run& run) { return element("code", run.text("/trace/path")); }},
      {"its format", text("/trace/format")},
      {"its hash (XXH3-128)", hash_of},
      {"seed", [](const Run& run) { return std::to_string(run.count("/run/seed")); }},
      {"warm-up", [](const Run& run) { return grouped(run.count("/run/warmup")) + " accesses"; }},
      {"limit",
       [](const Run& run) {
         return run.document().at("run").contains("limit")
                    ? grouped(run.count("/run/limit")) + " accesses"
                    : "none: to the end of the trace";
       }},
      {"instruction fetches",
       [](const Run& run) {
         return run.document().at("run").at("fetch").get<bool>() ? "translated too" : "left out";
       }},
      {"core", text("/model/core")},
      {"caches", text("/model/caches")},
      {"walker", [](const Run& run) { return walker_in_words(run.text("/host/engine")); }},
      {"complete",
       [](const Run& run) { return run.partial() ? "no: the run ended early" : "yes"; }},
  };
}

}  // namespace

Html provenance(const Runs& runs) {
  // A column for all of them, if they have every fact in common.
  const std::vector<Fact> all = facts();
  const bool alike = std::ranges::all_of(all, [&](const Fact& fact) {
    return std::ranges::all_of(
        runs, [&](const Run& run) { return fact.of(run).text() == fact.of(runs.front()).text(); });
  });
  std::vector<Table::Column> columns = {{"", false}};
  for (const Run& run : runs) {
    columns.push_back({alike ? "" : run.label(), false});
    if (alike) break;
  }
  Table table("What made these numbers", columns);
  for (const Fact& fact : all) {
    std::vector<Html> cells = {fact.label};
    for (std::size_t i = 1; i < columns.size(); ++i) cells.push_back(fact.of(runs[i - 1]));
    table.row(cells);
  }
  return section("Provenance", table.html());
}

}  // namespace eptsim::sim::report
