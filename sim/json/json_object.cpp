#include "sim/json/json_object.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/number.hpp"

namespace eptsim::sim {

namespace ondemand = simdjson::ondemand;

namespace {

constexpr unsigned kDeepest = 16;

/// Whether `token` is a number as JSON spells it (RFC 8259, section 6); of any size.
bool is_number(std::string_view token) {
  const auto digit = [&token] {
    return !token.empty() && token.front() >= '0' && token.front() <= '9';
  };
  const auto skip_digits = [&] {
    while (digit()) token.remove_prefix(1);
  };
  if (token.starts_with('-')) token.remove_prefix(1);
  if (!digit()) return false;
  if (token.starts_with('0')) {
    token.remove_prefix(1);
  } else {
    skip_digits();
  }
  if (token.starts_with('.')) {
    token.remove_prefix(1);
    if (!digit()) return false;
    skip_digits();
  }
  if (token.starts_with('e') || token.starts_with('E')) {
    token.remove_prefix(1);
    if (token.starts_with('+') || token.starts_with('-')) token.remove_prefix(1);
    if (!digit()) return false;
    skip_digits();
  }
  return token.empty();
}

/// Length of the longest beginning of `text` that is UTF-8.
std::size_t length_of_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t length = 1;
    while (length <= 4 && !simdjson::validate_utf8(text.substr(at, length))) ++length;
    if (length > 4) break;
    at += length;
  }
  return std::min(at, text.size());
}

/// What stands behind the object or array that `text` begins with; empty if that has no end.
std::string_view after_first_value(std::string_view text) {
  int open = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++open;
    } else if ((c == '}' || c == ']') && --open == 0) {
      const std::size_t next = text.find_first_not_of(" \t\r\n", at + 1);
      return next == std::string_view::npos ? std::string_view() : text.substr(next);
    }
  }
  return {};
}

}  // namespace

struct JsonObjectReader::Parser {
  std::string path;
  ondemand::parser parser;
  std::string text;  ///< the object, with the room behind it that the parser reads ahead into
  std::size_t length = 0;
  std::size_t first_line = 1;
  const char* where = nullptr;      ///< the value being read
  const char* key_where = nullptr;  ///< its key
  std::string key;                  ///< path of the value being read
  unsigned depth = 0;               ///< of arrays and objects around it
  std::vector<std::string> seen;    ///< keys so far, for doubled ones
  const Take* take = nullptr;

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InputError(place_of(where), problem);
  }

  std::string place_of(const char* at) const {
    const char* first = text.data();
    const char* end = std::clamp(at == nullptr ? first : at, first, first + length);
    const auto line = static_cast<std::size_t>(std::count(first, end, '\n'));
    const char* start = end;
    while (start != first && start[-1] != '\n') --start;
    return fmt::format("{}:{}:{}", path, first_line + line, end - start + 1);
  }

  [[noreturn]] void refuse(simdjson::error_code error) {
    const std::string_view whole(text.data(), length);
    if (error == simdjson::UTF8_ERROR) where = text.data() + length_of_utf8(whole);
    if (error == simdjson::INCOMPLETE_ARRAY_OR_OBJECT) {
      const std::string_view rest = after_first_value(whole);
      if (!rest.empty()) refuse_rest(rest.data());
      where = text.data() + length;
      refuse("no valid JSON (the object has no end)");
    }
    refuse(fmt::format("no valid JSON ({})", simdjson::error_message(error)));
  }

  /// The value of `result`; an error is bad JSON at the place reached.
  template <class T>
  T good(simdjson::simdjson_result<T> result) {
    T value{};
    const simdjson::error_code error = std::move(result).get(value);
    if (error != simdjson::SUCCESS) refuse(error);
    return value;
  }

  void read_document() {
    where = key_where = text.data();
    key.clear();
    depth = 0;
    seen.clear();
    ondemand::document document = good(parser.iterate(text.data(), length, text.size()));
    ondemand::json_type type{};
    if (document.type().get(type) != simdjson::SUCCESS || type != ondemand::json_type::object) {
      refuse("expected a JSON object");
    }
    read_object(good(document.get_object()));
    const char* rest = nullptr;
    if (document.current_location().get(rest) == simdjson::SUCCESS) {
      refuse_rest(rest);
    }
  }

  [[noreturn]] void refuse_rest(const char* rest) {
    where = rest;
    refuse("expected nothing more after the object");
  }

  void read_value(ondemand::value value) {
    const std::string_view token = value.raw_json_token();
    where = token.data();
    if (++depth > kDeepest) refuse("arrays and objects stand in each other too deeply");
    switch (good(value.type())) {
      case ondemand::json_type::object:
        if (read_object(good(value.get_object())) == 0) {
          hand_over({.type = JsonScalar::Type::kEmptyObject, .token = "{}"});
        }
        break;
      case ondemand::json_type::array:
        if (read_array(good(value.get_array())) == 0) {
          hand_over({.type = JsonScalar::Type::kEmptyArray, .token = "[]"});
        }
        break;
      default: read_scalar(value, token);
    }
    --depth;
  }

  void hand_over(const JsonScalar& scalar) { (*take)(key, scalar); }

  void read_scalar(ondemand::value& value, std::string_view token) {
    while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') {
      token.remove_suffix(1);
    }
    JsonScalar scalar{.token = token};
    switch (good(value.type())) {
      case ondemand::json_type::string:
        scalar.type = JsonScalar::Type::kString;
        scalar.text = good(value.get_string());
        break;
      case ondemand::json_type::boolean:
        scalar.type = JsonScalar::Type::kBool;
        scalar.truth = good(value.get_bool());
        break;
      case ondemand::json_type::number:
        scalar.type = JsonScalar::Type::kNumber;
        if (!is_number(token))
          refuse(fmt::format("no valid JSON ('{}' is no number)", shown(token)));
        break;
      default:
        if (!good(value.is_null())) refuse("no valid JSON");
    }
    hand_over(scalar);
  }

  /// Returns the number of elements.
  std::size_t read_array(ondemand::array array) {
    const std::size_t length_before = key.size();
    std::size_t index = 0;
    for (auto element : array) {
      key += fmt::format("[{}]", index++);
      read_value(good(std::move(element)));
      key.resize(length_before);
    }
    return index;
  }

  /// Returns the number of members.
  std::size_t read_object(ondemand::object object) {
    const std::size_t length_before = key.size();
    std::size_t count = 0;
    for (auto member : object) {
      ++count;
      ondemand::field field = good(std::move(member));
      where = key_where = field.key().raw() - 1;
      const std::string_view name = good(field.unescaped_key());
      if (name.find_first_of(".[") != std::string_view::npos) {
        refuse(fmt::format("unknown key '{}'", shown(name)));
      }
      if (!key.empty()) key += '.';
      key += name;
      if (std::ranges::find(seen, key) != seen.end())
        refuse(fmt::format("'{}' stands twice", shown(key)));
      seen.push_back(key);
      read_value(field.value());
      key.resize(length_before);
    }
    return count;
  }
};

