#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace eptsim::sim {

/// A whole number as people write it: decimal or 0x…, `_` between digits allowed. Nothing if it is
/// no number or does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace eptsim::sim
