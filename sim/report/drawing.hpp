#pragma once

#include <string>
#include <vector>

#include "sim/report/html.hpp"

/// What all drawings share. Lengths across the page are in percent, so letters keep their size on a
/// small screen.
namespace eptsim::sim::report {

/// What a drawing is, for those who can't see it.
struct Described {
  std::string id;  ///< of the drawing, once in a page
  std::string title;
  std::string description;
};

Html drawing(const Described& what, int height, const std::string& css_class, const Html& content);

/// `part` of the page's width: "12.500%".
std::string across(double part);
/// A length in pixels.
std::string pixels(double length);

inline constexpr int kPlotHeight = 170;
inline constexpr int kPlotTop = 20;     ///< room for the uppermost letters
inline constexpr int kAxisHeight = 24;  ///< and for those of the axis

/// Round numbers from 0 to `highest`, at most `most` steps; written with as many decimals as their
/// step needs. The smallest step is `least`.
struct Scale {
  Scale(double highest, unsigned most, double least = 0);

  double step = 0;
  int decimals = 0;
  std::vector<double> marks;  ///< with 0
  std::string text(double mark) const;
};

/// A line across the plot at each mark of a scale up to `highest`, and below it its number.
Html grid(double highest, const Scale& scale);
Html grid_numbers(double highest, const Scale& scale);

/// A line through points of a box whose width is 1000 whatever the page's, and which is
/// kPlotHeight high: "0.000,170.000 500.000,12.500". Its stroke keeps its width.
Html plot_line(const std::string& kind, const std::string& points, const Html& content = {});
/// That box, with lines in it, as wide as the plot.
Html plot_box(const Html& lines);

/// Letters below the plot, at a part of its width.
Html axis_text(double at, const std::string& text, const std::string& anchor = "middle");

}  // namespace eptsim::sim::report
