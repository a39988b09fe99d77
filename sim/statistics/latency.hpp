#pragma once

#include <cstdint>
#include <map>

namespace eptsim::sim {

/// A histogram in four numbers.
struct Distribution {
  double mean = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t max = 0;
};

/// Of `histogram`, value -> how often. A percentile is the smallest value that at least so many
/// percent do not exceed. All zero for an empty one.
Distribution distribution_of(const std::map<std::uint64_t, std::uint64_t>& histogram);

}  // namespace eptsim::sim
