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

struct JsonObjectReader::Parser {
  std::string path;
  ondemand::parser parser;
  std::string text;  ///< the object, with the room behind it that the parser reads ahead into
  std::size_t length = 0;
  std::size_t first_line = 1;
  const char* where = nullptr;      ///< the value being read
  const char* key_where = nullptr;  ///< its key
  std::string key;                  ///< path of the value being read
  std::vector<std::string> seen;    ///< keys so far, for doubled ones
  const Take* take = nullptr;

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InputError(place_of(where), problem);
  }

  std::string place_of(const char* at) const {
    const char* end = std::clamp(at == nullptr ? text.data() : at, text.data(),
                                 const_cast<const char*>(text.data()) + length);
    const auto line = static_cast<std::size_t>(std::count(text.data(), end, '\n'));
    const char* start = end;
    while (start != text.data() && start[-1] != '\n') --start;
    return fmt::format("{}:{}:{}", path, first_line + line, end - start + 1);
  }

  /// The value of `result`; an error is bad JSON at the place reached.
  template <class T>
  T good(simdjson::simdjson_result<T> result) {
    T value{};
    const simdjson::error_code error = std::move(result).get(value);
    if (error != simdjson::SUCCESS) {
      refuse(fmt::format("no valid JSON ({})", simdjson::error_message(error)));
    }
    return value;
  }

  void read_value(ondemand::value value) {
    switch (good(value.type())) {
      case ondemand::json_type::object: read_object(good(value.get_object())); return;
      case ondemand::json_type::array: read_array(good(value.get_array())); return;
      default: read_scalar(value);
    }
  }

  void read_scalar(ondemand::value& value) {
    JsonScalar scalar;
    scalar.token = value.raw_json_token();
    while (!scalar.token.empty() && static_cast<unsigned char>(scalar.token.back()) <= ' ') {
      scalar.token.remove_suffix(1);
    }
    where = scalar.token.data();
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
        good(value.get_number());
        break;
      default:
        if (!good(value.is_null())) refuse("no valid JSON");
    }
    (*take)(key, scalar);
  }

  void read_array(ondemand::array array) {
    const std::size_t length_before = key.size();
    std::size_t index = 0;
    for (auto element : array) {
      key += fmt::format(".{}", index++);
      read_value(good(std::move(element)));
      key.resize(length_before);
    }
  }

  void read_object(ondemand::object object) {
    const std::size_t length_before = key.size();
    for (auto member : object) {
      ondemand::field field = good(std::move(member));
      where = key_where = field.key().raw() - 1;
      if (!key.empty()) key += '.';
      key += good(field.unescaped_key());
      if (std::ranges::find(seen, key) != seen.end()) refuse(fmt::format("'{}' stands twice", key));
      seen.push_back(key);
      read_value(field.value());
      key.resize(length_before);
    }
  }
};

JsonObjectReader::JsonObjectReader(std::string path) : parser_(std::make_unique<Parser>()) {
  parser_->path = std::move(path);
}
JsonObjectReader::~JsonObjectReader() = default;

void JsonObjectReader::read(std::string_view text, std::size_t first_line, const Take& take) {
  Parser& p = *parser_;
  p.text.assign(text);
  p.text.append(simdjson::SIMDJSON_PADDING, ' ');
  p.length = text.size();
  p.first_line = first_line;
  p.where = p.text.data();
  p.key.clear();
  p.seen.clear();
  p.take = &take;
  auto result = p.parser.iterate(p.text.data(), p.length, p.text.size());
  ondemand::document document;
  if (const auto error = std::move(result).get(document); error != simdjson::SUCCESS) {
    p.refuse(fmt::format("no valid JSON ({})", simdjson::error_message(error)));
  }
  ondemand::json_type type{};
  if (document.type().get(type) != simdjson::SUCCESS || type != ondemand::json_type::object) {
    p.refuse("expected a JSON object");
  }
  p.read_object(p.good(document.get_object()));
  const char* rest = nullptr;
  if (document.current_location().get(rest) == simdjson::SUCCESS) {
    p.where = rest;
    p.refuse("expected nothing more after the object");
  }
}

std::string JsonObjectReader::place() const { return parser_->place_of(parser_->where); }

std::string JsonObjectReader::key_place() const { return parser_->place_of(parser_->key_where); }

std::uint64_t number_of(const JsonObjectReader& reader, std::string_view key,
                        const JsonScalar& scalar, std::uint64_t largest) {
  std::optional<std::uint64_t> number;
  if (scalar.type == JsonScalar::Type::kString) number = parse_number(scalar.text);
  if (scalar.type == JsonScalar::Type::kNumber) number = parse_number(scalar.token);
  if (!number || *number > largest) {
    throw InputError(reader.place(),
                     fmt::format("{} is {}, expected a number from 0 to {:#x}, decimal or \"0x…\"",
                                 key, scalar.token, largest));
  }
  return *number;
}

bool truth_of(const JsonObjectReader& reader, std::string_view key, const JsonScalar& scalar) {
  if (scalar.type != JsonScalar::Type::kBool) {
    throw InputError(reader.place(),
                     fmt::format("{} is {}, expected true or false", key, scalar.token));
  }
  return scalar.truth;
}

std::string_view text_of(const JsonObjectReader& reader, std::string_view key,
                         const JsonScalar& scalar) {
  if (scalar.type != JsonScalar::Type::kString) {
    throw InputError(reader.place(), fmt::format("{} is {}, expected a string", key, scalar.token));
  }
  return scalar.text;
}

}  // namespace eptsim::sim
