#include "sim/output/differences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "sim/output/style.hpp"
#include "sim/settings/parameter.hpp"

namespace eptsim::sim {
namespace {

/// Keys and scalars, in the order of the document.
using Values = std::vector<std::pair<std::string, Json>>;

/// What an object of a list is known by, where that isn't its number: lists of two runs may have
/// one here and not there.
std::string name_in_list(const Json& entry, std::size_t number) {
  if (!entry.is_object() || !entry.contains("guest_level")) return std::to_string(number);
  return fmt::format("{},{}", entry.at("guest_level").dump(), entry.at("ept_level").dump());
}

/// Lists whose entries are compared one by one: places of the walk, and cores, if there are
/// several. Others are courses and rankings, in which a number says nothing without those beside
/// it.
bool is_compared(std::string_view list, const Json& value) {
  return list == "walker.matrix" || (list == "cores" && value.size() > 1);
}

void add_values(Values& values, std::vector<std::pair<std::string, Json>>& lists,
                const std::string& key, const Json& value) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      add_values(values, lists, key.empty() ? name : key + "." + name, inner);
    }
  } else if (value.is_array() && !is_compared(key, value)) {
    // What one core did is what all did.
    if (key != "cores") lists.emplace_back(key, value);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      for (const auto& [name, inner] : value[i].items()) {
        if (name == "guest_level" || name == "ept_level") continue;
        add_values(values, lists, fmt::format("{}[{}].{}", key, name_in_list(value[i], i), name),
                   inner);
      }
    }
  } else {
    values.emplace_back(key, value);
  }
}

/// What was asked for: keys of the machine as `--set` takes them, and options by their names.
Values settings_of(const Json& document) {
  Values values;
  std::vector<std::pair<std::string, Json>> lists;
  const auto add = [&](const char* key, const Json& value) { values.emplace_back(key, value); };
  add("trace", document.at("trace").at("path"));
  add("hash of the trace", document.at("trace").value("hash", Json()));
  for (const Json& more : document.value("more_traces", Json::array())) {
    add("further trace",
        more.at("path").get<std::string>() + ", hash " + more.value("hash", std::string("none")));
  }
  const Json& run = document.at("run");
  add("--mode", document.at("mode"));
  add("--detail", document.at("detail"));
  add("--warmup", run.at("warmup"));
  add("--limit", run.value("limit", Json()));
  add("--seed", run.at("seed"));
  add("--fetch", run.at("fetch").get<bool>() ? "on" : "off");
  add("--walker", document.at("host").at("engine"));
  add("--machine", document.at("machine_name"));
  add_values(values, lists, "", document.at("machine"));
  add("version of eptsim", document.at("eptsim_version"));
  return values;
}

/// Those of both, in the order of the left ones; what the right one alone has comes last. Returns
/// how many there are.
std::size_t compare(const Values& left, const Values& right, std::vector<Difference>& differences) {
  std::multimap<std::string_view, const Json*> others;
  for (const auto& [key, value] : right) others.emplace(key, &value);
  std::size_t compared = left.size();
  for (const auto& [key, value] : left) {
    const auto other = others.find(key);
    const Json there = other == others.end() ? Json() : *other->second;
    if (other != others.end()) others.erase(other);
    if (value != there) differences.push_back({key, value, there});
  }
  for (const auto& [key, value] : right) {
    const auto [begin, end] = others.equal_range(key);
    const auto other =
        std::find_if(begin, end, [&](const auto& of) { return of.second == &value; });
    if (other == end) continue;
    ++compared;
    if (!value.is_null()) differences.push_back({key, Json(), value});
  }
  return compared;
}

double number_of(const Json& value) { return value.is_number() ? value.get<double>() : 0; }

/// Without what no two runs have in common.
Json without_host(Json document) {
  const Json engine = document.at("host").at("engine");
  document["host"] = engine;
  return document;
}

/// As many places as show four digits.
std::string real_text(double value) {
  const double size = std::abs(value);
  const int before = size < 1 ? 0 : static_cast<int>(std::floor(std::log10(size))) + 1;
  return grouped(value, std::max(0, 4 - before));
}

}  // namespace

bool Difference::is_number() const {
  return (left.is_number() || left.is_null()) && (right.is_number() || right.is_null());
}

double Difference::change() const { return number_of(right) - number_of(left); }

double Difference::relative() const {
  const double before = number_of(left);
  if (before == 0) return std::numeric_limits<double>::infinity();
  return change() / before;
}

double Difference::weight() const {
  if (!is_number()) return 1;
  const double larger = std::max(std::abs(number_of(left)), std::abs(number_of(right)));
  return larger == 0 ? 0 : std::min(1.0, std::abs(change()) / larger);
}

Differences::Differences(const Json& left, const Json& right) {
  identical = without_host(left) == without_host(right);
  settings_compared = compare(settings_of(left), settings_of(right), settings);

  Values measured_left;
  Values measured_right;
  Values lists_left;
  Values lists_right;
  add_values(measured_left, lists_left, "", left.at("stats"));
  add_values(measured_right, lists_right, "", right.at("stats"));
  statistics_compared = compare(measured_left, measured_right, statistics);
  std::ranges::stable_sort(statistics, [](const Difference& one, const Difference& other) {
    if (one.weight() != other.weight()) return one.weight() > other.weight();
    return std::abs(one.change()) > std::abs(other.change());
  });
  std::vector<Difference> differing_lists;
  compare(lists_left, lists_right, differing_lists);
  for (const Difference& list : differing_lists) lists.push_back(list.key);
}

std::string setting_text(const std::string& key, const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  const Parameter* parameter = find_parameter(key);
  if (parameter != nullptr && parameter->type == Parameter::Type::kBytes) {
    return size_text(value.get<std::uint64_t>());
  }
  std::string text = grouped(value.get<std::uint64_t>());
  if (parameter != nullptr && !parameter->unit.empty() && parameter->unit != "1") {
    text += " " + std::string(parameter->unit) + (value == 1 ? "" : "s");
  }
  return text;
}

std::string statistic_text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return grouped(value.get<std::uint64_t>());
  return value.is_number() ? real_text(value.get<double>()) : value.dump();
}

std::string change_text(const Difference& difference) {
  if (!difference.is_number()) return "-";
  // What one run doesn't have, it has none of.
  const auto is_count = [](const Json& value) {
    return value.is_null() || value.is_number_integer();
  };
  const auto count = [](const Json& value) {
    return value.is_null() ? 0 : value.get<std::uint64_t>();
  };
  const double change = difference.change();
  const std::string sign = change < 0 ? "\u2212" : "+";
  if (!is_count(difference.left) || !is_count(difference.right)) {
    return sign + real_text(std::abs(change));
  }
  const std::uint64_t left = count(difference.left);
  const std::uint64_t right = count(difference.right);
  return sign + grouped(std::max(left, right) - std::min(left, right));
}

std::string relative_text(const Difference& difference) {
  const double relative = difference.relative();
  if (!difference.is_number() || !std::isfinite(relative)) return "-";
  return (relative < 0 ? "\u2212" : "+") + grouped(100 * std::abs(relative), 2) + "\u00a0%";
}

}  // namespace eptsim::sim
