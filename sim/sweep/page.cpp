#include "sim/sweep/page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/output/style.hpp"
#include "sim/report/page.hpp"
#include "sim/report/sections.hpp"
#include "sim/sweep/plots.hpp"
#include "sim/version.hpp"

namespace eptsim::sim::sweep {

using report::element;
using report::Html;
using report::Table;

namespace {

/// Of a larger sweep the page has the first rows, and results.csv all.
constexpr std::size_t kMostRows = 2000;
/// So few are shown at once; more are folded away.
constexpr std::size_t kFewRows = 48;

/// "2 machines, 3 schemes and 2 values of tlb.l2.entries".
std::string axes_in_words(const Sweep& sweep) {
  std::vector<std::string> parts;
  for (const std::size_t axis : varied_axes(sweep)) {
    const Axis& of = sweep.axes[axis];
    const std::size_t count = of.values.size();
    const bool noun = of.kind != Axis::Kind::kSetting && of.kind != Axis::Kind::kVariant;
    parts.push_back(noun ? fmt::format("{} {}s", count, of.name)
                         : fmt::format("{} values of {}", count, of.name));
  }
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? " and " : ", ";
    text += parts[i];
  }
  return text;
}

/// The rows with the lowest and the highest number; nothing if no row has one.
struct Extremes {
  const Row* lowest = nullptr;
  const Row* highest = nullptr;
};

Extremes extremes_of(const Results& results, std::size_t plot) {
  Extremes extremes;
  const auto value = [&](const Row& row) { return results.plot(row.point, plot).get<double>(); };
  for (const Row& row : results.grid().rows) {
    if (results.plot(row.point, plot).is_null()) continue;
    if (extremes.lowest == nullptr || value(row) < value(*extremes.lowest)) extremes.lowest = &row;
    if (extremes.highest == nullptr || value(row) > value(*extremes.highest)) {
      extremes.highest = &row;
    }
  }
  return extremes;
}

Html head(const Results& results) {
  const Sweep& sweep = results.sweep();
  const std::size_t points = results.grid().rows.size();
  const std::string axes = axes_in_words(sweep);
  Html lead = axes.empty() ? Html("Nothing is varied. ") : Html("Over " + axes + ", ");
  if (!axes.empty()) {
    const Extremes extremes = extremes_of(results, 0);
    if (extremes.lowest == nullptr) {
      lead += "nothing is measured yet. ";
    } else {
      const Column& column = sweep.plots.front();
      lead += element("b", column.name) + " goes from " +
              element("b", shown(column, results.plot(extremes.lowest->point, 0))) + " (" +
              described(sweep, *extremes.lowest) + ") to " +
              element("b", shown(column, results.plot(extremes.highest->point, 0))) + " (" +
              described(sweep, *extremes.highest) + "). ";
    }
  }
  lead += "A number over some of the axes is the mean over all others.";
  return element("header", "\n" +
                               element("p", {{"class", "kicker"}},
                                       fmt::format("eptsim {}, sweep of {} point{}", kVersion,
                                                   grouped(points), points == 1 ? "" : "s")) +
                               "\n" + element("h1", sweep.title.empty() ? "A sweep" : sweep.title) +
                               "\n" + element("p", {{"class", "lead"}}, lead) + "\n") +
         "\n";
}

Html warning(const Results& results) {
  const std::size_t points = results.grid().points.size();
  const std::size_t done = results.count_done();
  if (done == points) return {};
  return element("p", {{"class", "warning"}},
                 element("b", "Not complete.") +
                     fmt::format(" {} of {} points are done; drawings and means have those.",
                                 grouped(done), grouped(points))) +
         "\n";
}

Html tiles(const Results& results) {
  const Sweep& sweep = results.sweep();
  Html all;
  for (std::size_t plot = 0; plot < sweep.plots.size(); ++plot) {
    const Column& column = sweep.plots[plot];
    const Extremes extremes = extremes_of(results, plot);
    if (extremes.lowest == nullptr) continue;
    const auto tile = [&](const char* which, const Row& row) {
      return report::tile(fmt::format("{} {}", which, column.name),
                          shown(column, results.plot(row.point, plot)), described(sweep, row));
    };
    all += tile("lowest", *extremes.lowest) + tile("highest", *extremes.highest);
  }
  return all.empty() ? Html() : element("div", {{"class", "pairs"}}, report::tiles(all));
}

Html what_matters(const Results& results) {
  if (varied_axes(results.sweep()).size() < 2) return {};
  Html all;
  for (std::size_t plot = 0; plot < results.sweep().plots.size(); ++plot) {
    all += effects(results, plot);
  }
  if (all.empty()) return {};
  return report::section(
      "What matters",
      element("p", {{"class", "remark"}},
              "The axis that moves the mean most stands first. A dot is the mean at one of its "
              "values; all strips of a table begin at 0 and have one scale.") +
          "\n" + all);
}

Html plots_over(const Results& results, std::size_t axis, std::optional<std::size_t> other) {
  const Sweep& sweep = results.sweep();
  Html plots;
  for (std::size_t plot = 0; plot < sweep.plots.size(); ++plot) {
    plots += element("figure", plot_over(results, plot, axis, other)) + "\n";
  }
  const std::string heading =
      sweep.axes[axis].name + (other ? " and " + sweep.axes[*other].name : "");
  return report::section(heading, element("div", {{"class", "columns-2 plots"}}, plots));
}

Html drawings(const Results& results) {
  const std::vector<std::size_t> axes = varied_axes(results.sweep());
  if (results.count_done() == 0) return {};
  if (axes.size() == 1) return plots_over(results, axes.front(), std::nullopt);
  Html all;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    for (std::size_t j = i + 1; j < axes.size(); ++j) {
      all += plots_over(results, axes[i], axes[j]);
    }
  }
  return all;
}

