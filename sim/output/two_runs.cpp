#include "sim/output/two_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "sim/output/figures.hpp"

namespace eptsim::sim {
namespace {

double over(double part, std::uint64_t whole) {
  return whole == 0 ? 0 : part / static_cast<double>(whole);
}

HeadlineFigure count(const std::string& label, std::uint64_t left, std::uint64_t right) {
  const Difference difference{label, left, right};
  return {label, grouped(left), grouped(right), left == right ? "0" : change_text(difference),
          relative_text(difference)};
}

HeadlineFigure mean(const std::string& label, double left, double right, int decimals) {
  const double change = right - left;
  return {label, grouped(left, decimals), grouped(right, decimals),
          (change < 0 ? "\u2212" : "+") + grouped(std::abs(change), decimals),
          relative_text({label, left, right})};
}

HeadlineFigure share(const std::string& label, double left, double right) {
  const double points = 100 * (right - left);
  const auto shown = [](double part) { return fmt::format("{:.2f}\u00a0%", 100 * part); };
  return {label, shown(left), shown(right),
          fmt::format("{}{:.2f} points", points < 0 ? "\u2212" : "+", std::abs(points)), "-"};
}

/// In letters of one column each, whatever the terminal.
std::string plain(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kPlain = {
      {{"\u2212", "-"}, {"\u00a0", " "}, {"×", "x"}}};
  for (const auto& [letter, instead] : kPlain) {
    for (std::size_t at = 0; (at = text.find(letter, at)) != std::string::npos;) {
      text.replace(at, letter.size(), instead);
    }
  }
  return text;
}

/// Lines of cells, as wide as their columns need: the first set left, the others right.
class Lines {
 public:
  void heading(const std::vector<std::string>& cells) { add(true, cells); }
  void line(const std::vector<std::string>& cells) { add(false, cells); }

  std::string text(Style style) const {
    std::vector<std::size_t> widths;
    for (const Line& line : lines_) {
      widths.resize(std::max(widths.size(), line.cells.size()));
      for (std::size_t i = 0; i < line.cells.size(); ++i) {
        widths[i] = std::max(widths[i], line.cells[i].size());
      }
    }
    std::string text;
    for (const Line& line : lines_) {
      std::string shown = fmt::format("{:<{}}", line.cells[0], widths[0]);
      for (std::size_t i = 1; i < line.cells.size(); ++i) {
        shown += fmt::format("  {:>{}}", line.cells[i], widths[i]);
      }
      shown.erase(shown.find_last_not_of(' ') + 1);
      text += (line.heading ? style.heading(shown) : shown) + "\n";
    }
    return text;
  }

 private:
  struct Line {
    bool heading;
    std::vector<std::string> cells;
  };
  void add(bool heading, const std::vector<std::string>& cells) {
    lines_.push_back({heading, {}});
    for (const std::string& cell : cells) lines_.back().cells.push_back(plain(cell));
    if (!heading) lines_.back().cells.front().insert(0, "  ");
  }

