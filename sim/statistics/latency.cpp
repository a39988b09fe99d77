#include "sim/statistics/latency.hpp"

namespace eptsim::sim {
namespace {

std::uint64_t percentile(const std::map<std::uint64_t, std::uint64_t>& histogram,
                         std::uint64_t count, std::uint64_t percent) {
  // Rounded up, in whole numbers: a percentile must not depend on floating point.
  const std::uint64_t rank = (count / 100) * percent + ((count % 100) * percent + 99) / 100;
  std::uint64_t seen = 0;
  for (const auto& [value, times] : histogram) {
    seen += times;
    if (seen >= rank) return value;
  }
  return 0;
}

}  // namespace

Distribution distribution_of(const std::map<std::uint64_t, std::uint64_t>& histogram) {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;
  for (const auto& [value, times] : histogram) {
    count += times;
    sum += value * times;
  }
  if (count == 0) return {};
  return {static_cast<double>(sum) / static_cast<double>(count), percentile(histogram, count, 50),
          percentile(histogram, count, 99), histogram.rbegin()->first};
}

}  // namespace eptsim::sim
