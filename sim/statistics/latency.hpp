#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace eptsim::sim {

/// A histogram in five numbers.
struct Distribution {
  double mean = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p90 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t max = 0;
};

/// Of `histogram`, value -> how often. A percentile is the smallest value that at least so many
/// percent do not exceed. All zero for an empty one.
Distribution distribution_of(const std::map<std::uint64_t, std::uint64_t>& histogram);

/// Walks that took `first` to `last` cycles.
struct LatencyBin {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t walks = 0;
};

/// `histogram`, cycles -> walks, in bins: below 8 each number of cycles by itself, from there on
/// four equal ones up to each power of two, none wider than a quarter of its cycles. From the first
/// that holds a walk to the last, without gaps.
std::vector<LatencyBin> bins_of(const std::map<std::uint64_t, std::uint64_t>& histogram);

}  // namespace eptsim::sim
