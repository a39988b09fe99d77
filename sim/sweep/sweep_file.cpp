#include "sim/sweep/sweep_file.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "sim/cli/command.hpp"
#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/settings/toml_file.hpp"
#include "sim/settings/value.hpp"
#include "sim/trace/generate/workload.hpp"

namespace eptsim::sim::sweep {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 10> kKeys = {
    "title", "columns", "plots", "machines", "schemes", "traces", "vary", "variants", "set", "run"};
constexpr std::array<std::string_view, 7> kOptions = {"warmup", "limit",  "seed", "detail",
                                                      "walker", "format", "fetch"};
/// Schemes say these of every point.
constexpr std::array<std::string_view, 2> kPagesOfSchemes = {"guest.page", "hypervisor.page"};

/// A key of a table, and what stands at it.
struct Entry {
  const toml::key* key;
  const toml::node* node;
};

/// Those of `table` in the file's order: the parser sorts them by name.
std::vector<Entry> entries_of(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : table) entries.push_back({&key, &node});
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    const toml::source_position begin = entry.key->source().begin;
    return std::pair(begin.line, begin.column);
  });
  return entries;
}

class Reader {
 public:
  Reader(const std::string& name, const fs::path& folder) : name_(name), folder_(folder) {}

  Sweep read(const toml::table& table) {
    for (const Entry& entry : entries_of(table)) read_entry(std::string(entry.key->str()), entry);
    if (sweep_.axis(Axis::Kind::kTrace) == nullptr) {
      throw InputError(name_, "has no traces, expected a line as traces = [\"program.trace\"]");
    }
    check_keys();
    if (sweep_.columns.empty()) {
      for (const std::string& column : usual_columns()) {
        sweep_.columns.push_back(column_of(column, name_));
      }
    }
    if (sweep_.plots.empty()) {
      for (const char* plot : {"cpi", "translation_share"}) {
        sweep_.plots.push_back(column_of(plot, name_));
      }
    }
    check_names();
    return std::move(sweep_);
  }

 private:
  void read_entry(const std::string& key, const Entry& entry) {
    const toml::node& node = *entry.node;
    if (key == "title") {
      sweep_.title = text_of(node, key);
    } else if (key == "columns") {
      sweep_.columns = columns_of(node, key);
    } else if (key == "plots") {
      sweep_.plots = columns_of(node, key);
    } else if (key == "machines") {
      add_axis(Axis::Kind::kMachine, "machine", entry);
    } else if (key == "schemes") {
      add_axis(Axis::Kind::kScheme, "scheme", entry);
    } else if (key == "traces") {
      add_axis(Axis::Kind::kTrace, "trace", entry);
    } else if (key == "vary") {
      read_varied(table_of(node, key));
    } else if (key == "variants") {
      read_variants(table_of(node, key));
    } else if (key == "set") {
      sweep_.settings = settings_of(table_of(node, key));
    } else if (key == "run") {
      read_options(table_of(node, key));
    } else {
      refuse_key(key, *entry.key);
    }
  }

  [[noreturn]] void refuse_key(const std::string& key, const toml::key& at) const {
    std::string hint = did_you_mean(key, kKeys);
    if (hint.empty()) {
      // A setting at the top of the file, or an option of a run.
      const std::vector<std::string_view> settings = parameter_keys();
      if (std::ranges::any_of(settings, [&](std::string_view setting) {
            return setting == key || setting.starts_with(key + ".");
          })) {
        hint = "a setting is varied under [vary], and is the same in every point under [set]";
      } else if (std::ranges::find(kOptions, key) != kOptions.end()) {
        hint = "options of every run stand under [run]";
      }
    }
    throw InputError(place(at.source()), "unknown key '" + key + "', expected " + listed(kKeys),
                     hint);
  }

