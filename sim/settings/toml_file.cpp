#include "sim/settings/toml_file.hpp"

#include <algorithm>
#include <sstream>

#include "sim/input_error.hpp"
#include "sim/settings/machine_file.hpp"

namespace eptsim::sim {
namespace {

bool leads_on(const std::string& key) {
  return std::ranges::any_of(parameters(),
                             [&](const Parameter& p) { return p.key.starts_with(key + "."); });
}

/// An unknown key: what is meant may be a table, whose own keys make the better hint.
void refuse(const toml::node& node, const std::string& key, const std::string& name,
            const std::string& place) {
  const toml::table* table = node.as_table();
  if (table == nullptr || table->empty()) {
    require_parameter(key, place);
    return;  // unreachable: there is no such setting
  }
  const auto first = table->begin();
  refuse(first->second, key + "." + std::string(first->first.str()), name,
         place_of(name, first->first.source()));
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    // "Error while parsing key-value pair: expected …": the place says the first half.
    std::string_view problem = error.description();
    if (const std::size_t colon = problem.find(": ");
        problem.starts_with("Error while") && colon != std::string_view::npos) {
      problem.remove_prefix(colon + 2);
    }
    throw InputError(place_of(name, error.source()), std::string(problem));
  }
}

std::string place_of(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

std::string described(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    default: break;
  }
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  return text.str();
}

void for_each_setting(const toml::table& table, const std::string& name, const std::string& prefix,
                      const UseSetting& use) {
  for (const auto& [toml_key, node] : table) {
    const std::string key = prefix + std::string(toml_key.str());
    const std::string place = place_of(name, toml_key.source());
    const Parameter* const parameter = find_parameter(key);
    // A key may be a value, as tlb.l2.entries, or lead on, as in tlb.l1d.entries.4k.
    if (parameter != nullptr && !(node.is_table() && leads_on(key))) {
      use(*parameter, toml_key, node);
    } else if (leads_on(key)) {
      if (!node.is_table()) {
        throw InputError(place, key + " can't be " + described(node) +
                                    ", expected the settings that begin with " + key + ".");
      }
      for_each_setting(*node.as_table(), name, key + ".", use);
    } else {
      refuse(node, key, name, place);
    }
  }
}

}  // namespace eptsim::sim
