#include <fmt/format.h>

#include <functional>

#include "sim/output/style.hpp"
#include "sim/report/lines.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim::report {
namespace {

std::uint64_t value(const Json& interval, const char* member) {
  return interval.at(member).get<std::uint64_t>();
}

/// `value_of` each interval of a run.
Line line_of(const Run& run, const std::string& kind, const std::string& label,
             const std::function<double(const Json&)>& value_of) {
  Line line{kind, label, {}};
  std::uint64_t end = 0;
  for (const Json& interval : run.list("/stats/timeline")) {
    end += value(interval, "accesses");
    line.steps.push_back({end, value_of(interval)});
  }
  return line;
}

double percent_of_lookups(const Json& interval, const char* member) {
  return 100 * ratio(value(interval, member), value(interval, "lookups"));
}

double percent_of_time(const Json& interval, const char* member) {
  return 100 * ratio(value(interval, member), value(interval, "cycles"));
}

Html figure(const Described& what, const std::vector<Line>& lines) {
  Html legend;
  for (const Line& line : lines) legend += line_legend_entry(line.kind, line.label) + " ";
  return element("figure", element("figcaption", what.title) + element("p", legend) +
                               line_plot(what, lines, "accesses"));
}

Html misses(const Runs& runs) {
  std::vector<Line> lines;
  for (const Run& run : runs) {
    if (runs.size() == 1) {
      lines.push_back(line_of(run, "run-1", "misses of the first level", [](const Json& interval) {
        return percent_of_lookups(interval, "first_level_misses");
      }));
    }
    lines.push_back(
        line_of(run, runs.size() == 1 ? "run-0" : run.kind(),
                runs.size() == 1 ? "misses of every level" : run.label(),
                [](const Json& interval) { return percent_of_lookups(interval, "tlb_misses"); }));
  }
  return figure(
      {"misses-over-time",
       runs.size() == 1 ? "TLB misses in percent of look-ups, over the run"
                        : "Misses of every TLB level in percent of look-ups, over the run",
       "Across: accesses since the warm-up. Up: percent of look-ups. The table below "
       "has the numbers."},
      lines);
}

Html time_lost(const Runs& runs) {
  std::vector<Line> lines;
  for (const Run& run : runs) {
    lines.push_back(line_of(
        run, runs.size() == 1 ? "tlb" : run.kind(),
        runs.size() == 1 ? "lost to translation" : run.label(),
        [](const Json& interval) { return percent_of_time(interval, "translation_cycles"); }));
    if (runs.size() > 1 || run.figures().exit_cycles == 0) continue;
    lines.push_back(line_of(run, "exits", "VM exits", [](const Json& interval) {
      return percent_of_time(interval, "exit_cycles");
    }));
  }
  return figure(
      {"share-over-time",
       runs.size() == 1 ? "Share of the time in percent, over the run"
                        : "Share of the time lost to translation in percent, over the run",
       "Across: accesses since the warm-up. Up: percent of the interval's cycles. The "
       "table below has the numbers."},
      lines);
}

Html numbers(const Run& run, bool several) {
  const std::string of = several ? ", " + run.label() : std::string();
  std::vector<Table::Column> headings = {{"from access"},         {"accesses"},
                                         {"instructions"},        {"cycles"},
                                         {"lost to translation"}, {"share"}};
  if (run.virtualised()) headings.push_back({"VM exits"});
  for (const char* heading :
       {"look-ups", "first-level misses", "misses of every level", "walks", "cycles a walk"}) {
    headings.push_back({heading});
  }
  Table table("Intervals of the run" + of, headings);
  std::uint64_t from = 0;
  for (const Json& interval : run.list("/stats/timeline")) {
    const auto shown = [&](const char* member) { return Html(grouped(value(interval, member))); };
    std::vector<Html> cells = {
        grouped(from),
        shown("accesses"),
        shown("instructions"),
        shown("cycles"),
        shown("translation_cycles"),
        share(value(interval, "translation_cycles"), value(interval, "cycles"), 2)};
    if (run.virtualised()) cells.push_back(shown("exit_cycles"));
    for (const char* member : {"lookups", "first_level_misses", "tlb_misses", "walks"}) {
      cells.push_back(shown(member));
    }
    const std::uint64_t walks = value(interval, "walks");
    cells.emplace_back(walks == 0 ? "-" : grouped(ratio(value(interval, "walk_cycles"), walks), 1));
    table.row(cells);
    from += value(interval, "accesses");
  }
  return folded("The numbers of these charts" + of, table.html());
}

}  // namespace

Html over_time(const Runs& runs) {
  Html tables;
  bool any = false;
  for (const Run& run : runs) {
    // One interval has no course to draw.
    any = any || run.list("/stats/timeline").size() > 1;
    tables += numbers(run, runs.size() > 1);
  }
  if (!any) return {};
  return section("Over the run", time_lost(runs) + misses(runs) + tables);
}

}  // namespace eptsim::sim::report
