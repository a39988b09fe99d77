#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/report/drawing.hpp"

namespace eptsim::sim::report {

/// Values over a run, in steps: each holds from one point of the axis to the next.
struct Line {
  struct Step {
    std::uint64_t end = 0;  ///< on the axis; the first begins at 0
    double value = 0;
  };
  std::string kind;
  std::string label;
  std::vector<Step> steps;
};

/// `unit`: of the axis, "accesses".
Html line_plot(const Described& what, const std::vector<Line>& lines, const std::string& unit);

/// `label` beside a piece of the line of `kind`.
Html line_legend_entry(const std::string& kind, const std::string& label);

}  // namespace eptsim::sim::report
