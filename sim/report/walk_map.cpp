#include "sim/report/walk_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/table.hpp"

namespace eptsim::sim::report {
namespace {

struct Place {
  std::size_t number = 0;  ///< in the order of the walk, from 1
  unsigned guest = 0;
  unsigned ept = 0;
  std::uint64_t references = 0;
  std::uint64_t cycles = 0;
  std::vector<std::uint64_t> served_by;  ///< by level of memory, as in the figures
};

std::vector<Place> places_of(const Run& run) {
  std::vector<Place> places;
  for (const Json& place : run.document().at("stats").at("walker").at("matrix")) {
    places.push_back({places.size() + 1,
                      place.at("guest_level").get<unsigned>(),
                      place.at("ept_level").get<unsigned>(),
                      place.at("references").get<std::uint64_t>(),
                      place.at("cycles").get<std::uint64_t>(),
                      {}});
    for (const Figures::Served& level : run.figures().served_by) {
      places.back().served_by.push_back(place.at("served_by").at(level.level).get<std::uint64_t>());
    }
  }
  return places;
}

/// What the SDM calls an entry of `level`.
std::string entry_name(unsigned level) {
  constexpr std::array kNames = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames.at(level);
}

std::string guest_name(unsigned level, bool nested) {
  if (level == 0) return "data";
  return fmt::format("{} {}", nested ? "guest" : "page table", entry_name(level));
}

std::string place_name(const Place& place, bool nested) {
  if (place.ept == 0) return guest_name(place.guest, nested);
  return fmt::format("EPT {} for the {}", entry_name(place.ept), guest_name(place.guest, nested));
}

/// The map as a table: a column for each guest level, a row for each EPT level.
class Map {
 public:
  Map(const Run& run, double hottest)
      : nested_(run.nested()),
        walks_(run.figures().walks),
        hottest_(hottest),
        served_by_(run.figures().served_by),
        places_(places_of(run)) {
    for (const Place& place : places_) {
      guest_levels_.insert(place.guest);
      ept_levels_.insert(place.ept);
      cycles_ += place.cycles;
    }
  }

  Html html(const std::string& caption) const {
    Html head = element("td", "");
    for (const unsigned guest : guest_levels_) {
      head += element("th", {{"scope", "col"}}, guest_name(guest, nested_));
    }
    head += element("th", {{"scope", "col"}}, "all");
    Html rows;
    for (const unsigned ept : ept_levels_) {
      Html row = element("th", {{"scope", "row"}}, row_name(ept));
      for (const unsigned guest : guest_levels_) row += cell(guest, ept);
      row += sum([ept](const Place& place) { return place.ept == ept; });
      rows += element("tr", row) + "\n";
    }
    if (ept_levels_.size() > 1) rows += totals();
    return scrolling(caption, element("table", {{"class", "map"}},
                                      element("caption", caption) + "\n" +
                                          element("thead", element("tr", head)) + "\n" +
                                          element("tbody", rows)));
  }

  Html table(const std::string& caption) const {
    std::vector<Table::Column> columns = {{"place", false},       {"step"},
                                          {"references"},         {"cycles"},
                                          {"cycles a reference"}, {"share of walk cycles"}};
    for (const Figures::Served& level : served_by_) columns.push_back({"from " + level.label});
    Table table(caption, columns);
    std::uint64_t references = 0;
    for (const Place& place : places_) references += place.references;
    const auto numbers = [&](std::uint64_t some_references, std::uint64_t some_cycles) {
      return std::array<Html, 4>{
          grouped(some_references), grouped(some_cycles),
          some_references == 0 ? "-" : grouped(ratio(some_cycles, some_references), 1),
          share(some_cycles, cycles_, 2)};
    };
    for (const Place& place : places_) {
      const auto shown = numbers(place.references, place.cycles);
      std::vector<Html> cells = {place_name(place, nested_), std::to_string(place.number)};
      cells.insert(cells.end(), shown.begin(), shown.end());
      for (const std::uint64_t served : place.served_by) cells.emplace_back(grouped(served));
      table.row(cells);
    }
    const auto shown = numbers(references, cycles_);
    std::vector<Html> cells = {"all", ""};
    cells.insert(cells.end(), shown.begin(), shown.end());
    for (const Figures::Served& level : served_by_) cells.emplace_back(grouped(level.references));
    table.total(cells);
    return table.html();
  }

