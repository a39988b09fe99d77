#include "sim/report/walk_places.hpp"

#include <fmt/format.h>

#include <array>

#include "sim/report/table.hpp"

namespace eptsim::sim::report {
namespace {

/// What the SDM calls an entry of `level`.
std::string entry_name(unsigned level) {
  constexpr std::array kNames = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
  return kNames.at(level);
}

}  // namespace

std::vector<Place> places_of(const Run& run) {
  std::vector<Place> places;
  for (const Json& place : run.document().at("stats").at("walker").at("matrix")) {
    places.push_back({places.size() + 1, place.at("guest_level").get<unsigned>(),
                      place.at("ept_level").get<unsigned>(),
                      place.at("references").get<std::uint64_t>(),
                      place.at("cycles").get<std::uint64_t>()});
    for (const Figures::Served& level : run.figures().served_by) {
      places.back().served_by.push_back(place.at("served_by").at(level.level).get<std::uint64_t>());
    }
  }
  return places;
}

std::string guest_name(unsigned level, bool nested) {
  if (level == 0) return "data";
  return fmt::format("{} {}", nested ? "guest" : "page table", entry_name(level));
}

std::string place_name(const Place& place, bool nested) {
  if (place.ept == 0) return guest_name(place.guest, nested);
  return fmt::format("EPT {} for the {}", entry_name(place.ept), guest_name(place.guest, nested));
}

void PlaceMap::add(const std::vector<Place>& places) {
  for (const Place& place : places) {
    guest_levels.insert(place.guest);
    ept_levels.insert(place.ept);
  }
}

Html PlaceMap::html(const std::string& caption) const {
  const auto row_name = [this](unsigned ept) -> std::string {
    if (ept > 0) return "EPT " + entry_name(ept);
    return nested ? "guest entry" : "entry";
  };
  Html head = element("td", "");
  for (const unsigned guest : guest_levels) {
    head += element("th", {{"scope", "col"}}, guest_name(guest, nested));
  }
  head += element("th", {{"scope", "col"}}, "all");
  const auto sum_cell = [this](std::optional<unsigned> guest, std::optional<unsigned> ept) {
    return element("td", {{"class", "sum"}}, sum(guest, ept));
  };
  Html rows;
  for (const unsigned ept : ept_levels) {
    Html row = element("th", {{"scope", "row"}}, row_name(ept));
    for (const unsigned guest : guest_levels) row += cell(guest, ept);
    rows += element("tr", row + sum_cell(std::nullopt, ept)) + "\n";
  }
  if (ept_levels.size() > 1) {
    Html row = element("th", {{"scope", "row"}}, "all");
    for (const unsigned guest : guest_levels) row += sum_cell(guest, std::nullopt);
    rows += element("tr", {{"class", "total"}}, row + sum_cell(std::nullopt, std::nullopt)) + "\n";
  }
  return scrolling(
      caption, element("table", {{"class", "map"}},
                       element("caption", caption) + "\n" + element("thead", element("tr", head)) +
                           "\n" + element("tbody", rows)));
}

}  // namespace eptsim::sim::report
