#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// A whole number as people write it: decimal or 0x…, `_` between digits allowed. Nothing if it is
/// no number or does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// A size in bytes: a number, or one with B, KiB, MiB, GiB, TiB or PiB.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

/// `value` bytes with the largest unit of which they are a whole number: "64 GiB".
std::string bytes_text(std::uint64_t value);

}  // namespace eptsim::sim