JsonObjectReader::JsonObjectReader(std::string path) : parser_(std::make_unique<Parser>()) {
  parser_->path = std::move(path);
}
JsonObjectReader::~JsonObjectReader() = default;

void JsonObjectReader::read(std::string_view text, std::size_t first_line, const Take& take) {
  parser_->text.assign(text);
  parser_->text.append(simdjson::SIMDJSON_PADDING, ' ');
  parser_->length = text.size();
  parser_->first_line = first_line;
  parser_->take = &take;
  parser_->read_document();
}

std::string JsonObjectReader::place() const { return parser_->place_of(parser_->where); }

std::string JsonObjectReader::key_place() const { return parser_->place_of(parser_->key_where); }

std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out(text.substr(0, kLongest));
  // Not in the middle of a character, whose later bytes are 10xxxxxx.
  if (text.size() > kLongest) {
    std::size_t end = kLongest;
    while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    out.resize(end);
  }
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, '?');
  if (text.size() > kLongest) out += "…";
  return out;
}

std::string_view outermost_key(std::string_view path) {
  return path.substr(0, path.find_first_of(".["));
}

std::uint64_t number_of(const JsonObjectReader& reader, std::string_view key,
                        const JsonScalar& scalar, std::uint64_t largest) {
  std::optional<std::uint64_t> number;
  if (scalar.type == JsonScalar::Type::kString) number = parse_number(scalar.text);
  if (scalar.type == JsonScalar::Type::kNumber) number = parse_number(scalar.token);
  if (!number || *number > largest) {
    throw InputError(reader.place(),
                     fmt::format("{} is {}, expected a number from 0 to {:#x}, decimal or \"0x…\"",
                                 key, shown(scalar.token), largest));
  }
  return *number;
}

bool truth_of(const JsonObjectReader& reader, std::string_view key, const JsonScalar& scalar) {
  if (scalar.type != JsonScalar::Type::kBool) {
    throw InputError(reader.place(),
                     fmt::format("{} is {}, expected true or false", key, shown(scalar.token)));
  }
  return scalar.truth;
}

std::string_view text_of(const JsonObjectReader& reader, std::string_view key,
                         const JsonScalar& scalar) {
  if (scalar.type != JsonScalar::Type::kString) {
    throw InputError(reader.place(),
                     fmt::format("{} is {}, expected a string", key, shown(scalar.token)));
  }
  return scalar.text;
}

}  // namespace eptsim::sim
