#include "sim/report/sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sim/output/style.hpp"
#include "sim/report/columns.hpp"
#include "sim/report/measures.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/walk_difference.hpp"
#include "sim/report/walk_map.hpp"

namespace eptsim::sim::report {
namespace {

Html latency(const Runs& runs) {
  return measures_table("Cycles of a walk", runs,
                        {number("mean", "/stats/walker/latency/mean", 1),
                         count("median", "/stats/walker/latency/p50"),
                         count("90th percentile", "/stats/walker/latency/p90"),
                         count("99th percentile", "/stats/walker/latency/p99"),
                         count("longest", "/stats/walker/latency/max")});
}

Html walks_in_numbers(const Runs& runs) {
  std::vector<Measure> measures = {
      count("walks", "/stats/walker/walks"),
      number("walks per 1,000 instructions", "/stats/walker/walks_per_kilo_instruction", 2),
      count("references", "/stats/walker/references")};
  const bool nested = any(runs, &Run::nested);
  if (nested) {
    measures.push_back(count("references to guest entries", "/stats/walker/guest_references"));
    measures.push_back(count("references to EPT entries", "/stats/walker/ept_references"));
  }
  measures.push_back(count("flag updates", "/stats/walker/flag_updates"));
  measures.push_back(count("cycles", "/stats/walker/cycles"));
  if (nested) {
    measures.push_back(count("waiting at guest entries", "/stats/walker/guest_cycles"));
    measures.push_back(count("waiting at EPT entries", "/stats/walker/ept_cycles"));
  }
  return measures_table("All walks", runs, measures);
}

/// References by what served them, of one kind of entry.
struct Served {
  std::string id;
  std::string label;    ///< "guest entries"
  std::string pointer;  ///< where stats.json has them
};

std::vector<Served> kinds_of_references(const Run& run) {
  std::vector<Served> kinds = {{"all", "all", "/stats/walker/served_by"}};
  if (run.nested()) {
    kinds.push_back({"guest", "guest entries", "/stats/walker/guest_served_by"});
    kinds.push_back({"ept", "EPT entries", "/stats/walker/ept_served_by"});
  }
  return kinds;
}

/// Where references found their entries; nothing on a machine without caches.
Html served_by(const Runs& runs) {
  const std::vector<Figures::Served>& levels = runs.front().figures().served_by;
  if (levels.empty()) return {};
  std::vector<Table::Column> columns = {{"references to", false}, {"all"}};
  Html legend;
  for (const Figures::Served& level : levels) {
    columns.push_back({"from " + level.label});
    legend += legend_entry(level.level, level.label) + " ";
  }
  Table table("References of walks by what served them", columns);
  Html bars = element("p", legend);
  for (const Run& run : runs) {
    for (const Served& kind : kinds_of_references(run)) {
      const std::string label = runs.size() > 1 ? run.label() + ", " + kind.label : kind.label;
      std::vector<Part> parts;
      std::uint64_t all = 0;
      for (const Figures::Served& level : levels) {
        parts.push_back(
            {level.level, level.label, run.count((kind.pointer + "/" + level.level).c_str())});
        all += parts.back().value;
      }
      std::vector<Html> cells = {label, grouped(all)};
      for (const Part& part : parts) {
        cells.emplace_back(grouped(part.value) + ", " + share(part.value, all, 1));
      }
      table.row(cells);
      if (all == 0) continue;
      bars += element("p", {{"class", "bar-label"}}, label + ", " + grouped(all) + " references");
      bars += stacked_bar(
          {"served-by-" + run.id() + "-" + kind.id, "Where references were served, " + label,
           "A bar of the references of walks by the level of the memory hierarchy "
           "that served them. The table below has the numbers."},
          parts, all, "references");
    }
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

Html legend_of(const Runs& runs) {
  if (runs.size() == 1) return {};
  Html legend;
  for (const Run& run : runs) legend += legend_entry(run.kind(), run.label()) + " ";
  return element("p", legend);
}

/// A histogram over the page and, folded away, its table.
Html histogram(const std::string& id, const std::string& title, const std::string& axis,
               const Runs& runs, const Columns& content) {
  std::vector<Table::Column> headings = {{axis, false}};
  for (const Columns::Series& series : content.series) {
    headings.push_back({content.series.size() > 1 ? series.label : "walks"});
    headings.push_back({"share"});
  }
  Table table(title, headings);
  for (std::size_t place = 0; place < content.places.size(); ++place) {
    std::vector<Html> cells = {content.places[place].row};
    bool any_walk = false;
    for (std::size_t i = 0; i < content.series.size(); ++i) {
      const std::uint64_t walks = content.series[i].values.at(place);
      any_walk = any_walk || walks != 0;
      cells.emplace_back(grouped(walks));
      cells.emplace_back(share(walks, runs[i].figures().walks, 2));
    }
    if (any_walk) table.row(cells);
  }
  const Html chart = columns(
      {id, title, "Across: " + axis + ". Up: walks. The table below has the numbers."}, content);
  return element("figure", element("figcaption", title) + legend_of(runs) + chart) +
         folded("The numbers of this chart", table.html());
}

Html references_histogram(const Runs& runs) {
  std::uint64_t last = 1;
  for (const Run& run : runs) {
    for (const auto& [references, walks] : run.list("/stats/walker/references_histogram").items()) {
      last = std::max<std::uint64_t>(last, std::stoull(references));
    }
  }
  Columns content;
  for (std::uint64_t references = 0; references <= last; ++references) {
    const std::string text = std::to_string(references);
    content.places.push_back({text, text, "walks of " + text + " references"});
  }
  for (const Run& run : runs) {
    Columns::Series series{run.kind(), run.label(), std::vector<std::uint64_t>(last + 1)};
    for (const auto& [references, walks] : run.list("/stats/walker/references_histogram").items()) {
      series.values.at(std::stoull(references)) = walks.get<std::uint64_t>();
    }
    content.series.push_back(std::move(series));
  }
  return histogram("references", "Walks by the number of their references", "references of a walk",
                   runs, content);
}

/// Bins are the same in every run, but each begins and ends with walks of its own.
Html latency_histogram(const Runs& runs) {
  std::map<std::uint64_t, std::uint64_t> bins;  // first cycle -> last
  for (const Run& run : runs) {
    for (const Json& bin : run.list("/stats/walker/latency/histogram")) {
      bins[bin.at("from").get<std::uint64_t>()] = bin.at("to").get<std::uint64_t>();
    }
  }
  if (bins.empty()) return {};
  Columns content;
  std::map<std::uint64_t, std::size_t> place_of;
  for (const auto& [first, last] : bins) {
    const std::string text =
        first == last ? grouped(first) : grouped(first) + " to " + grouped(last);
    place_of[first] = content.places.size();
    content.places.push_back({grouped(first), text, "walks of " + text + " cycles"});
  }
  for (const Run& run : runs) {
    Columns::Series series{run.kind(), run.label(), std::vector<std::uint64_t>(bins.size())};
    for (const Json& bin : run.list("/stats/walker/latency/histogram")) {
      series.values.at(place_of.at(bin.at("from").get<std::uint64_t>())) =
          bin.at("walks").get<std::uint64_t>();
    }
    content.series.push_back(std::move(series));
  }
  return histogram("latency", "Walks by their cycles, four columns to each doubling",
                   "cycles of a walk", runs, content);
}

}  // namespace

Html walks(const Runs& runs) {
  const std::string heading = "The walks";
  double hottest = 0;
  Html maps;
  for (const Run& run : runs) hottest = std::max(hottest, hottest_place(run));
  if (runs.size() == 2) maps += walk_difference_map(runs[0], runs[1]);
  for (const Run& run : runs) maps += walk_map(run, hottest);
  if (maps.empty()) {
    return section(heading, element("p", "No walks: there is nothing to show here."));
  }
  return section(
      heading, maps +
                   element("div", {{"class", "columns-2"}},
                           element("div", latency(runs)) + element("div", walks_in_numbers(runs))) +
                   latency_histogram(runs) + references_histogram(runs) +
                   look_ups("Look-ups of walks in structure caches and nested TLB", runs,
                            &Figures::walker_caches) +
                   served_by(runs) +
                   look_ups("Accesses to the caches of memory", runs, &Figures::memory_caches) +
                   dram(runs));
}

}  // namespace eptsim::sim::report
