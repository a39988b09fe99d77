#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// Edits that turn one word into the other: insert, delete, replace, or swap two neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that was most likely meant by `word`, if one is near enough to say so: few edits
/// away, made of the same dotted parts in another order, or the only one that ends with `word` as
/// its last part. Equals are decided by their order.
std::optional<std::string> near_miss(std::string_view word,
                                     std::span<const std::string_view> candidates);

/// "did you mean 'x'?" for an InputError, empty without a near miss.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// "a, b or c".
std::string listed(std::span<const std::string_view> words);

}  // namespace eptsim::sim
