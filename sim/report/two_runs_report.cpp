#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "sim/output/two_runs.hpp"
#include "sim/report/comparison.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/page.hpp"
#include "sim/report/report.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim {
namespace report {
namespace {

/// What the runs were: one sentence where they were of one trace.
Html what_ran(const Run& left, const Run& right, bool one_trace) {
  const bool one_machine = left.machine() == right.machine();
  const auto on_machine = [](const Run& run) {
    return Html(", on the machine ") + element("b", run.machine());
  };
  Html text = element("b", left.trace_name()) + " ran " + left.paging();
  if (!one_trace || !one_machine) text += on_machine(left);
  if (!one_trace) {
    text += "; " + element("b", right.trace_name()) + " ran " + right.paging() + on_machine(right);
  } else if (left.paging() == right.paging() && one_machine) {
    text += " both times";
  } else {
    text += ", and " + right.paging();
    if (!one_machine) text += on_machine(right);
  }
  if (one_trace && one_machine) text += on_machine(left);
  return text + ". ";
}

Html lead(const Run& left, const Run& right, const Differences& differences) {
  const Figures& one = left.figures();
  const Figures& other = right.figures();
  Html text = what_ran(left, right, same_trace(left.document(), right.document()));
  if (differences.identical) {
    return text + fmt::format("None of {} settings and {} statistics differs.",
                              differences.settings_compared, differences.statistics_compared);
  }
  text += fmt::format("The share of time lost to translation went from {} to {}", share_lost(left),
                      share_lost(right));
  if (other.exit_cycles > 0) {
    text += fmt::format(", and {} of the {} run went to VM exits",
                        share(other.exit_cycles, other.core_cycles, 1), right.label());
  }
  text += ". ";
  if (one.walks > 0 && other.walks > 0) {
    return text +
           fmt::format("A walk took {} references instead of {}, and {} cycles instead of {}.",
                       grouped(other.references_per_walk, 2), grouped(one.references_per_walk, 2),
                       grouped(other.cycles_per_walk, 1), grouped(one.cycles_per_walk, 1));
  }
  return text +
         (one.walks + other.walks == 0 ? "There were no walks." : "One of them had no walks.");
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

Html what_was_set(const Run& left, const Run& right, const Differences& differences) {
  const std::string heading = "What was set otherwise";
  if (differences.settings.empty()) {
    return section(heading, element("p", fmt::format("Nothing: all {} settings are the same.",
                                                     differences.settings_compared)));
  }
  Table table("Settings, options and inputs that differ",
              {{"", false}, {left.label(), false}, {right.label(), false}});
  for (const Difference& setting : differences.settings) {
    const auto shown = [&](const Json& value) { return Html(setting_text(setting.key, value)); };
    table.row({element("code", setting.key), shown(setting.left), shown(setting.right)});
  }
  return section(heading,
                 table.html() + element("p", {{"class", "remark"}},
                                        fmt::format("{} of {} settings; the others are the same.",
                                                    differences.settings.size(),
                                                    differences.settings_compared)));
}

Html what_came_of_it(const Run& left, const Run& right) {
  Table table("Figures of both runs",
              {{"", false}, {left.label()}, {right.label()}, {"difference"}, {"relative"}});
  for (const HeadlineFigure& figure : headline_figures(left.document(), right.document())) {
    table.row(
        {figure.label, figure.left, figure.right, element("b", figure.change), figure.relative});
  }
  return section("What came of it", table.html());
}

/// What `statistics()` says of "tlb.l2.hits", "walker.matrix[4,3].cycles" or
/// "walker.served_by.l2": of the longest key that it begins with.
std::string meaning_of(const std::string& key) {
  const Statistic* best = nullptr;
  for (const Statistic& statistic : statistics()) {
    const bool begins = key.starts_with(statistic.key) &&
                        (key.size() == statistic.key.size() || key[statistic.key.size()] == '.' ||
                         key[statistic.key.size()] == '[');
    if (begins && (best == nullptr || best->key.size() < statistic.key.size())) best = &statistic;
  }
  if (best == nullptr) return "";
  std::string_view member = std::string_view(key).substr(best->key.size());
  member.remove_prefix(std::min(member.size(), member.find('.') + 1));
  member = member.substr(0, member.find('.'));
  const auto of_list = std::ranges::find(best->members, member, &Statistic::Member::name);
  return of_list != best->members.end() && !of_list->help.empty() ? of_list->help : best->help;
}

Html every_statistic(const Run& left, const Run& right, const Differences& differences) {
  const std::string heading = "Every statistic that differs";
  Html remark = fmt::format("{} of {} statistics differ. ", differences.statistics.size(),
                            differences.statistics_compared);
  for (const std::string& list : differences.lists) {
    remark += (&list == &differences.lists.front() ? "So do these lists, which are drawn above: "
                                                   : ", ") +
              element("code", list);
  }
  if (!differences.lists.empty()) remark += ".";
  remark += " In the name of a place of the walk, " + element("code", "walker.matrix[4,3]") +
            ", the level of the guest stands before that of the EPT.";
  remark = element("p", {{"class", "remark"}}, remark) + "\n";
  if (differences.statistics.empty()) return section(heading, remark);
  Table table("Statistics that differ, the ones that differ most first", {{"statistic", false},
                                                                          {left.label()},
                                                                          {right.label()},
                                                                          {"difference"},
                                                                          {"relative"},
                                                                          {"meaning", false}});
  const auto number = [](const Json& value) {
    const Html text = statistic_text(value);
    return value.is_number() ? exactly(value.dump(), text) : text;
  };
  for (const Difference& statistic : differences.statistics) {
    table.row({element("code", statistic.key), number(statistic.left), number(statistic.right),
               element("b", change_text(statistic)), relative_text(statistic),
               meaning_of(statistic.key)});
  }
  return section(heading, remark + table.searchable().html());
}

}  // namespace
}  // namespace report

std::string two_runs_report_html(const NamedRun& left, const NamedRun& right) {
  using namespace report;
  const Runs runs = {Run(left.document, left.name, 0), Run(right.document, right.name, 1)};
  const Run& one = runs[0];
  const Run& other = runs[1];
  const Differences differences(one.document(), other.document());
  const std::string answered = verdict(left, right, differences);
  const std::string traces =
      one.trace_name() +
      (same_trace(one.document(), other.document()) ? "" : " and " + other.trace_name());
  return page(traces + ": " + answered,
              head("comparison of two runs", one, answered, lead(one, other, differences)) +
                  warning(runs) + key_figures(one, other) + what_was_set(one, other, differences) +
                  what_came_of_it(one, other) + section("Where the cycles went", time({runs})) +
                  over_time(runs) + walks(runs) + translations(runs) + hot_spots(runs) +
                  system_software(runs) + every_statistic(one, other, differences) + settings(one) +
                  provenance(runs));
}

}  // namespace eptsim::sim
