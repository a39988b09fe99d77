#include "sim/sweep/column.hpp"

#include <algorithm>

#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/output/figures.hpp"

namespace eptsim::sim::sweep {
namespace {

/// `part` over `whole`, times `scale`.
Json over(std::uint64_t part, std::uint64_t whole, double scale = 1) {
  if (whole == 0) return nullptr;
  return scale * static_cast<double>(part) / static_cast<double>(whole);
}

/// One that no statistic is, from the numbers that people look for.
template <typename Function>
Column derived(std::string name, std::string unit, std::string help, Function function) {
  return {std::move(name), std::move(unit), std::move(help),
          [function](const Json& document) -> Json { return function(Figures(document)); }};
}

std::vector<Column> derived_columns() {
  return {
      derived("cpi", "cycle", "cycles per instruction: core_cycles over instructions",
              [](const Figures& of) { return over(of.core_cycles, of.instructions); }),
      derived("exit_share", "1", "vmx.exit_cycles over core_cycles",
              [](const Figures& of) { return over(of.exit_cycles, of.core_cycles); }),
      derived("tlb.misses", "1", "look-ups that no TLB level had",
              [](const Figures& of) { return Json(of.tlb_misses); }),
      derived("tlb.misses_per_kilo_instruction", "1", "tlb.misses in a thousand instructions",
              [](const Figures& of) { return over(of.tlb_misses, of.instructions, 1000); }),
      derived("walker.references_per_walk", "1", "walker.references over walker.walks",
              [](const Figures& of) {
                return of.walks == 0 ? Json(nullptr) : Json(of.references_per_walk);
              }),
      derived("walker.cycles_per_walk", "cycle", "walker.cycles over walker.walks",
              [](const Figures& of) {
                return of.walks == 0 ? Json(nullptr) : Json(of.cycles_per_walk);
              }),
  };
}

/// The pointer of a key: "/a/b" of "a.b".
Json::json_pointer pointer_of(std::string key) {
  std::ranges::replace(key, '.', '/');
  return Json::json_pointer("/" + key);
}

Column column_of(const Statistic& statistic) {
  return {statistic.key, std::string(statistic.unit), statistic.help,
          [pointer = pointer_of(statistic.key)](const Json& document) {
            return document.at("stats").at(pointer);
          }};
}

/// Whether it is a number; lists and histograms can't be a column.
bool is_number(const Statistic& statistic) { return statistic.get({}, {}).is_number(); }

}  // namespace

std::vector<std::string> usual_columns() {
  return {"cycles",
          "cpi",
          "translation_share",
          "walker.walks_per_kilo_instruction",
          "walker.references_per_walk",
          "walker.cycles_per_walk",
          "tlb.misses",
          "walker.served_by.dram",
          "dram.reads",
          "exit_share"};
}

Column column_of(const std::string& name, const std::string& place) {
  const std::vector<Column> others = derived_columns();
  if (const auto found = std::ranges::find(others, name, &Column::name); found != others.end()) {
    return *found;
  }
  std::vector<std::string_view> names;
  for (const Column& other : others) names.emplace_back(other.name);
  for (const Statistic& statistic : statistics()) {
    if (statistic.key == name) {
      if (is_number(statistic)) return column_of(statistic);
      throw InputError(place, name + " is no single number, and can't be a column");
    }
    names.emplace_back(statistic.key);
  }
  std::string hint = did_you_mean(name, names);
  if (hint.empty()) hint = "eptsim statistics lists them";
  throw InputError(place, "unknown statistic '" + name + "'", hint);
}

}  // namespace eptsim::sim::sweep
