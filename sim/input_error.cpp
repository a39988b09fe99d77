#include "sim/input_error.hpp"

#include <utility>

namespace eptsim::sim {

InputError::InputError(std::string place, const std::string& problem, std::string hint)
    : std::runtime_error(place.empty() ? problem : place + ": " + problem),
      place_(std::move(place)),
      hint_(std::move(hint)) {}

}  // namespace eptsim::sim
