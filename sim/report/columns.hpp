#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/report/drawing.hpp"

namespace eptsim::sim::report {

/// A histogram in columns. Several series stand beside one another at each place of the axis.
struct Columns {
  struct Place {
    std::string axis;   ///< below it, where there is room: "16"
    std::string row;    ///< in a table: "16 to 19"
    std::string words;  ///< of its columns: "walks of 16 to 19 cycles"
  };
  struct Series {
    std::string kind;
    std::string label;
    std::vector<std::uint64_t> values;  ///< by place
  };
  std::vector<Place> places;
  std::vector<Series> series;
};

Html columns(const Described& what, const Columns& content);

}  // namespace eptsim::sim::report