  std::vector<Line> lines_;
};

constexpr std::size_t kMostShown = 12;

}  // namespace

std::vector<HeadlineFigure> headline_figures(const Json& left, const Json& right) {
  const Figures one(left);
  const Figures other(right);
  const auto per_instruction = [](const Figures& of, double factor, std::uint64_t count) {
    return over(factor * static_cast<double>(count), of.instructions);
  };
  const auto of_time = [](const Figures& of, std::uint64_t cycles) {
    return over(static_cast<double>(cycles), of.core_cycles);
  };
  std::vector<HeadlineFigure> all = {
      count("cycles", one.cycles, other.cycles),
      mean("cycles per instruction", per_instruction(one, 1, one.cycles),
           per_instruction(other, 1, other.cycles), 3),
      count("cycles lost to translation", one.translation_cycles, other.translation_cycles),
      share("time lost to translation", of_time(one, one.translation_cycles),
            of_time(other, other.translation_cycles)),
  };
  if (one.exit_cycles > 0 || other.exit_cycles > 0) {
    all.push_back(count("cycles of VM exits", one.exit_cycles, other.exit_cycles));
    all.push_back(share("time of VM exits", of_time(one, one.exit_cycles),
                        of_time(other, other.exit_cycles)));
  }
  all.push_back(count("look-ups that missed every TLB", one.tlb_misses, other.tlb_misses));
  all.push_back(count("walks", one.walks, other.walks));
  all.push_back(mean("walks per 1,000 instructions", per_instruction(one, 1000, one.walks),
                     per_instruction(other, 1000, other.walks), 2));
  all.push_back(mean("references per walk", one.references_per_walk, other.references_per_walk, 2));
  all.push_back(mean("cycles per walk", one.cycles_per_walk, other.cycles_per_walk, 1));
  return all;
}

bool same_trace(const Json& left, const Json& right) {
  const Json& one = left.at("trace");
  const Json& other = right.at("trace");
  const char* const by = one.contains("hash") && other.contains("hash") ? "hash" : "path";
  if (one.at(by) != other.at(by)) return false;
  const Json none = Json::array();
  const Json more = left.value("more_traces", none);
  const Json others = right.value("more_traces", none);
  return std::ranges::equal(more, others, [](const Json& a, const Json& b) {
    return a.value("hash", a.at("path")) == b.value("hash", b.at("path"));
  });
}

bool same_work(const Json& left, const Json& right) {
  const Json& accesses = left.at("stats").at("accesses");
  return same_trace(left, right) && accesses == right.at("stats").at("accesses") && accesses != 0;
}

std::string verdict(const NamedRun& left, const NamedRun& right, const Differences& differences) {
  const auto count = [](const NamedRun& run, const char* key) {
    return run.document.at("stats").at(key).get<std::uint64_t>();
  };
  if (count(left, "accesses") == 0 && count(right, "accesses") == 0) return "Nothing was measured";
  if (differences.identical) return "The two runs are identical";
  if (!same_trace(left.document, right.document)) return "The two runs are of different traces";
  if (!same_work(left.document, right.document)) return "The two runs are not of the same length";
  const std::uint64_t before = count(left, "cycles");
  const std::uint64_t after = count(right, "cycles");
  if (before == after) return "Both runs take the same time";
  const double ratio = over(static_cast<double>(after), before);
  // "1.00 ×" would say that they are equal.
  const int decimals = std::abs(ratio - 1) < 0.01 ? 4 : 2;
  return fmt::format("{} takes {}\u00a0× the time of {}", right.name, grouped(ratio, decimals),
                     left.name);
}

std::string differences_summary(const NamedRun& left, const NamedRun& right,
                                const Differences& differences, Style style) {
  const std::string title = "eptsim: " + left.name + " and " + right.name;
  if (differences.identical) {
    return style.heading(title) + "\n" +
           fmt::format("The two runs are identical: {} settings and {} statistics, none differs.\n",
                       differences.settings_compared, differences.statistics_compared);
  }
  std::string text = style.heading(title) + "\n" + plain(verdict(left, right, differences)) + ".\n";
  for (const NamedRun* run : {&left, &right}) {
    if (run->document.at("partial").get<bool>()) {
      text += fmt::format("PARTIAL: the {} run ended early.\n", run->name);
    }
  }

  Lines settings;
  settings.heading({differences.settings.empty() ? "No setting differs" : "What was set otherwise",
                    left.name, right.name});
  for (const Difference& setting : differences.settings) {
    settings.line({setting.key, setting_text(setting.key, setting.left),
                   setting_text(setting.key, setting.right)});
  }
  text += "\n" + settings.text(style);

  Lines figures;
  figures.heading({"Figures", left.name, right.name, "difference", "relative"});
  for (const HeadlineFigure& figure : headline_figures(left.document, right.document)) {
    figures.line({figure.label, figure.left, figure.right, figure.change, figure.relative});
  }
  text += "\n" + figures.text(style);

  const std::size_t differing = differences.statistics.size();
  const std::size_t shown = std::min(differing, kMostShown);
  Lines statistics;
  statistics.heading({shown == 0 ? "No statistic differs" : "What differs most", left.name,
                      right.name, "difference", "relative"});
  for (std::size_t i = 0; i < shown; ++i) {
    const Difference& statistic = differences.statistics[i];
    statistics.line({statistic.key, statistic_text(statistic.left), statistic_text(statistic.right),
                     change_text(statistic), relative_text(statistic)});
  }
  text += "\n" + statistics.text(style);
  if (differing > shown) {
    text += fmt::format("{} more of {} statistics differ.\n", grouped(differing - shown),
                        grouped(differences.statistics_compared));
  }
  return text;
}

}  // namespace eptsim::sim