  void add_axis(Axis::Kind kind, const std::string& name, const Entry& entry) {
    Axis axis{.kind = kind, .name = name, .place = place(entry.key->source()), .values = {}};
    const std::string key(entry.key->str());
    if (const toml::table* named = entry.node->as_table()) {
      for (const Entry& value : entries_of(*named)) {
        axis.values.push_back(value_of(kind, *value.node, key));
        axis.values.back().name = std::string(value.key->str());
      }
    } else if (const toml::array* list = entry.node->as_array()) {
      for (const toml::node& value : *list) axis.values.push_back(value_of(kind, value, key));
      shorten_names(axis);
    } else {
      throw InputError(place(entry.node->source()),
                       key + " can't be " + described(*entry.node) + ", expected a list");
    }
    add(std::move(axis));
  }

  Value value_of(Axis::Kind kind, const toml::node& node, const std::string& key) const {
    Value value;
    value.place = place(node.source());
    if (const toml::array* together = node.as_array(); together && kind == Axis::Kind::kTrace) {
      for (const toml::node& trace : *together) {
        value.name += (value.name.empty() ? "" : " + ") + text_of(trace, key);
        value.traces.push_back(trace_of(trace, key));
      }
      if (value.traces.empty()) throw InputError(value.place, "no trace, expected at least one");
      return value;
    }
    value.name = text_of(node, key);
    switch (kind) {
      case Axis::Kind::kMachine: value.machine = machine_of(value); break;
      case Axis::Kind::kScheme: value.scheme = scheme_of(value); break;
      default: value.traces.push_back(trace_of(node, key)); break;
    }
    return value;
  }

  std::string machine_of(const Value& value) const {
    std::vector<std::string_view> names;
    for (const Preset& preset : presets()) {
      if (preset.name == value.name) return value.name;
      names.push_back(preset.name);
    }
    const std::string path = in_folder(value.name);
    std::error_code ignored;
    if (!value.name.empty() && fs::exists(path, ignored)) return path;
    throw InputError(
        value.place,
        "unknown machine '" + value.name + "', expected " + listed(names) + " or a machine file",
        did_you_mean(value.name, names));
  }

  Scheme scheme_of(const Value& value) const {
    // "all" is many, and so is a list with commas.
    return parse_scheme(value.name, value.place);
  }

  std::string trace_of(const toml::node& node, const std::string& key) const {
    const std::string trace = text_of(node, key);
    if (generate::is_generated(trace)) return trace;
    if (trace.empty() || trace == "-") {
      throw InputError(place(node.source()),
                       "a sweep reads its traces again and again, expected a file or generate:…");
    }
    return in_folder(trace);
  }

  /// Files are named without their folders where that tells them apart.
  static void shorten_names(Axis& axis) {
    const auto is_file = [&](const Value& value) {
      return (axis.kind == Axis::Kind::kTrace && value.traces.size() == 1 &&
              !generate::is_generated(value.name)) ||
             axis.kind == Axis::Kind::kMachine;
    };
    std::map<std::string, unsigned> files;
    const auto short_name = [&](const Value& value) {
      return is_file(value) ? fs::path(value.name).filename().string() : value.name;
    };
    for (const Value& value : axis.values) ++files[short_name(value)];
    for (Value& value : axis.values) {
      if (files[short_name(value)] == 1) value.name = short_name(value);
    }
  }

  void read_varied(const toml::table& table) {
    std::vector<std::pair<toml::source_position, Axis>> axes;
    for_each_setting(table, name_, "",
                     [&](const Parameter& parameter, const toml::key& key, const toml::node& node) {
                       const toml::array* const list = node.as_array();
                       if (list == nullptr) {
                         throw InputError(place(node.source()),
                                          parameter.key +
                                              " is varied over a list, expected one as in " +
                                              parameter.key + " = [" + described(node) + "]",
                                          "what is the same in every point stands under [set]");
                       }
                       Axis axis{.kind = Axis::Kind::kSetting,
                                 .name = parameter.key,
                                 .place = place(key.source()),
                                 .values = {}};
                       for (const toml::node& element : *list) {
                         const Assignment setting = assignment_of(parameter, element);
                         Value value{.name = setting.value,
                                     .place = setting.place,
                                     .machine = {},
                                     .scheme = {},
                                     .traces = {},
                                     .settings = {setting},
                                     .number = {}};
                         if (parameter.type != Parameter::Type::kWord) {
                           value.number = parse_value(parameter, setting.value, setting.place);
                         }
                         axis.values.push_back(std::move(value));
                       }
                       axes.emplace_back(key.source().begin, std::move(axis));
                     });
    std::ranges::sort(
        axes, {}, [](const auto& axis) { return std::pair(axis.first.line, axis.first.column); });
    for (auto& [begin, axis] : axes) add(std::move(axis));
  }

