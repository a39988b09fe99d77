#include "sim/settings/value.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "sim/near_miss.hpp"
#include "sim/number.hpp"

namespace eptsim::sim {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

void refuse_value(const Parameter& parameter, std::string_view shown, const std::string& place) {
  std::string problem =
      parameter.key + " can't be " + std::string(shown) + ", expected " + parameter.expected();
  if (!parameter.note.empty()) problem += " (" + parameter.note + ")";
  std::string hint;
  if (parameter.type == Parameter::Type::kWord) hint = did_you_mean(shown, parameter.words);
  throw InputError(place, problem, std::move(hint));
}

std::uint64_t check_range(const Parameter& parameter, std::uint64_t value, std::string_view shown,
                          const std::string& place) {
  if (value < parameter.minimum || value > parameter.maximum) {
    refuse_value(parameter, shown, place);
  }
  return value;
}

std::uint64_t parse_value(const Parameter& parameter, std::string_view text,
                          const std::string& place) {
  if (parameter.type == Parameter::Type::kWord) {
    const auto same = [&](std::string_view word) { return lower(word) == lower(text); };
    const auto found = std::ranges::find_if(parameter.words, same);
    if (found == parameter.words.end()) refuse_value(parameter, text, place);
    return static_cast<std::uint64_t>(found - parameter.words.begin());
  }
  const auto value =
      parameter.type == Parameter::Type::kBytes ? parse_bytes(text) : parse_number(text);
  if (!value) refuse_value(parameter, text.empty() ? "empty" : text, place);
  return check_range(parameter, *value, text, place);
}

}  // namespace eptsim::sim
