#include "sim/report/drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/output/style.hpp"

namespace eptsim::sim::report {
namespace {

double height_of(double value, double highest) {
  return kPlotTop + kPlotHeight * (1 - (highest > 0 ? value / highest : 0));
}

}  // namespace

std::string across(double part) { return fmt::format("{:.3f}%", 100 * part); }
std::string pixels(double length) { return fmt::format("{:.1f}", length); }

Html drawing(const Described& what, int height, const std::string& css_class, const Html& content) {
  return element("svg",
                 {{"xmlns", "http://www.w3.org/2000/svg"},
                  {"class", css_class},
                  {"width", "100%"},
                  {"height", std::to_string(height)},
                  {"role", "img"},
                  {"aria-labelledby", what.id + "-title " + what.id + "-desc"}},
                 element("title", {{"id", what.id + "-title"}}, what.title) +
                     element("desc", {{"id", what.id + "-desc"}}, what.description) + content) +
         "\n";
}

Scale::Scale(double highest, unsigned most, double least) {
  // The smallest of 1, 2 and 5 times a power of ten that takes at most so many steps.
  int power = highest > 0 ? static_cast<int>(std::floor(std::log10(highest / most))) : 0;
  const auto fits = [&] { return step >= least && highest <= most * step; };
  for (;; ++power) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      step = digit * std::pow(10.0, power);
      if (fits()) break;
    }
    if (fits()) break;
  }
  decimals = std::max(0, -power);
  for (unsigned i = 0; i * step <= highest * (1 + 1e-9); ++i) marks.push_back(i * step);
}

std::string Scale::text(double mark) const { return grouped(mark, decimals); }

Html grid(double highest, const Scale& scale) {
  Html lines;
  for (const double mark : scale.marks) {
    const std::string y = pixels(height_of(mark, highest));
    lines += empty_element("line",
                           {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", y}, {"y2", y}});
  }
  return lines;
}

Html grid_numbers(double highest, const Scale& scale) {
  Html numbers;
  for (const double mark : scale.marks) {
    if (mark == 0) continue;
    numbers += element(
        "text", {{"class", "scale"}, {"x", "0"}, {"y", pixels(height_of(mark, highest) - 4)}},
        scale.text(mark));
  }
  return numbers;
}

Html plot_line(const std::string& kind, const std::string& points, const Html& content) {
  return element(
      "polyline",
      {{"class", "line " + kind}, {"vector-effect", "non-scaling-stroke"}, {"points", points}},
      content);
}

Html plot_box(const Html& lines) {
  return element("svg",
                 {{"viewBox", fmt::format("0 0 1000 {}", kPlotHeight)},
                  {"preserveAspectRatio", "none"},
                  {"class", "lines"},
                  {"y", std::to_string(kPlotTop)},
                  {"width", "100%"},
                  {"height", std::to_string(kPlotHeight)}},
                 lines);
}

Html axis_text(double at, const std::string& text, const std::string& anchor) {
  return element("text",
                 {{"class", "scale"},
                  {"x", across(at)},
                  {"y", std::to_string(kPlotTop + kPlotHeight + 17)},
                  {"text-anchor", anchor}},
                 text);
}

}  // namespace eptsim::sim::report