  void read_variants(const toml::table& table) {
    for (const Entry& entry : entries_of(table)) {
      const std::string name(entry.key->str());
      Axis axis{.kind = Axis::Kind::kVariant,
                .name = name,
                .place = place(entry.key->source()),
                .values = {}};
      for (const Entry& variant : entries_of(table_of(*entry.node, "variants." + name))) {
        const std::string value(variant.key->str());
        axis.values.push_back(
            {.name = value,
             .place = place(variant.key->source()),
             .machine = {},
             .scheme = {},
             .traces = {},
             .settings = settings_of(table_of(*variant.node, "variants." + name + "." + value)),
             .number = {}});
      }
      add(std::move(axis));
    }
  }

  void add(Axis axis) {
    if (axis.values.empty()) {
      throw InputError(axis.place, "no " + axis.name + ", expected at least one value");
    }
    std::set<std::string> names;
    std::set<std::uint64_t> numbers;
    for (const Value& value : axis.values) {
      if (value.name.empty()) throw InputError(value.place, "is empty, expected a name");
      const bool is_new =
          value.number ? numbers.insert(*value.number).second : names.insert(value.name).second;
      if (!is_new) throw InputError(value.place, value.name + " is there twice");
    }
    sweep_.axes.push_back(std::move(axis));
  }

  Assignment assignment_of(const Parameter& parameter, const toml::node& node) const {
    const std::string where = place(node.source());
    std::string text;
    if (const auto* number = node.as_integer()) {
      text = std::to_string(number->get());
    } else if (const auto* word = node.as_string()) {
      text = word->get();
    } else {
      refuse_value(parameter, described(node), where);
    }
    parse_value(parameter, text, where);
    return {parameter.key, text, where};
  }

  std::vector<Assignment> settings_of(const toml::table& table) const {
    std::vector<Assignment> settings;
    for_each_setting(table, name_, "",
                     [&](const Parameter& parameter, const toml::key&, const toml::node& node) {
                       settings.push_back(assignment_of(parameter, node));
                     });
    return settings;
  }

  void read_options(const toml::table& table) {
    FixedOptions& options = sweep_.options;
    for (const Entry& entry : entries_of(table)) {
      const std::string key(entry.key->str());
      const toml::node& node = *entry.node;
      if (key == "warmup") {
        options.warmup = number_of(node, key, 0);
      } else if (key == "limit") {
        options.limit = number_of(node, key, 1);
      } else if (key == "seed") {
        options.seed = number_of(node, key, 0);
      } else if (key == "detail") {
        options.detail = word<Detail>(
            node, key, {{"full", Detail::kFull}, {"translation", Detail::kTranslation}});
      } else if (key == "walker") {
        options.walker = word<WalkerKind>(node, key,
                                          {{"model", WalkerKind::kModel},
                                           {"rtl", WalkerKind::kRtl},
                                           {"both", WalkerKind::kBoth}});
      } else if (key == "fetch") {
        options.fetch = word<bool>(node, key, {{"on", true}, {"off", false}});
      } else if (key == "format") {
        options.format = format_of(node, key);
      } else {
        throw InputError(place(entry.key->source()),
                         "unknown option '" + key + "', expected " + listed(kOptions),
                         did_you_mean(key, kOptions));
      }
    }
  }

  std::uint64_t number_of(const toml::node& node, const std::string& key,
                          std::int64_t least) const {
    const auto* const number = node.as_integer();
    if (number == nullptr || number->get() < least) {
      throw InputError(place(node.source()), key + " can't be " + described(node) +
                                                 ", expected a whole number from " +
                                                 std::to_string(least));
    }
    return static_cast<std::uint64_t>(number->get());
  }

