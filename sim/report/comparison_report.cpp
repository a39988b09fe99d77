#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/output/style.hpp"
#include "sim/report/comparison.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/page.hpp"
#include "sim/report/report.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"
#include "sim/report/walk_map.hpp"

namespace eptsim::sim {
namespace report {
namespace {

/// So many runs of one trace stand beside one another in every table.
constexpr std::size_t kSideBySide = 4;

Groups groups_of(const std::vector<NamedRun>& named) {
  Groups groups;
  for (std::size_t i = 0; i < named.size(); ++i) {
    Run run(named[i].document, named[i].name, i);
    const auto group = std::ranges::find_if(groups, [&](const Group& other) {
      return other.baseline().text("/trace/path") == run.text("/trace/path");
    });
    if (group == groups.end()) {
      groups.push_back({{std::move(run)}});
    } else {
      group->runs.push_back(std::move(run));
    }
  }
  return groups;
}

/// The run that differs most from the baseline: the slowest, or, if none is slower, the fastest.
const Run& most_different(const Group& group) {
  const auto cycles = [](const Run& run) { return run.figures().cycles; };
  const Run& slowest = *std::ranges::max_element(group.runs, {}, cycles);
  return slowest.figures().cycles > group.baseline().figures().cycles
             ? slowest
             : *std::ranges::min_element(group.runs, {}, cycles);
}

std::string answer(const Group& group) {
  const Run& baseline = group.baseline();
  if (std::ranges::all_of(group.runs, [](const Run& run) { return run.figures().accesses == 0; })) {
    return "Nothing was measured";
  }
  if (std::ranges::any_of(group.runs, [&](const Run& run) { return !comparable(baseline, run); })) {
    return group.runs.size() == 2 ? "The two runs are not of the same length"
                                  : "The runs are not of the same length";
  }
  const Run& other = group.runs.size() == 2 ? group.runs[1] : most_different(group);
  if (&other == &baseline) return "All runs take the same time";
  return fmt::format("{} takes {} the time of {}", other.label(), relative_time(group, other),
                     baseline.label());
}

std::string answer(const Groups& groups, std::size_t runs) {
  if (groups.size() == 1) return answer(groups.front());
  return fmt::format("{} runs of {} traces", runs, groups.size());
}

/// What two runs of a trace were, and what they took.
Html lead_of_two(const Run& left, const Run& right) {
  const Figures& one = left.figures();
  const Figures& other = right.figures();
  Html lead =
      element("b", left.trace_name()) + " ran " + left.paging() + ", and " + right.paging() +
      ", on the machine " + element("b", left.machine()) +
      (left.machine() == right.machine() ? Html()
                                         : Html(" and on ") + element("b", right.machine())) +
      ". ";
  lead += fmt::format("The share of time lost to translation went from {} to {}", share_lost(left),
                      share_lost(right));
  if (other.exit_cycles > 0) {
    lead += fmt::format(", and {} of the {} run went to VM exits",
                        share(other.exit_cycles, other.core_cycles, 1), right.label());
  }
  lead += ". ";
  if (one.walks > 0 && other.walks > 0) {
    return lead +
           fmt::format("A walk took {} references instead of {}, and {} cycles instead of {}.",
                       grouped(other.references_per_walk, 2), grouped(one.references_per_walk, 2),
                       grouped(other.cycles_per_walk, 1), grouped(one.cycles_per_walk, 1));
  }
  return lead +
         (one.walks + other.walks == 0 ? "There were no walks." : "One of them had no walks.");
}

Html lead_of_many(const Groups& groups) {
  const auto lost = [](const Run& run) {
    return ratio(run.figures().translation_cycles, run.figures().core_cycles);
  };
  Html lead;
  for (const Group& group : groups) {
    const auto [least, most] = std::ranges::minmax_element(group.runs, {}, lost);
    lead += element("b", group.trace_name()) +
            fmt::format(" lost from {} ({}) to {} ({}) of its time to translation. ",
                        share_lost(*least), least->label(), share_lost(*most), most->label());
  }
  return lead + "Times are relative to the first run of a trace, " +
         element("b", groups.front().baseline().label()) + ", on the machine " +
         element("b", groups.front().baseline().machine()) + ".";
}

Html head(const Groups& groups, std::size_t runs) {
  const Html lead = runs == 2 && groups.size() == 1
                        ? lead_of_two(groups[0].runs[0], groups[0].runs[1])
                        : lead_of_many(groups);
  return element("header", "\n" +
                               element("p", {{"class", "kicker"}},
                                       fmt::format("eptsim {}, comparison of {} runs",
                                                   groups[0].baseline().text("/eptsim_version"),
                                                   runs == 2 ? "two" : std::to_string(runs))) +
                               "\n" + element("h1", answer(groups, runs)) + "\n" +
                               element("p", {{"class", "lead"}}, lead) + "\n") +
         "\n";
}

Html key_figures(const Run& one, const Run& other) {
  const Figures& left = one.figures();
  const Figures& right = other.figures();
  const auto from_to = [&](const std::string& a, const std::string& b) {
    return fmt::format("{} {}, {} {}", a, one.label(), b, other.label());
  };
  const auto counts = [&](const std::string& label, std::uint64_t a, std::uint64_t b) {
    return tile(label, times(a, b), from_to(grouped(a), grouped(b)));
  };
  const auto means = [&](const std::string& label, double a, double b, int decimals) {
    return tile(label, times(a, b), from_to(grouped(a, decimals), grouped(b, decimals)));
  };
  const double points = 100 * (ratio(right.translation_cycles, right.core_cycles) -
                               ratio(left.translation_cycles, left.core_cycles));
  return tiles(
      counts("cycles in all", left.cycles, right.cycles) +
      tile("time lost to translation",
           fmt::format("{}{:.1f} points", points < 0 ? "\u2212" : "+", std::abs(points)),
           from_to(share_lost(one), share_lost(other))) +
      means("references per walk", left.references_per_walk, right.references_per_walk, 2) +
      means("cycles per walk", left.cycles_per_walk, right.cycles_per_walk, 1) +
      counts("walks", left.walks, right.walks) +
      counts("cycles lost to translation", left.translation_cycles, right.translation_cycles));
}

/// The maps of runs that are too many for one another's sides.
Html maps(const Group& group) {
  double hottest = 0;
  for (const Run& run : group.runs) hottest = std::max(hottest, hottest_place(run));
  Html all;
  for (const Run& run : group.runs) {
    const Html map = walk_map(run, hottest);
    if (!map.empty()) all += folded("The walks of " + run.label(), map);
  }
  return all;
}

Html side_by_side(const Group& group) {
  const Runs& runs = group.runs;
  const Html foreground =
      runs.size() == 2 ? key_figures(runs[0], runs[1]) : section("The runs", overview(group));
  return foreground + section("Where the cycles went", time(group)) + over_time(runs) +
         walks(runs) + translations(runs) + hot_spots(runs) + system_software(runs) +
         settings(runs.front()) + provenance(runs);
}

Html one_below_the_other(const Groups& groups) {
  Html all;
  if (groups.size() > 1) all += section("Over the traces", over_traces(groups));
  for (const Group& group : groups) {
    all += section(group.trace_name(), overview(group) + time(group) + maps(group));
  }
  all += settings(groups.front().baseline());
  for (const Group& group : groups) all += provenance(group.runs);
  return all;
}

}  // namespace
}  // namespace report

std::string comparison_report_html(const std::vector<NamedRun>& named) {
  using namespace report;
  const Groups groups = groups_of(named);
  Html warnings;
  for (const Group& group : groups) warnings += warning(group.runs);
  const bool few = groups.size() == 1 && named.size() <= kSideBySide;
  std::string traces;
  for (const Group& group : groups) {
    traces += (traces.empty() ? "" : ", ") + group.trace_name();
  }
  return page(traces + ": " + answer(groups, named.size()),
              head(groups, named.size()) + warnings +
                  (few ? side_by_side(groups.front()) : one_below_the_other(groups)));
}

}  // namespace eptsim::sim
