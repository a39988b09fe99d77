#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "sim/cli/commands.hpp"
#include "sim/near_miss.hpp"
#include "sim/output/output_file.hpp"
#include "sim/statistics/statistic.hpp"

namespace eptsim::sim {
namespace {

/// Key, unit and meaning of a statistic, or of a member of a list's objects.
struct Line {
  std::string key;
  std::string_view unit;
  std::string_view help;
};

std::vector<Line> lines_of(const Statistic& statistic) {
  std::vector<Line> lines = {{statistic.key, statistic.unit, statistic.help}};
  for (const Statistic::Member& member : statistic.members) {
    lines.push_back({statistic.key + "[]." + member.name, member.unit, member.help});
  }
  return lines;
}

/// The name of the group that a key begins with: "tlb" of "tlb.l2.hits"; empty for one by itself.
std::string group_of(const std::string& key) {
  const std::size_t dot = key.find('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

class StatisticsCommand : public Command {
 public:
  std::string name() const override { return "statistics"; }
  std::string help() const override { return "Say what the numbers of stats.json mean"; }
  void declare(Options& options) override {
    options.argument("KEY", key_, "A statistic, or the beginning of several: walker.latency",
                     false);
    std::vector<std::string> keys;
    for (const Statistic& statistic : statistics()) keys.push_back(statistic.key);
    options.values("KEY", keys);
    options.flag("--markdown", markdown_, "Print them as tables of a page");
    options.footer(
        "Examples:\n"
        "  eptsim statistics walker.latency\n"
        "  eptsim statistics | less");
  }
  Status run() override {
    // Groups in the order in which their first statistics are declared.
    std::vector<std::pair<std::string, std::string>> groups;
    for (const Statistic& statistic : statistics()) {
      if (key_ && statistic.key != *key_ && !statistic.key.starts_with(*key_ + ".")) continue;
      const std::string group = group_of(statistic.key);
      auto place = std::ranges::find(groups, group, &std::pair<std::string, std::string>::first);
      if (place == groups.end()) place = groups.insert(groups.end(), {group, heading(group)});
      for (const Line& line : lines_of(statistic)) place->second += shown(line);
    }
    std::string text;
    for (const auto& [group, lines] : groups) text += lines;
    if (text.empty()) {
      std::vector<std::string_view> keys;
      for (const Statistic& statistic : statistics()) {
        const std::string_view key = statistic.key;
        keys.push_back(key);
        for (std::size_t dot = key.find('.'); dot < key.size(); dot = key.find('.', dot + 1)) {
          keys.push_back(key.substr(0, dot));
        }
      }
      std::string hint = did_you_mean(*key_, keys);
      if (hint.empty()) hint = "`eptsim statistics` lists them";
      throw InputError("eptsim statistics", "unknown statistic '" + *key_ + "'", hint);
    }
    write_standard_output(text);
    return Status::kDone;
  }

 private:
  std::string heading(const std::string& group) const {
    if (!markdown_) return {};
    return fmt::format("\n## {}\n\n| key | unit | meaning |\n|---|---|---|\n",
                       group.empty() ? "The run" : "`" + group + "`");
  }

  std::string shown(const Line& line) const {
    if (markdown_) return fmt::format("| `{}` | {} | {} |\n", line.key, line.unit, line.help);
    const std::string unit =
        line.unit.empty() || line.unit == "1" ? std::string() : fmt::format(", in {}s", line.unit);
    return fmt::format("{}{}\n{}", line.key, unit,
                       line.help.empty() ? "" : fmt::format("    {}\n", line.help));
  }

  std::optional<std::string> key_;
  bool markdown_ = false;
};

}  // namespace

std::unique_ptr<Command> make_statistics_command() { return std::make_unique<StatisticsCommand>(); }

}  // namespace eptsim::sim
