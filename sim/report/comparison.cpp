#include "sim/report/comparison.hpp"

#include <algorithm>
#include <functional>

#include "sim/output/style.hpp"
#include "sim/output/two_runs.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim::report {
namespace {

/// "+12,300", with a sign that is as wide as a plus.
std::string difference(std::uint64_t left, std::uint64_t right) {
  if (left == right) return "0";
  return right > left ? "+" + grouped(right - left) : "\u2212" + grouped(left - right);
}

/// The cycles of `run` that went to parts of this kind; 0 if it has none.
std::uint64_t part_of(const Run& run, const std::string& kind) {
  std::uint64_t cycles = 0;
  for (const Part& part : run.parts()) {
    if (part.kind == kind) cycles += part.value;
  }
  return cycles;
}

/// The parts of all runs, without their values. The longest list has all of them.
std::vector<Part> parts_of_any(const Runs& runs) {
  return std::ranges::max_element(runs, {}, [](const Run& run) { return run.parts().size(); })
      ->parts();
}

Html difference_table(const Run& left, const Run& right) {
  Table table("The core's cycles by what took them", {{"", false},
                                                      {left.label()},
                                                      {"share"},
                                                      {right.label()},
                                                      {"share"},
                                                      {"difference"},
                                                      {"ratio"}});
  const auto cells = [&](const Html& label, std::uint64_t a, std::uint64_t b) -> std::vector<Html> {
    return {label,
            grouped(a),
            share(a, left.figures().core_cycles, 1),
            grouped(b),
            share(b, right.figures().core_cycles, 1),
            element("b", difference(a, b)),
            times(a, b)};
  };
  for (const Part& part : parts_of_any({left, right})) {
    table.row(cells(legend_entry(part.kind, part.label), part_of(left, part.kind),
                    part_of(right, part.kind)));
  }
  table.total(cells("in all", left.figures().core_cycles, right.figures().core_cycles));
  return table.html();
}

/// A row for each run, a column for each part.
Html parts_table(const Runs& runs) {
  const std::vector<Part> parts = parts_of_any(runs);
  std::vector<Table::Column> columns = {{"", false}};
  for (const Part& part : parts) columns.push_back({part.label});
  columns.push_back({"in all"});
  Table table("The core's cycles by what took them", columns);
  for (const Run& run : runs) {
    std::vector<Html> cells = {run.label()};
    for (const Part& part : parts) cells.emplace_back(grouped(part_of(run, part.kind)));
    cells.emplace_back(grouped(run.figures().core_cycles));
    table.row(cells);
  }
  return table.html();
}

/// A row for each name, a column for each trace.
Html table_over_traces(const std::string& caption, const Groups& groups,
                       const std::function<std::string(const Group&, const Run&)>& text_of) {
  std::vector<Table::Column> columns = {{"", false}};
  std::vector<std::string> names;
  for (const Group& group : groups) {
    columns.push_back({group.trace_name()});
    for (const Run& run : group.runs) {
      if (std::ranges::find(names, run.label()) == names.end()) names.push_back(run.label());
    }
  }
  Table table(caption, columns);
  for (const std::string& name : names) {
    std::vector<Html> cells = {name};
    for (const Group& group : groups) {
      const auto run = std::ranges::find(group.runs, name, &Run::label);
      cells.emplace_back(run == group.runs.end() ? "-" : text_of(group, *run));
    }
    table.row(cells);
  }
  return table.html();
}

}  // namespace

bool comparable(const Run& left, const Run& right) {
  return same_work(left.document(), right.document());
}

std::string relative_time(const Group& group, const Run& run) {
  if (!comparable(group.baseline(), run)) return "-";
  return times(group.baseline().figures().cycles, run.figures().cycles);
}

std::string share_lost(const Run& run) {
  return share(run.figures().translation_cycles, run.figures().core_cycles, 1);
}

Html time(const Group& group) {
  std::uint64_t longest = 0;
  for (const Run& run : group.runs) longest = std::max(longest, run.figures().core_cycles);
  Html content;
  if (group.runs.size() > 2) {
    for (const Part& part : parts_of_any(group.runs)) {
      content += legend_entry(part.kind, part.label) + " ";
    }
    content = element("p", content);
  }
  for (const Run& run : group.runs) {
    content += element("p", {{"class", "bar-label"}},
                       element("b", run.label()) + ", " + grouped(run.figures().core_cycles) +
                           " cycles, " + relative_time(group, run));
    content += stacked_bar({"time-" + run.id(), "Where the cycles went, " + run.label(),
                            "A bar of the core's cycles by what took them, as long as the run took "
                            "beside the others. Percents are of this run's own cycles. The table "
                            "below has the numbers."},
                           run.parts(), longest);
  }
  content +=
      element("p", {{"class", "remark"}},
              "All bars have one scale: a longer one took longer. Percents are of each run's "
              "own cycles.") +
      "\n";
  return content + (group.runs.size() == 2 ? difference_table(group.runs[0], group.runs[1])
                                           : parts_table(group.runs));
}

Html overview(const Group& group) {
  Table table("Each run, its time relative to that of " + group.baseline().label(),
              {{"run", false},
               {"relative time"},
               {"cycles"},
               {"lost to translation"},
               {"VM exits"},
               {"walks per 1,000 instructions"},
               {"references per walk"},
               {"cycles per walk"}});
  for (const Run& run : group.runs) {
    const Figures& figures = run.figures();
    const auto of_walks = [&](double mean, int decimals) {
      return figures.walks == 0 ? "-" : grouped(mean, decimals);
    };
    table.row({run.label(), element("b", relative_time(group, run)), grouped(figures.cycles),
               share_lost(run), share(figures.exit_cycles, figures.core_cycles, 1),
               grouped(run.real("/stats/walker/walks_per_kilo_instruction"), 2),
               of_walks(figures.references_per_walk, 2), of_walks(figures.cycles_per_walk, 1)});
  }
  return table.html();
}

Html over_traces(const Groups& groups) {
  return table_over_traces("Time, relative to the first run of each trace", groups, relative_time) +
         table_over_traces("Share of the time lost to translation", groups,
                           [](const Group&, const Run& run) { return share_lost(run); });
}

}  // namespace eptsim::sim::report
