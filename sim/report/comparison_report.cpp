#include <fmt/format.h>

#include <algorithm>

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
    return "The runs are not of the same length";
  }
  const Run& other = most_different(group);
  if (&other == &baseline) return "All runs take the same time";
  return fmt::format("{} takes {} the time of {}", other.label(), relative_time(group, other),
                     baseline.label());
}

std::string answer(const Groups& groups, std::size_t runs) {
  if (groups.size() == 1) return answer(groups.front());
  return fmt::format("{} runs of {} traces", runs, groups.size());
}

Html lead(const Groups& groups) {
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
  return section("The runs", overview(group)) + section("Where the cycles went", time(group)) +
         over_time(runs) + walks(runs) + translations(runs) + hot_spots(runs) +
         system_software(runs) + settings(runs.front()) + provenance(runs);
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
  if (named.size() == 2 && groups.size() == 1) return two_runs_report_html(named[0], named[1]);
  Html warnings;
  for (const Group& group : groups) warnings += warning(group.runs);
  const bool few = groups.size() == 1 && named.size() <= kSideBySide;
  std::string traces;
  for (const Group& group : groups) {
    traces += (traces.empty() ? "" : ", ") + group.trace_name();
  }
  const std::string answered = answer(groups, named.size());
  return page(traces + ": " + answered,
              head(fmt::format("comparison of {} runs", named.size()), groups[0].baseline(),
                   answered, lead(groups)) +
                  warnings + (few ? side_by_side(groups.front()) : one_below_the_other(groups)));
}

}  // namespace eptsim::sim
