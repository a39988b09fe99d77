#include "sim/report/chart.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {
namespace {

constexpr int kBarHeight = 44;
constexpr int kPlotHeight = 170;
constexpr int kPlotTop = 20;     // room for the uppermost letters
constexpr int kAxisHeight = 24;  // and for those of the axis
constexpr double kWideEnoughForLetters = 0.14;

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

/// The smallest of 1, 2, 5, 10, 20, … that divides `range` into at most `most` steps.
std::uint64_t round_step(std::uint64_t range, std::uint64_t most) {
  for (std::uint64_t decade = 1;; decade *= 10) {
    for (const std::uint64_t digit : {1u, 2u, 5u}) {
      if (range / (digit * decade) <= most) return digit * decade;
    }
  }
}

/// Lines across the plot, each with its number.
Html grid(std::uint64_t highest) {
  Html lines;
  const std::uint64_t step = round_step(highest, 4);
  for (std::uint64_t value = 0; value <= highest; value += step) {
    const std::string y = pixels(kPlotTop + kPlotHeight * (1 - ratio(value, highest)));
    lines += empty_element("line",
                           {{"class", "grid"}, {"x1", "0"}, {"x2", "100%"}, {"y1", y}, {"y2", y}});
  }
  return lines;
}

Html grid_numbers(std::uint64_t highest) {
  Html numbers;
  const std::uint64_t step = round_step(highest, 4);
  for (std::uint64_t value = step; value <= highest; value += step) {
    const double y = kPlotTop + kPlotHeight * (1 - ratio(value, highest)) - 4;
    numbers += element("text", {{"class", "scale"}, {"x", "0"}, {"y", pixels(y)}}, grouped(value));
  }
  return numbers;
}

}  // namespace

Html stacked_bar(const Described& what, const std::vector<Part>& parts, std::uint64_t whole,
                 const std::string& unit) {
  Html content;
  std::uint64_t before = 0;
  for (const Part& part : parts) {
    if (part.value == 0) continue;
    const double width = ratio(part.value, whole);
    const Html title =
        element("title", fmt::format("{}: {} {}, {}", part.label, grouped(part.value), unit,
                                     share(part.value, whole, 2)));
    content += element("rect",
                       {{"class", "fill " + part.kind},
                        {"x", across(ratio(before, whole))},
                        {"width", across(width)},
                        {"height", std::to_string(kBarHeight)}},
                       title);
    if (width >= kWideEnoughForLetters) {
      content += element("text",
                         {{"class", "on-fill"},
                          {"x", across(ratio(before, whole) + width / 2)},
                          {"y", std::to_string(kBarHeight / 2 + 5)},
                          {"text-anchor", "middle"}},
                         share(part.value, whole, 1));
    }
    before += part.value;
  }
  return drawing(what, kBarHeight, "stacked", content);
}

Html small_bar(double length, const std::string& kind) {
  const Html rectangle = empty_element("rect", {{"class", "fill " + kind},
                                                {"width", across(std::clamp(length, 0.0, 1.0))},
                                                {"height", "10"}});
  return element("svg",
                 {{"xmlns", "http://www.w3.org/2000/svg"},
                  {"class", "small-bar"},
                  {"width", "100%"},
                  {"height", "10"},
                  {"aria-hidden", "true"}},
                 rectangle);
}

Html legend_entry(const std::string& kind, const std::string& label) {
  const Html square = empty_element(
      "rect", {{"class", "fill " + kind}, {"width", "12"}, {"height", "12"}, {"rx", "2"}});
  return element("span", {{"class", "legend"}},
                 element("svg",
                         {{"xmlns", "http://www.w3.org/2000/svg"},
                          {"width", "12"},
                          {"height", "12"},
                          {"aria-hidden", "true"}},
                         square) +
                     element("span", label));
}

Html walks_by_references(const Described& what, const std::vector<Series>& all) {
  std::uint64_t last = 1;
  std::uint64_t highest = 1;
  for (const Series& series : all) {
    for (const auto& [references, walks] : series.walks) {
      last = std::max(last, references);
      highest = std::max(highest, walks);
    }
  }
  // A place is a slot of the page's width, with a little air around its columns.
  const double slot = 1 / static_cast<double>(last + 1);
  const double column = slot * 0.8 / static_cast<double>(all.size());

  Html content = grid(highest);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const auto& [references, walks] : all[i].walks) {
      // One that is there is seen.
      const double pixels_high = std::max(kPlotHeight * ratio(walks, highest), 2.0);
      const double x =
          slot * (static_cast<double>(references) + 0.1) + column * static_cast<double>(i);
      content += element("rect",
                         {{"class", "fill " + all[i].kind},
                          {"x", across(x)},
                          {"y", pixels(kPlotTop + kPlotHeight - pixels_high)},
                          {"width", across(column)},
                          {"height", pixels(pixels_high)}},
                         element("title", fmt::format("{}: {} walks of {} references", all[i].label,
                                                      grouped(walks), references)));
    }
  }
  content += grid_numbers(highest);
  const std::uint64_t step = round_step(last, 8);
  for (std::uint64_t place = 0; place <= last; place += step) {
    content += element("text",
                       {{"class", "scale"},
                        {"x", across(slot * (static_cast<double>(place) + 0.5))},
                        {"y", std::to_string(kPlotTop + kPlotHeight + 17)},
                        {"text-anchor", "middle"}},
                       std::to_string(place));
  }
  return drawing(what, kPlotTop + kPlotHeight + kAxisHeight, "columns", content);
}

}  // namespace eptsim::sim::report
