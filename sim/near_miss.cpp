#include "sim/near_miss.hpp"

#include <algorithm>
#include <vector>

namespace eptsim::sim {
namespace {

std::vector<std::string_view> sorted_parts(std::string_view key) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = key.find('.');
    parts.push_back(key.substr(0, dot));
    if (dot == std::string_view::npos) break;
    key.remove_prefix(dot + 1);
  }
  std::ranges::sort(parts);
  return parts;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: row i holds the distances of a's first i letters to b's prefixes.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string> near_miss(std::string_view word,
                                     std::span<const std::string_view> candidates) {
  if (word.find('.') != std::string_view::npos) {
    const auto parts = sorted_parts(word);
    for (const std::string_view candidate : candidates) {
      if (sorted_parts(candidate) == parts) return std::string(candidate);
    }
  } else {
    const auto ends_so = [&](std::string_view key) {
      return key.ends_with("." + std::string(word));
    };
    if (std::ranges::count_if(candidates, ends_so) == 1) {
      return std::string(*std::ranges::find_if(candidates, ends_so));
    }
  }
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 4) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto meant = near_miss(word, candidates);
  return meant ? "did you mean '" + *meant + "'?" : std::string();
}

std::string listed(std::span<const std::string_view> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace eptsim::sim
