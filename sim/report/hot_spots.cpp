#include "sim/report/sections.hpp"

#include <string_view>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim::report {
namespace {

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

}  // namespace

Html hot_spots(const Runs& runs) {
  Html lists;
  for (const char* list : {"pages", "instructions"}) {
    for (const Run& run : runs) lists += element("div", hot_list(run, list));
  }
  return section("Hot pages and instructions", element("div", {{"class", "columns-2"}}, lists));
}

}  // namespace eptsim::sim::report
