#include "sim/cli/command.hpp"

#include <algorithm>

#include "sim/near_miss.hpp"

namespace eptsim::sim {

void refuse_word(const std::string& option, const std::string& given,
                 const std::vector<std::string_view>& words,
                 const std::vector<std::string_view>& later) {
  const bool known = std::ranges::find(later, given) != later.end();
  throw InputError(option + " " + given,
                   std::string(known ? "this version doesn't have it" : "unknown") + ", expected " +
                       listed(words),
                   known ? std::string() : did_you_mean(given, words));
}

std::string error_line(const InputError& error) {
  std::string line = error.what();
  if (!error.hint().empty()) line += "; " + error.hint();
  return line;
}

}  // namespace eptsim::sim