 private:
  std::string row_name(unsigned ept) const {
    if (ept > 0) return "EPT " + entry_name(ept);
    return nested_ ? "guest entry" : "entry";
  }

  Html numbers(std::uint64_t cycles, std::uint64_t references) const {
    return element("b", grouped(ratio(cycles, walks_), 1)) +
           element("span", fmt::format("{:.2f}", ratio(references, walks_))) +
           element("span", share(cycles, cycles_, 1));
  }

  Html cell(unsigned guest, unsigned ept) const {
    const auto place = std::ranges::find_if(places_, [guest, ept](const Place& candidate) {
      return candidate.guest == guest && candidate.ept == ept;
    });
    if (place == places_.end()) {
      return element("td", {{"class", "end"}}, "the data");
    }
    const Html step = element("i", std::to_string(place->number));
    if (place->references == 0) return element("td", {{"class", "none"}}, step + "-");
    const double heat = hottest_ > 0 ? ratio(place->cycles, walks_) / hottest_ : 0;
    return element("td",
                   {{"style", fmt::format("--heat:{:.3f}", heat)},
                    {"title", fmt::format("{}: {} references, {} cycles{}",
                                          place_name(*place, nested_), grouped(place->references),
                                          grouped(place->cycles), served_text(*place))}},
                   step + numbers(place->cycles, place->references) + served_bar(*place));
  }

  Html served_bar(const Place& place) const {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < place.served_by.size(); ++i) {
      parts.push_back({served_by_[i].level, served_by_[i].label, place.served_by[i]});
    }
    return parts.empty() ? Html() : small_parts(parts);
  }

  std::string served_text(const Place& place) const {
    std::string text;
    for (std::size_t i = 0; i < place.served_by.size(); ++i) {
      if (place.served_by[i] == 0) continue;
      text += fmt::format("; {} from {}", share(place.served_by[i], place.references, 1),
                          served_by_[i].label);
    }
    return text;
  }

  Html sum(const std::function<bool(const Place&)>& counts) const {
    std::uint64_t cycles = 0;
    std::uint64_t references = 0;
    for (const Place& place : places_) {
      if (!counts(place)) continue;
      cycles += place.cycles;
      references += place.references;
    }
    return element("td", {{"class", "sum"}}, numbers(cycles, references));
  }

  Html totals() const {
    Html row = element("th", {{"scope", "row"}}, "all");
    for (const unsigned guest : guest_levels_) {
      row += sum([guest](const Place& place) { return place.guest == guest; });
    }
    row += sum([](const Place&) { return true; });
    return element("tr", {{"class", "total"}}, row) + "\n";
  }

  using Levels = std::set<unsigned, std::greater<>>;

  bool nested_;
  std::uint64_t walks_;
  std::uint64_t cycles_ = 0;  ///< of all places
  double hottest_;
  std::vector<Figures::Served> served_by_;
  std::vector<Place> places_;
  Levels guest_levels_;
  Levels ept_levels_;
};

}  // namespace

Html walk_map(const Run& run, double hottest) {
  if (run.figures().walks == 0) return {};
  const Map map(run, hottest);
  Html legend;
  for (const Figures::Served& level : run.figures().served_by) {
    legend += legend_entry(level.level, level.label) + " ";
  }
  if (!legend.empty()) legend = element("p", "What served the references: " + legend);
  return map.html(
             fmt::format("Cost of each place, {}: cycles per walk; below, references per walk, "
                         "and the place's share of the walks' cycles",
                         run.label())) +
         legend +
         folded("The numbers of each place, in the order of the walk",
                map.table(fmt::format("Places of the walk, {}, all {} walks", run.label(),
                                      grouped(run.figures().walks))));
}

double hottest_place(const Run& run) {
  std::uint64_t most = 0;
  for (const Place& place : places_of(run)) most = std::max(most, place.cycles);
  return ratio(most, run.figures().walks);
}

}  // namespace eptsim::sim::report