/// A name of several parts, with places where a line may break.
std::string breakable(const std::string& name) {
  std::string text;
  for (const char letter : name) {
    text += letter;
    if (letter == '.' || letter == '_') text += "\u200b";
  }
  return text;
}

/// Each leads to the report of its point.
Html all_points(const Results& results) {
  const Sweep& sweep = results.sweep();
  const auto& rows = results.grid().rows;
  std::vector<Table::Column> columns = {{"point", false}};
  const std::vector<std::size_t> axes = varied_axes(sweep);
  for (const std::size_t axis : axes) columns.push_back({breakable(sweep.axes[axis].name), false});
  for (const Column& column : sweep.columns) columns.push_back({breakable(column.name)});
  Table table("Every point; its name leads to its report", columns);
  for (std::size_t i = 0; i < std::min(rows.size(), kMostRows); ++i) {
    const Row& row = rows[i];
    const std::string& id = results.grid().points[row.point].id;
    const Html name = element("code", id.substr(0, 8));
    std::vector<Html> cells = {results.done(row.point)
                                   ? element("a", {{"href", "points/" + id + "/report.html"}}, name)
                                   : name};
    for (const std::size_t axis : axes) {
      cells.emplace_back(sweep.axes[axis].values[row.at[axis]].name);
    }
    for (std::size_t column = 0; column < sweep.columns.size(); ++column) {
      cells.emplace_back(shown(sweep.columns[column], results.column(row.point, column)));
    }
    table.row(cells);
  }
  Html content = element("div", {{"class", "points"}}, table.html()) + "\n";
  if (rows.size() > kMostRows) {
    content += element(
        "p", {{"class", "remark"}},
        fmt::format("The first {} of {} points.", grouped(kMostRows), grouped(rows.size())));
  }
  const std::string count = fmt::format("{} points", grouped(rows.size()));
  return report::section(
      "The points", (rows.size() > kFewRows ? report::folded(count, content) : content) +
                        element("p", element("a", {{"href", "results.csv"}}, "results.csv") +
                                         " has all numbers, " +
                                         element("a", {{"href", "results.json"}}, "results.json") +
                                         " with their units."));
}

/// What holds for all points, and what the columns are.
Html provenance(const Results& results) {
  const Sweep& sweep = results.sweep();
  Table columns("The numbers", {{"column", false}, {"meaning", false}});
  std::vector<const Column*> listed;
  for (const auto* list : {&sweep.plots, &sweep.columns}) {
    for (const Column& column : *list) {
      const bool known = std::ranges::any_of(
          listed, [&](const Column* other) { return other->name == column.name; });
      if (!known) listed.push_back(&column);
    }
  }
  for (const Column* column : listed) columns.row({column->name, column->help});
  Table fixed("The same in every point", {{"what", false}, {"value", false}});
  for (const Axis& axis : sweep.axes) {
    if (axis.values.size() == 1) fixed.row({axis.name, axis.values.front().name});
  }
  for (const Assignment& setting : sweep.settings) fixed.row({setting.key, setting.value});
  const FixedOptions& options = sweep.options;
  fixed.row({"detail", options.detail == Detail::kFull ? "full" : "translation"});
  fixed.row({"warm-up", grouped(options.warmup) + " accesses"});
  if (options.limit) fixed.row({"limit", grouped(*options.limit) + " accesses"});
  fixed.row({"seed", std::to_string(options.seed)});
  return report::section("What was run", columns.html() + fixed.html());
}

}  // namespace

std::string page_html(const Results& results) {
  const std::string& title = results.sweep().title;
  return report::page(title.empty() ? "eptsim sweep" : title,
                      head(results) + warning(results) + tiles(results) + what_matters(results) +
                          drawings(results) + all_points(results) + provenance(results));
}

}  // namespace eptsim::sim::sweep
