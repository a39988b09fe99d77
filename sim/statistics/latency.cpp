#include "sim/statistics/latency.hpp"

#include <bit>

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

/// The bin of `cycles`, empty.
LatencyBin bin_of(std::uint64_t cycles) {
  constexpr unsigned kFine = 3;  // of so many bits each number has a bin of its own
  const auto bits = static_cast<unsigned>(std::bit_width(cycles));
  const std::uint64_t width = bits <= kFine ? 1 : std::uint64_t{1} << (bits - kFine);
  const std::uint64_t first = cycles / width * width;
  return {first, first + (width - 1), 0};
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
          percentile(histogram, count, 90), percentile(histogram, count, 99),
          histogram.rbegin()->first};
}

std::vector<LatencyBin> bins_of(const std::map<std::uint64_t, std::uint64_t>& histogram) {
  std::vector<LatencyBin> bins;
  for (const auto& [cycles, walks] : histogram) {
    if (bins.empty()) bins.push_back(bin_of(cycles));
    while (bins.back().last < cycles) bins.push_back(bin_of(bins.back().last + 1));
    bins.back().walks += walks;
  }
  return bins;
}

}  // namespace eptsim::sim
