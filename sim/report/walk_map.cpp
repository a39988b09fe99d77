#include "sim/report/walk_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"
#include "sim/report/table.hpp"
#include "sim/report/walk_places.hpp"

namespace eptsim::sim::report {
namespace {

class Map {
 public:
  Map(const Run& run, double hottest)
      : nested_(run.nested()),
        walks_(run.figures().walks),
        hottest_(hottest),
        served_by_(run.figures().served_by),
        places_(places_of(run)) {
    for (const Place& place : places_) cycles_ += place.cycles;
  }

  Html html(const std::string& caption) const {
    PlaceMap map{.nested = nested_};
    map.add(places_);
    map.cell = [this](unsigned guest, unsigned ept) { return cell(guest, ept); };
    map.sum = [this](std::optional<unsigned> guest, std::optional<unsigned> ept) {
      return sum(guest, ept);
    };
    return map.html(caption);
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

  Html sum(std::optional<unsigned> guest, std::optional<unsigned> ept) const {
    std::uint64_t cycles = 0;
    std::uint64_t references = 0;
    for (const Place& place : places_) {
      if ((guest && place.guest != *guest) || (ept && place.ept != *ept)) continue;
      cycles += place.cycles;
      references += place.references;
    }
    return numbers(cycles, references);
  }

  bool nested_;
  std::uint64_t walks_;
  std::uint64_t cycles_ = 0;  ///< of all places
  double hottest_;
  std::vector<Figures::Served> served_by_;
  std::vector<Place> places_;
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