  template <typename T>
  T word(const toml::node& node, const std::string& key, const Words<T>& words) const {
    std::vector<std::string_view> names;
    const auto* const text = node.as_string();
    for (const auto& [name, value] : words) {
      if (text != nullptr && text->get() == name) return value;
      names.push_back(name);
    }
    throw InputError(place(node.source()),
                     key + " can't be " + described(node) + ", expected " + listed(names),
                     text == nullptr ? std::string() : did_you_mean(text->get(), names));
  }

  std::string format_of(const toml::node& node, const std::string& key) const {
    Words<std::string> words;
    for (const std::string_view name : trace_formats()) words.emplace_back(name, name);
    return word<std::string>(node, key, words);
  }

  std::vector<Column> columns_of(const toml::node& node, const std::string& key) const {
    const toml::array* const list = node.as_array();
    if (list == nullptr) {
      throw InputError(place(node.source()),
                       key + " can't be " + described(node) + ", expected a list of statistics");
    }
    std::vector<Column> columns;
    for (const toml::node& element : *list) {
      const std::string name = text_of(element, key);
      const std::string where = place(element.source());
      if (std::ranges::find(columns, name, &Column::name) != columns.end()) {
        throw InputError(where, name + " is there twice");
      }
      columns.push_back(column_of(name, where));
    }
    return columns;
  }

  /// No setting is given by two, of which one would be silently ignored.
  void check_keys() const {
    std::map<std::string, std::string> given;  // by whom, by key
    if (sweep_.axis(Axis::Kind::kScheme) != nullptr) {
      for (const std::string_view key : kPagesOfSchemes) given[std::string(key)] = "schemes";
    }
    const auto give = [&](const Assignment& setting, const std::string& giver) {
      const auto [place, is_new] = given.try_emplace(setting.key, giver);
      if (!is_new && place->second != giver) {
        throw InputError(setting.place, setting.key + " is given by " + place->second + " too");
      }
    };
    for (const Assignment& setting : sweep_.settings) give(setting, "[set]");
    for (const Axis& axis : sweep_.axes) {
      const std::string giver = axis.kind == Axis::Kind::kSetting ? "[vary]" : "the " + axis.name;
      for (const Value& value : axis.values) {
        for (const Assignment& setting : value.settings) give(setting, giver);
      }
    }
  }

  /// Results have a column for each axis.
  void check_names() const {
    std::set<std::string> names = {"point"};
    for (const Column& column : sweep_.columns) names.insert(column.name);
    for (const Axis& axis : sweep_.axes) {
      if (!names.insert(axis.name).second) {
        throw InputError(axis.place, "'" + axis.name +
                                         "' is another column of the results too, "
                                         "expected another name");
      }
    }
  }

  std::string place(const toml::source_region& source) const { return place_of(name_, source); }

  std::string text_of(const toml::node& node, const std::string& key) const {
    if (const auto* text = node.as_string()) return text->get();
    throw InputError(place(node.source()),
                     key + " can't be " + described(node) + ", expected text in quotes");
  }

  const toml::table& table_of(const toml::node& node, const std::string& key) const {
    if (const toml::table* table = node.as_table()) return *table;
    throw InputError(place(node.source()),
                     key + " can't be " + described(node) + ", expected a table");
  }

  std::string in_folder(const std::string& path) const {
    return (folder_ / path).lexically_normal().string();
  }

  const std::string& name_;
  const fs::path& folder_;
  Sweep sweep_;
};

}  // namespace

bool Axis::numeric() const {
  return std::ranges::all_of(values, [](const Value& value) { return value.number.has_value(); });
}

const Axis* Sweep::axis(Axis::Kind kind) const {
  const auto found = std::ranges::find(axes, kind, &Axis::kind);
  return found == axes.end() ? nullptr : &*found;
}

Sweep read_sweep(std::string_view text, const std::string& name, const fs::path& folder) {
  return Reader(name, folder).read(parse_toml(text, name));
}

}  // namespace eptsim::sim::sweep
