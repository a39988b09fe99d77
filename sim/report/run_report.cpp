#include <fmt/format.h>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/page.hpp"
#include "sim/report/report.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim {
namespace report {
namespace {

std::string share_of_time(const Run& run, std::uint64_t cycles, int decimals) {
  return share(cycles, run.figures().core_cycles, decimals);
}

std::string answer(const Run& run) {
  const Figures& figures = run.figures();
  if (figures.accesses == 0) return "Nothing was measured";
  return share_of_time(run, figures.translation_cycles, 1) + " of the time went to translation";
}

Html head_of(const Run& run) {
  const Figures& figures = run.figures();
  Html lead = element("b", run.trace_name()) + " ran " + run.paging() + ", on the machine " +
              element("b", run.machine()) + ". ";
  if (figures.walks == 0) {
    lead += "There were no walks.";
  } else {
    lead += fmt::format("A walk took {} references and {} cycles, on average over {} walks.",
                        grouped(figures.references_per_walk, 2),
                        grouped(figures.cycles_per_walk, 1), grouped(figures.walks));
  }
  if (figures.exit_cycles > 0) {
    lead +=
        " VM exits took another " + share_of_time(run, figures.exit_cycles, 1) + " of the time.";
  }
  return head("report of a run", run, answer(run), lead);
}

Html key_figures(const Run& run) {
  const Figures& figures = run.figures();
  Html all = tile("time lost to translation", share_of_time(run, figures.translation_cycles, 2),
                  fmt::format("{} of {} cycles", grouped(figures.translation_cycles),
                              grouped(figures.core_cycles)));
  const bool walked = figures.walks > 0;
  all += tile("references per walk", walked ? grouped(figures.references_per_walk, 2) : "-",
              !walked ? "no walks"
              : run.nested()
                  ? fmt::format("{:.2f} of guest entries, {:.2f} of EPT entries",
                                figures.guest_references_per_walk, figures.ept_references_per_walk)
                  : "all of page-table entries");
  all += tile("cycles per walk", walked ? grouped(figures.cycles_per_walk, 1) : "-",
              walked ? fmt::format("median {}, 99th percentile {}",
                                   grouped(run.count("/stats/walker/latency/p50")),
                                   grouped(run.count("/stats/walker/latency/p99")))
                     : "no walks");
  all += tile("walks per 1,000 instructions",
              figures.instructions > 0
                  ? grouped(run.real("/stats/walker/walks_per_kilo_instruction"), 2)
                  : "-",
              grouped(figures.walks) + " walks");
  all +=
      tile("look-ups that missed every TLB", share(figures.tlb_misses, figures.lookups, 2),
           fmt::format("{} of {} look-ups", grouped(figures.tlb_misses), grouped(figures.lookups)));
  all +=
      tile("cycles per instruction",
           figures.instructions > 0 ? grouped(ratio(figures.cycles, figures.instructions), 2) : "-",
           grouped(figures.instructions) + " instructions");
  if (run.virtualised()) {
    all += tile("time of VM exits", share_of_time(run, figures.exit_cycles, 2),
                grouped(figures.exit_cycles) + " cycles");
  }
  return tiles(all);
}

Html time(const Run& run) {
  const Figures& figures = run.figures();
  Table table("The core's cycles by what took them",
              {{"", false}, {"cycles"}, {"share"}, {"per access"}});
  const auto cells = [&](const Html& label, std::uint64_t cycles) -> std::vector<Html> {
    return {label, grouped(cycles), share_of_time(run, cycles, 2),
            figures.accesses > 0 ? grouped(ratio(cycles, figures.accesses), 3) : "-"};
  };
  for (const Part& part : run.parts()) {
    table.row(cells(legend_entry(part.kind, part.label), part.value));
  }
  table.total(cells("in all", figures.core_cycles));
  const Html bar = stacked_bar({"time", "Where the cycles went",
                                "A bar of the core's cycles by what took them. The table below "
                                "has the numbers."},
                               run.parts(), figures.core_cycles);
  return section("Where the cycles went", bar + table.html());
}

}  // namespace
}  // namespace report

std::string run_report_html(const Json& document) {
  using namespace report;
  const Runs runs = {Run(document)};
  const Run& run = runs.front();
  return page(fmt::format("{}, {}: {}", run.trace_name(), run.label(), answer(run)),
              head_of(run) + warning(runs) + key_figures(run) + time(run) + over_time(runs) +
                  walks(runs) + translations(runs) + hot_spots(runs) + system_software(runs) +
                  settings(run) + provenance(runs));
}

}  // namespace eptsim::sim
