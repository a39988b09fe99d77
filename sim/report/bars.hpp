#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/report/drawing.hpp"

namespace eptsim::sim::report {

/// A part of a whole, in the colour that the style sheet gives to `kind`.
struct Part {
  std::string kind;
  std::string label;
  std::uint64_t value = 0;
};

/// `parts`, numbers of `unit`, beside one another, with their shares of their own sum.
/// `width_of_page` is as wide as the page: the largest of the sums where several bars have one
/// scale.
Html stacked_bar(const Described& what, const std::vector<Part>& parts, std::uint64_t width_of_page,
                 const std::string& unit = "cycles");

/// A bar for a cell of a table, where the number stands beside it. `length` is of the cell's width.
Html small_bar(double length, const std::string& kind);

/// Parts of their own sum, for a cell that says in words what they are.
Html small_parts(const std::vector<Part>& parts);

/// `label` beside the colour of `kind`.
Html legend_entry(const std::string& kind, const std::string& label);

}  // namespace eptsim::sim::report
