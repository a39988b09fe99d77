#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/settings/parameter.hpp"

namespace eptsim::sim {

/// The value that `text` gives to `parameter`. Throws InputError at `place` if it is of the wrong
/// type or out of range.
std::uint64_t parse_value(const Parameter& parameter, std::string_view text,
                          const std::string& place);

/// `value`, if it is in the range of `parameter`. Throws InputError at `place`; `shown` is the
/// value as it was written.
std::uint64_t check_range(const Parameter& parameter, std::uint64_t value, std::string_view shown,
                          const std::string& place);

/// Refuses `shown`, of whatever wrong kind, as a value of `parameter`.
[[noreturn]] void refuse_value(const Parameter& parameter, std::string_view shown,
                               const std::string& place);

}  // namespace eptsim::sim
