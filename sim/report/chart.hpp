#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sim/report/html.hpp"

/// Drawings. Lengths across the page are in percent, so letters keep their size on a small screen.
namespace eptsim::sim::report {

/// What a drawing is, for those who can't see it.
struct Described {
  std::string id;  ///< of the drawing, once in a page
  std::string title;
  std::string description;
};

/// A part of a whole, in the colour that the style sheet gives to `kind`.
struct Part {
  std::string kind;
  std::string label;
  std::uint64_t value = 0;
};

/// `parts`, numbers of `unit`, beside one another; `whole` is as wide as the page.
Html stacked_bar(const Described& what, const std::vector<Part>& parts, std::uint64_t whole,
                 const std::string& unit = "cycles");

/// A bar for a cell of a table, where the number stands beside it. `length` is of the cell's width.
Html small_bar(double length, const std::string& kind);

/// `label` beside the colour of `kind`.
Html legend_entry(const std::string& kind, const std::string& label);

struct Series {
  std::string kind;
  std::string label;
  std::map<std::uint64_t, std::uint64_t> walks;  ///< references of a walk -> walks
};

/// A histogram in columns. Several series stand beside one another at each number of references.
Html walks_by_references(const Described& what, const std::vector<Series>& all);

}  // namespace eptsim::sim::report
