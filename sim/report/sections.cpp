#include "sim/report/sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "sim/output/style.hpp"
#include "sim/report/chart.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/table.hpp"
#include "sim/report/walk_map.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim::report {
namespace {

double real(std::uint64_t value) { return static_cast<double>(value); }

/// A line of a table of measures: as it is shown, and the number behind it.
struct Measured {
  std::string shown;
  double number = 0;
};
struct Measure {
  std::string label;
  std::function<Measured(const Run&)> of;
};

Measure count(const std::string& label, const char* pointer) {
  return {label, [pointer](const Run& run) {
            const std::uint64_t value = run.count(pointer);
            return Measured{grouped(value), real(value)};
          }};
}

/// What few machines have: a row only where some run counted it.
void add_if_any(std::vector<Measure>& measures, const Runs& runs, const std::string& label,
                const char* pointer) {
  for (const Run& run : runs) {
    if (run.count(pointer) == 0) continue;
    measures.push_back(count(label, pointer));
    return;
  }
}

Measure bytes(const std::string& label, const char* pointer) {
  return {label, [pointer](const Run& run) {
            const std::uint64_t value = run.count(pointer);
            return Measured{size_text(value), real(value)};
          }};
}

/// Measures below one another, runs beside one another.
Html measures_table(const std::string& caption, const Runs& runs,
                    const std::vector<Measure>& measures) {
  std::vector<Table::Column> columns = {{"", false}};
  for (const Run& run : runs) columns.push_back({run.label()});
  if (runs.size() == 2) columns.push_back({"ratio"});
  Table table(caption, columns);
  for (const Measure& measure : measures) {
    std::vector<Html> cells = {measure.label};
    std::vector<double> numbers;
    for (const Run& run : runs) {
      const Measured measured = measure.of(run);
      cells.emplace_back(measured.shown);
      numbers.push_back(measured.number);
    }
    if (runs.size() == 2) cells.emplace_back(times(numbers[0], numbers[1]));
    table.row(cells);
  }
  return table.html();
}

/// Those of `caches` that were asked; nothing if none was.
Html look_ups(const std::string& caption, const Runs& runs,
              std::vector<Figures::LookUps> Figures::* caches) {
  Table table(caption,
              {{"", false}, {"look-ups"}, {"hits"}, {"misses"}, {"hit rate"}, {"", false}});
  bool any = false;
  for (std::size_t i = 0; i < (runs.front().figures().*caches).size(); ++i) {
    for (const Run& run : runs) {
      const Figures::LookUps& cache = (run.figures().*caches).at(i);
      if (cache.accesses == 0) continue;
      any = true;
      table.row({cache.label + (runs.size() > 1 ? ", " + run.label() : ""), grouped(cache.accesses),
                 grouped(cache.hits), grouped(cache.misses), share(cache.hits, cache.accesses, 2),
                 small_bar(ratio(cache.hits, cache.accesses), "tlb")});
    }
  }
  return any ? table.html() : Html();
}

bool any(const Runs& runs, bool (Run::*what)() const) {
  return std::ranges::any_of(runs, [what](const Run& run) { return (run.*what)(); });
}

/// Distinct in a drawing of several runs.
std::string kind_of(const Run& run) { return run.nested() ? "nested" : "native"; }

Html latency(const Runs& runs) {
  return measures_table(
      "Cycles of a walk", runs,
      {{"mean",
        [](const Run& run) {
          const double mean =
              run.document().at("stats").at("walker").at("latency").at("mean").get<double>();
          return Measured{grouped(mean, 1), mean};
        }},
       count("median", "/stats/walker/latency/p50"),
       count("99th percentile", "/stats/walker/latency/p99"),
       count("longest", "/stats/walker/latency/max")});
}

Html walks_in_numbers(const Runs& runs) {
  std::vector<Measure> measures = {count("walks", "/stats/walker/walks"),
                                   count("references", "/stats/walker/references")};
  if (any(runs, &Run::nested)) {
    measures.push_back(count("references to guest entries", "/stats/walker/guest_references"));
    measures.push_back(count("references to EPT entries", "/stats/walker/ept_references"));
  }
  measures.push_back(count("flag updates", "/stats/walker/flag_updates"));
  measures.push_back(count("cycles", "/stats/walker/cycles"));
  return measures_table("All walks", runs, measures);
}

/// Where references found their entries; nothing on a machine without caches.
Html served_by(const Runs& runs) {
  std::vector<Table::Column> columns = {{"", false}};
  for (const Run& run : runs) {
    columns.push_back({run.label()});
    columns.push_back({"share"});
  }
  Table table("References of walks by what served them", columns);
  const std::size_t levels = runs.front().figures().served_by.size();
  if (levels == 0) return {};
  Html bars;
  for (const Run& run : runs) {
    std::vector<Part> parts;
    for (const Figures::Served& served : run.figures().served_by) {
      parts.push_back({served.level, served.label, served.references});
    }
    if (runs.size() > 1) bars += element("p", {{"class", "bar-label"}}, run.label());
    bars += stacked_bar({"served-by-" + run.label(), "Where references were served, " + run.label(),
                         "A bar of the references of walks by the level of the memory hierarchy "
                         "that served them. The table below has the numbers."},
                        parts, run.count("/stats/walker/references"), "references");
  }
  for (std::size_t level = 0; level < levels; ++level) {
    const Figures::Served& name = runs.front().figures().served_by[level];
    std::vector<Html> cells = {legend_entry(name.level, name.label)};
    for (const Run& run : runs) {
      const std::uint64_t references = run.figures().served_by.at(level).references;
      cells.emplace_back(grouped(references));
      cells.emplace_back(share(references, run.count("/stats/walker/references"), 2));
    }
    table.row(cells);
  }
  return element("figure", element("figcaption", "Where references of walks were served") + bars) +
         table.html();
}

/// Lines that DRAM moved; nothing on a machine whose walks alone use it.
Html dram(const Runs& runs) {
  if (runs.front().figures().served_by.empty()) return {};
  std::vector<Measure> measures = {count("lines read", "/stats/dram/reads"),
                                   count("lines written", "/stats/dram/writes")};
  add_if_any(measures, runs, "of these, to the row that was open", "/stats/dram/row_hits");
  add_if_any(measures, runs, "to a bank without an open row", "/stats/dram/row_misses");
  add_if_any(measures, runs, "to a bank with another row open", "/stats/dram/row_conflicts");
  return measures_table("DRAM", runs, measures);
}

Html references_histogram(const Runs& runs) {
  std::vector<Series> all;
  Table table("Walks by the number of their references",
              {{"references", false}, {"walks"}, {"share"}});
  for (const Run& run : runs) {
    Series series{kind_of(run), run.label(), {}};
    const Json& histogram = run.document().at("stats").at("walker").at("references_histogram");
    for (const auto& [references, walks] : histogram.items()) {
      const auto number = walks.get<std::uint64_t>();
      series.walks[std::stoull(references)] = number;
      table.row({runs.size() > 1 ? run.label() + ", " + references : references, grouped(number),
                 share(number, run.figures().walks, 2)});
    }
    all.push_back(std::move(series));
  }
  Html legend;
  if (runs.size() > 1) {
    for (const Run& run : runs) legend += legend_entry(kind_of(run), run.label()) + " ";
    legend = element("p", legend);
  }
  const Html chart = walks_by_references(
      {"references", "Walks by the number of their references",
       "Across: references of a walk. Up: walks. The table below has the numbers."},
      all);
  return element("figure", element("figcaption", "Walks by the number of their references") +
                               legend + chart) +
         folded("The numbers of this chart", table.html());
}

/// Of pages or of instructions.
Html hot_list(const Run& run, const char* list) {
  const bool pages = std::string_view(list) == "pages";
  const Json& spots = run.document().at("stats").at("hot").at(list);
  const std::string what = pages ? "Pages" : "Instructions";
  if (spots.empty()) {
    return element("p", run.figures().walks == 0 || pages
                            ? what + ": none, for there were no walks."
                            : what + ": none, for this trace doesn't tell their addresses.");
  }
  Table table(what + " whose walks cost most, " + run.label(),
              {{pages ? "4 KiB page" : "instruction", false},
               {"walks"},
               {"cycles"},
               {"share of all"},
               {"", false}});
  const std::uint64_t all = run.count("/stats/walker/cycles");
  for (const Json& spot : spots) {
    const auto walks = spot.at("walks").get<std::uint64_t>();
    const auto cycles = spot.at("walk_cycles").get<std::uint64_t>();
    table.row({element("code", spot.at("address").get<std::string>()), grouped(walks),
               grouped(cycles), share(cycles, all, 2), small_bar(ratio(cycles, all), "ept")});
  }
  return table.html();
}

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

Html section(const std::string& heading, const Html& content) {
  return element("section", "\n" + element("h2", heading) + "\n" + content) + "\n";
}

Html tile(const std::string& label, const std::string& figure, const std::string& remark) {
  return element("div", element("dt", label) + element("dd", {{"class", "figure"}}, figure) +
                            element("dd", remark)) +
         "\n";
}

Html tiles(const Html& all) { return element("dl", {{"class", "tiles"}}, "\n" + all) + "\n"; }

Html warning(const Runs& runs) {
  Html text;
  for (const Run& run : runs) {
    if (!run.partial()) continue;
    Html line = element("strong", "Partial.") + " The " + run.label() +
                " run ended early. These are the figures of what was measured until then.";
    if (run.document().contains("error"))
      line += " It ended because of: " + Html(run.text("/error"));
    if (run.document().contains("mismatch"))
      line += " It ended because model and RTL differ: " + Html(run.text("/mismatch"));
    text += element("p", line);
  }
  return text.empty() ? text
                      : element("div", {{"class", "warning"}, {"role", "note"}}, text) + "\n";
}

Html translations(const Runs& runs) {
  struct Level {
    const char* name;
    const char* label;
  };
  Table table("Look-ups in each TLB",
              {{"TLB", false}, {"look-ups"}, {"hits"}, {"misses"}, {"hit rate"}, {"", false}});
  for (const Level level : {Level{"l1d", "first level, data"},
                            {"l1i", "first level, instructions"},
                            {"l2", "second level"}}) {
    for (const Run& run : runs) {
      const Json& tlb = run.document().at("stats").at("tlb").at(level.name);
      const auto number = [&tlb](const char* key) { return tlb.at(key).get<std::uint64_t>(); };
      const std::uint64_t accesses = number("accesses");
      table.row({std::string(level.label) + (runs.size() > 1 ? ", " + run.label() : ""),
                 grouped(accesses), grouped(number("hits")), grouped(number("misses")),
                 share(number("hits"), accesses, 2),
                 small_bar(ratio(number("hits"), accesses), "tlb")});
    }
  }
  return section(
      "The TLBs",
      table.html() + element("p", {{"class", "remark"}},
                             "A fault that is served begins the instruction anew, so an access may "
                             "look up more than once."));
}

Html walks(const Runs& runs) {
  const std::string heading = "The walks";
  double hottest = 0;
  Html maps;
  for (const Run& run : runs) hottest = std::max(hottest, hottest_place(run));
  for (const Run& run : runs) maps += walk_map(run, hottest);
  if (maps.empty()) {
    return section(heading, element("p", "No walks: there is nothing to show here."));
  }
  return section(
      heading, maps +
                   element("div", {{"class", "columns-2"}},
                           element("div", latency(runs)) + element("div", walks_in_numbers(runs))) +
                   look_ups("Look-ups of walks in structure caches and nested TLB", runs,
                            &Figures::walker_caches) +
                   served_by(runs) +
                   look_ups("Accesses to the caches of memory", runs, &Figures::memory_caches) +
                   dram(runs) + references_histogram(runs));
}

Html system_software(const Runs& runs) {
  std::vector<Measure> measures;
  if (any(runs, &Run::nested)) {
    measures = {count("VM exits, EPT violation", "/stats/vmx/exits/ept_violation"),
                count("VM exits, EPT misconfiguration", "/stats/vmx/exits/ept_misconfig"),
                count("cycles of VM exits", "/stats/vmx/exit_cycles")};
    add_if_any(measures, runs, "writes to pages that the hypervisor had write-protected",
               "/stats/hypervisor/protected_writes");
  }
  add_if_any(measures, runs, "stale translations used, after a change by the guest",
             "/stats/stale/guest");
  add_if_any(measures, runs, "stale translations used, after a change of the EPT",
             "/stats/stale/ept");
  measures.push_back(count("guest page faults", "/stats/guest/page_faults"));
  measures.push_back(bytes("memory: the program's pages", "/stats/memory/page_bytes"));
  measures.push_back(bytes("memory: guest tables", "/stats/memory/guest_table_bytes"));
  if (any(runs, &Run::nested)) {
    measures.push_back(bytes("memory: extended page tables", "/stats/memory/ept_table_bytes"));
  }
  return section("System software",
                 measures_table("Exits, faults and memory", runs, measures) +
                     element("p", {{"class", "remark"}},
                             "Memory is what is in use at the end, warm-up included."));
}

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
  for (const Run& each : runs) {
    table.row({runs.size() > 1 ? "complete, " + each.label() : "complete",
               each.partial() ? "no: the run ended early" : "yes"});
  }
  return section("Provenance", table.html());
}

Html hot_spots(const Runs& runs) {
  Html lists;
  for (const char* list : {"pages", "instructions"}) {
    for (const Run& run : runs) lists += element("div", hot_list(run, list));
  }
  return section("Hot pages and instructions", element("div", {{"class", "columns-2"}}, lists));
}

}  // namespace eptsim::sim::report
