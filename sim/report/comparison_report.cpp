#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/page.hpp"
#include "sim/report/report.hpp"
#include "sim/report/sections.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim {
namespace report {
namespace {

std::string share_lost(const Run& run) {
  return share(run.figures().translation_cycles, run.figures().cycles, 1);
}

/// "+12,300", with a sign that is as wide as a plus.
std::string difference(std::uint64_t left, std::uint64_t right) {
  if (left == right) return "0";
  return right > left ? "+" + grouped(right - left) : "\u2212" + grouped(left - right);
}

std::string from_to(const std::string& left, const std::string& right) {
  return left + " native, " + right + " nested";
}

std::string answer(const Run& native, const Run& nested) {
  if (native.figures().accesses != nested.figures().accesses) {
    return "The two runs are not of the same length";
  }
  const std::string ratio = times(native.figures().cycles, nested.figures().cycles);
  return ratio == "-" ? "Nothing was measured" : "Nested, the program takes " + ratio + " the time";
}

Html head(const Run& native, const Run& nested) {
  const Figures& left = native.figures();
  const Figures& right = nested.figures();
  Html lead = element("b", native.trace_name()) + " ran " + native.paging() + ", and " +
              nested.paging() + ", on the machine " + element("b", native.machine()) + ". ";
  lead += fmt::format("The share of time lost to translation went from {} to {}",
                      share_lost(native), share_lost(nested));
  if (right.exit_cycles > 0) {
    lead += fmt::format(", and {} of the nested run went to VM exits",
                        share(right.exit_cycles, right.cycles, 1));
  }
  lead += ". ";
  if (left.walks > 0 && right.walks > 0) {
    lead += fmt::format("A walk took {} references instead of {}, and {} cycles instead of {}.",
                        grouped(right.references_per_walk, 2), grouped(left.references_per_walk, 2),
                        grouped(right.cycles_per_walk, 1), grouped(left.cycles_per_walk, 1));
  } else {
    lead += left.walks + right.walks == 0 ? "There were no walks." : "One of them had no walks.";
  }
  return element("header", "\n" +
                               element("p", {{"class", "kicker"}},
                                       "eptsim " + native.text("/eptsim_version") +
                                           ", comparison of two runs") +
                               "\n" + element("h1", answer(native, nested)) + "\n" +
                               element("p", {{"class", "lead"}}, lead) + "\n") +
         "\n";
}

Html key_figures(const Run& native, const Run& nested) {
  const Figures& left = native.figures();
  const Figures& right = nested.figures();
  const auto counts = [](const std::string& label, std::uint64_t a, std::uint64_t b) {
    return tile(label, times(a, b), from_to(grouped(a), grouped(b)));
  };
  const auto means = [](const std::string& label, double a, double b, int decimals) {
    return tile(label, times(a, b), from_to(grouped(a, decimals), grouped(b, decimals)));
  };
  const double points = 100 * (ratio(right.translation_cycles, right.cycles) -
                               ratio(left.translation_cycles, left.cycles));
  return tiles(
      counts("cycles in all", left.cycles, right.cycles) +
      tile("time lost to translation",
           fmt::format("{}{:.1f} points", points < 0 ? "\u2212" : "+", std::abs(points)),
           from_to(share_lost(native), share_lost(nested))) +
      means("references per walk", left.references_per_walk, right.references_per_walk, 2) +
      means("cycles per walk", left.cycles_per_walk, right.cycles_per_walk, 1) +
      counts("walks", left.walks, right.walks) +
      counts("cycles lost to translation", left.translation_cycles, right.translation_cycles));
}

/// The cycles of `run` that went to parts of this kind; 0 if it has none.
std::uint64_t part_of(const Run& run, const std::string& kind) {
  std::uint64_t cycles = 0;
  for (const Part& part : run.parts()) {
    if (part.kind == kind) cycles += part.value;
  }
  return cycles;
}

Html time(const Run& native, const Run& nested) {
  const std::uint64_t longest = std::max(native.figures().cycles, nested.figures().cycles);
  Html bars;
  for (const Run* run : {&native, &nested}) {
    bars += element("p", {{"class", "bar-label"}},
                    element("b", run->label()) + ", " + grouped(run->figures().cycles) + " cycles");
    bars += stacked_bar({"time-" + run->label(), "Where the cycles went, " + run->label(),
                         "A bar of the core's cycles by what took them, on the same scale as the "
                         "other run's. The table below has the numbers."},
                        run->parts(), longest);
  }
  Table table("The core's cycles by what took them",
              {{"", false}, {"native"}, {"nested"}, {"difference"}, {"ratio"}});
  const auto cells = [](const Html& label, std::uint64_t a, std::uint64_t b) -> std::vector<Html> {
    return {label, grouped(a), grouped(b), element("b", difference(a, b)), times(a, b)};
  };
  // A nested run has all the parts of a native one and more.
  for (const Part& part : nested.parts()) {
    table.row(cells(legend_entry(part.kind, part.label), part_of(native, part.kind), part.value));
  }
  table.total(cells("in all", native.figures().cycles, nested.figures().cycles));
  return section("Where the cycles went", bars + table.html());
}

}  // namespace
}  // namespace report

std::string comparison_report_html(const Json& native_document, const Json& nested_document) {
  using namespace report;
  const Runs runs = {Run(native_document), Run(nested_document)};
  const Run& native = runs[0];
  const Run& nested = runs[1];
  return page(fmt::format("{}, native and nested: {}", native.trace_name(), answer(native, nested)),
              head(native, nested) + warning(runs) + key_figures(native, nested) +
                  time(native, nested) + walks(runs) + translations(runs) + hot_spots(runs) +
                  system_software(runs) + settings(native) + provenance(runs));
}

}  // namespace eptsim::sim
