#include "sim/report/bars.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/style.hpp"
#include "sim/report/numbers.hpp"

namespace eptsim::sim::report {
namespace {

constexpr int kBarHeight = 44;
constexpr double kWideEnoughForLetters = 0.14;

std::uint64_t sum_of(const std::vector<Part>& parts) {
  std::uint64_t sum = 0;
  for (const Part& part : parts) sum += part.value;
  return sum;
}

Html small(const std::string& css_class, int height, const Html& content) {
  return element("svg",
                 {{"xmlns", "http://www.w3.org/2000/svg"},
                  {"class", css_class},
                  {"width", "100%"},
                  {"height", std::to_string(height)},
                  {"aria-hidden", "true"}},
                 content);
}

}  // namespace

Html stacked_bar(const Described& what, const std::vector<Part>& parts, std::uint64_t width_of_page,
                 const std::string& unit) {
  Html content;
  std::uint64_t before = 0;
  const std::uint64_t all = sum_of(parts);
  for (const Part& part : parts) {
    if (part.value == 0) continue;
    const double width = ratio(part.value, width_of_page);
    const Html title =
        element("title", fmt::format("{}: {} {}, {}", part.label, grouped(part.value), unit,
                                     share(part.value, all, 2)));
    content += element("rect",
                       {{"class", "fill " + part.kind},
                        {"x", across(ratio(before, width_of_page))},
                        {"width", across(width)},
                        {"height", std::to_string(kBarHeight)}},
                       title);
    if (width >= kWideEnoughForLetters) {
      content += element("text",
                         {{"class", "on-fill"},
                          {"x", across(ratio(before, width_of_page) + width / 2)},
                          {"y", std::to_string(kBarHeight / 2 + 5)},
                          {"text-anchor", "middle"}},
                         share(part.value, all, 1));
    }
    before += part.value;
  }
  return drawing(what, kBarHeight, "stacked", content);
}

Html small_bar(double length, const std::string& kind) {
  return small("small-bar", 10,
               empty_element("rect", {{"class", "fill " + kind},
                                      {"width", across(std::clamp(length, 0.0, 1.0))},
                                      {"height", "10"}}));
}

Html small_parts(const std::vector<Part>& parts) {
  constexpr int kHeight = 5;
  const std::uint64_t whole = sum_of(parts);
  Html content;
  std::uint64_t before = 0;
  for (const Part& part : parts) {
    if (part.value == 0) continue;
    content += empty_element("rect", {{"class", "fill " + part.kind},
                                      {"x", across(ratio(before, whole))},
                                      {"width", across(ratio(part.value, whole))},
                                      {"height", std::to_string(kHeight)}});
    before += part.value;
  }
  return small("small-parts", kHeight, content);
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

}  // namespace eptsim::sim::report
