#include "sim/settings/machine_file.hpp"

#include <algorithm>

#include "sim/near_miss.hpp"
#include "sim/settings/toml_file.hpp"
#include "sim/settings/value.hpp"

namespace eptsim::sim {
namespace {

/// The comments that end the lines of TOML in which a value ends, by line from 1. Machine files
/// have no text in which a '#' could stand but between quotes.
std::vector<std::string> comments_of(std::string_view text) {
  std::vector<std::string> comments(1);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    bool quoted = false;
    const auto begin = std::ranges::find_if(line, [&](char c) {
      if (c == '"' || c == '\'') quoted = !quoted;
      return c == '#' && !quoted;
    });
    line.remove_prefix(static_cast<std::size_t>(begin - line.begin()));
    line.remove_prefix(std::min(line.find_first_not_of("# "), line.size()));
    line = line.substr(0, line.find_last_not_of(" \r\t") + 1);
    comments.emplace_back(line);
  }
  return comments;
}

std::uint64_t value_of(const Parameter& parameter, const toml::node& node,
                       const std::string& place) {
  if (const auto* number = node.as_integer(); number && parameter.type != Parameter::Type::kWord) {
    const std::int64_t value = number->get();
    if (value < 0) refuse_value(parameter, std::to_string(value), place);
    return check_range(parameter, static_cast<std::uint64_t>(value), std::to_string(value), place);
  }
  if (const auto* text = node.as_string(); text && parameter.type != Parameter::Type::kNumber) {
    return parse_value(parameter, text->get(), place);
  }
  refuse_value(parameter, described(node), place);
}

}  // namespace

const Parameter& require_parameter(std::string_view key, const std::string& place) {
  if (const Parameter* parameter = find_parameter(key)) return *parameter;
  throw InputError(place, "unknown setting '" + std::string(key) + "'",
                   did_you_mean(key, parameter_keys()));
}

std::vector<Given> read_machine_file(std::string_view text, const std::string& name) {
  const toml::table table = parse_toml(text, name);
  const std::vector<std::string> comments = comments_of(text);
  std::vector<Given> given;
  for_each_setting(table, name, "",
                   [&](const Parameter& parameter, const toml::key&, const toml::node& node) {
                     const std::string place = place_of(name, node.source());
                     const std::size_t line = node.source().end.line;
                     given.push_back({&parameter, value_of(parameter, node, place), place,
                                      line < comments.size() ? comments[line] : std::string()});
                   });
  return given;
}

}  // namespace eptsim::sim
