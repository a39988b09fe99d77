#include "sim/report/sections.hpp"

#include <algorithm>

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
  std::string shown =
      value.is_string() ? value.get<std::string>() : grouped(value.get<std::uint64_t>());
  if (parameter != nullptr && parameter->type == Parameter::Type::kBytes) {
    shown = size_text(value.get<std::uint64_t>());
  } else if (parameter != nullptr && !parameter->unit.empty() && parameter->unit != "1") {
    shown += " " + std::string(parameter->unit) + (value == 1 ? "" : "s");
  }
  table.row({element("code", key), shown, parameter != nullptr ? parameter->help : ""});
}

}  // namespace

Html settings(const Run& run) {
  Table table("Every setting of the machine", {{"setting", false}, {"value"}, {"meaning", false}});
  add_settings(table, "", run.document().at("machine"));
  return section("The machine",
                 element("p", run.machine()) + folded("Every setting as resolved", table.html()));
}

Html provenance(const Runs& runs) {
  const Run& run = runs.front();
  const Json& document = run.document();
  Table table("What made these numbers", {{"", false}, {"", false}});
  table.row({"program", "eptsim " + run.text("/eptsim_version")});
  table.row({"trace", element("code", run.text("/trace/path"))});
  table.row({"its format", run.text("/trace/format")});
  table.row({"its hash (XXH3-128)", document.at("trace").contains("hash")
                                        ? element("code", run.text("/trace/hash"))
                                        : Html("none: it came through a pipe")});
  table.row({"seed", std::to_string(run.count("/run/seed"))});
  table.row({"warm-up", grouped(run.count("/run/warmup")) + " accesses"});
  table.row({"limit", document.at("run").contains("limit")
                          ? grouped(run.count("/run/limit")) + " accesses"
                          : "none: to the end of the trace"});
  table.row({"instruction fetches",
             document.at("run").at("fetch").get<bool>() ? "translated too" : "left out"});
  table.row({"core", run.text("/model/core")});
  table.row({"caches", run.text("/model/caches")});
  const std::string engine = run.text("/host/engine");
  table.row({"walker", engine == "rtl"     ? "the Verilated RTL"
                       : engine == "model" ? "the SystemC model"
                                           : "the SystemC model and the Verilated RTL, compared"});
  const bool all_complete = std::ranges::none_of(runs, &Run::partial);
  if (all_complete) table.row({"complete", "yes"});
  for (const Run& each : runs) {
    if (all_complete) break;
    table.row({runs.size() > 1 ? "complete, " + each.label() : "complete",
               each.partial() ? "no: the run ended early" : "yes"});
  }
  return section("Provenance", table.html());
}

}  // namespace eptsim::sim::report
