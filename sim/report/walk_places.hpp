#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/report/run.hpp"

/// The places of a walk in two dimensions: 24 of four levels, 35 of five.
namespace eptsim::sim::report {

struct Place {
  std::size_t number = 0;  ///< in the order of the walk, from 1
  unsigned guest = 0;      ///< level of the guest entry; 0: the data
  unsigned ept = 0;        ///< level of the EPT entry that translates it; 0: the entry itself
  std::uint64_t references = 0;
  std::uint64_t cycles = 0;
  std::vector<std::uint64_t> served_by = {};  ///< by level of memory, as in the figures
};

/// In the order of the walk.
std::vector<Place> places_of(const Run& run);

/// "guest PDE", "page table PDE", "data".
std::string guest_name(unsigned level, bool nested);
/// "EPT PTE for the guest PDE".
std::string place_name(const Place& place, bool nested);

/// A map as a table: a column for each level of the guest, a row for each of the EPT, and sums.
struct PlaceMap {
  using Levels = std::set<unsigned, std::greater<>>;

  bool nested = false;
  Levels guest_levels = {};
  Levels ept_levels = {};
  std::function<Html(unsigned guest, unsigned ept)> cell = {};
  /// Of a column, of a row, or of all.
  std::function<Html(std::optional<unsigned> guest, std::optional<unsigned> ept)> sum = {};

  /// Adds the levels of `places`.
  void add(const std::vector<Place>& places);
  Html html(const std::string& caption) const;
};

}  // namespace eptsim::sim::report
