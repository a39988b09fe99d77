#include "sim/settings/machine_file.hpp"

#include <fcntl.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "sim/near_miss.hpp"
#include "sim/settings/value.hpp"

namespace eptsim::sim {
namespace {

std::string place_of(const std::string& name, const toml::source_region& source) {
  return name + ":" + std::to_string(source.begin.line) + ":" + std::to_string(source.begin.column);
}

/// What a person calls a TOML value of the wrong type.
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

class Reader {
 public:
  Reader(const std::string& name, std::string_view text)
      : name_(name), comments_(comments_of(text)) {}

  void read(const toml::table& table, const std::string& prefix) {
    for (const auto& [toml_key, node] : table) {
      const std::string key = prefix + std::string(toml_key.str());
      const std::string place = place_of(name_, toml_key.source());
      if (const Parameter* parameter = find_parameter(key)) {
        // A key may be a value, as tlb.l2.entries, or lead on, as in tlb.l1d.entries.4k.
        if (node.is_table() && leads_on(key)) {
          read(*node.as_table(), key + ".");
        } else {
          const std::string value_place = place_of(name_, node.source());
          const std::size_t line = node.source().end.line;
          given_.push_back({parameter, value_of(*parameter, node, value_place), value_place,
                            line < comments_.size() ? comments_[line] : std::string()});
        }
      } else if (leads_on(key)) {
        if (!node.is_table()) {
          throw InputError(place, key + " can't be " + described(node) +
                                      ", expected the settings that begin with " + key + ".");
        }
        read(*node.as_table(), key + ".");
      } else {
        refuse(node, key, place);
      }
    }
  }

  std::vector<Given> take() { return std::move(given_); }

 private:
  static bool leads_on(const std::string& key) {
    return std::ranges::any_of(parameters(),
                               [&](const Parameter& p) { return p.key.starts_with(key + "."); });
  }

  /// An unknown key: what is meant may be a table, whose own keys make the better hint.
  void refuse(const toml::node& node, const std::string& key, const std::string& place) const {
    const toml::table* table = node.as_table();
    if (table == nullptr || table->empty()) {
      require_parameter(key, place);
      return;  // unreachable: there is no such setting
    }
    const auto first = table->begin();
    refuse(first->second, key + "." + std::string(first->first.str()),
           place_of(name_, first->first.source()));
  }

  static std::uint64_t value_of(const Parameter& parameter, const toml::node& node,
                                const std::string& place) {
    if (const auto* number = node.as_integer();
        number && parameter.type != Parameter::Type::kWord) {
      const std::int64_t value = number->get();
      if (value < 0) refuse_value(parameter, std::to_string(value), place);
      return check_range(parameter, static_cast<std::uint64_t>(value), std::to_string(value),
                         place);
    }
    if (const auto* text = node.as_string(); text && parameter.type != Parameter::Type::kNumber) {
      return parse_value(parameter, text->get(), place);
    }
    refuse_value(parameter, described(node), place);
  }

  const std::string& name_;
  std::vector<std::string> comments_;
  std::vector<Given> given_;
};

}  // namespace

const Parameter& require_parameter(std::string_view key, const std::string& place) {
  if (const Parameter* parameter = find_parameter(key)) return *parameter;
  throw InputError(place, "unknown setting '" + std::string(key) + "'",
                   did_you_mean(key, parameter_keys()));
}

std::vector<Given> read_machine_file(std::string_view text, const std::string& name) {
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    // "Error while parsing key-value pair: expected …": the place says the first half.
    std::string_view problem = error.description();
    if (const std::size_t colon = problem.find(": ");
        problem.starts_with("Error while") && colon != std::string_view::npos) {
      problem.remove_prefix(colon + 2);
    }
    throw InputError(place_of(name, error.source()), std::string(problem));
  }
  Reader reader(name, text);
  reader.read(table, "");
  return reader.take();
}

std::string read_text(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw InputError(path, std::strerror(errno));
  std::string text;
  std::array<char, 65536> buffer;
  ssize_t got = 0;
  while ((got = ::read(file, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const int trouble = got < 0 ? errno : 0;
  ::close(file);
  if (trouble != 0) throw InputError(path, std::strerror(trouble));
  return text;
}

}  // namespace eptsim::sim
