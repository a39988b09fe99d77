#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "sim/trace/generate/permutation.hpp"

namespace eptsim::sim::generate {

/// A directed R-MAT graph (a = 0.57, b = c = 0.19, d = 0.05) in compressed rows, computed instead
/// of stored. R-MAT throws each edge into one of four quadrants of the adjacency matrix, then of
/// that quadrant, and so on. Seen from a vertex: the share of all edges that begin there is (a +
/// b)^zeros (c + d)^ones of its number's bits, and each bit of an edge's other end is one with
/// probability b / (a + b) or d / (c + d), as the bit of its begin is zero or one. Names of
/// vertices are shuffled, as graph benchmarks do.
class PowerLawGraph {
 public:
  PowerLawGraph(unsigned scale, std::uint64_t edges, std::uint64_t seed)
      : vertices_(std::uint64_t{1} << scale),
        names_(scale, random_at(seed, 0)),
        degree_seed_(random_at(seed, 1)),
        edge_seed_(random_at(seed, 2)) {
    // By multiplications alone, which give the same bits everywhere, as std::pow need not.
    for (unsigned ones = 0; ones <= scale; ++ones) {
      auto degree = static_cast<double>(edges);
      for (unsigned bit = 0; bit < scale; ++bit) degree *= bit < ones ? 0.24 : 0.76;
      degrees_[ones] = static_cast<std::uint64_t>(std::ldexp(degree, 32));
    }
    for (std::uint64_t vertex = 0; vertex < vertices_; ++vertex) {
      if (vertex % kSample == 0) samples_.push_back(edges_);
      edges_ += degree(vertex);
    }
  }

  std::uint64_t vertices() const { return vertices_; }
  std::uint64_t edges() const { return edges_; }

  /// Edges that begin at a vertex: what R-MAT gives it on average, rounded at random.
  std::uint64_t degree(std::uint64_t vertex) const {
    const auto ones = static_cast<std::size_t>(std::popcount(names_(vertex)));
    return (degrees_[ones] + (random_at(degree_seed_, vertex) >> 32)) >> 32;
  }

  /// The number of a vertex's first edge among all.
  std::uint64_t first_edge(std::uint64_t vertex) const {
    auto edge = samples_[vertex / kSample];
    for (auto before = vertex / kSample * kSample; before < vertex; ++before)
      edge += degree(before);
    return edge;
  }

  /// Where edge number `edge`, which begins at `vertex`, leads.
  std::uint64_t neighbour(std::uint64_t vertex, std::uint64_t edge) const {
    // In each word a bit is one with probability one half. `often` has 213/256, bit by bit of that
    // number from the lowest: a one is an or, a zero an and.
    const auto random = [&](std::uint64_t i) { return random_at(edge_seed_, 5 * edge + i); };
    const std::array words = {random(0), random(1), random(2), random(3), random(4)};
    const auto half = [&](std::size_t i) { return words[i / 2] >> (i % 2 * 32); };
    auto often = half(0);
    constexpr std::uint64_t kOften = 213;
    for (std::size_t i = 1; i < 8; ++i)
      often = (kOften >> i & 1) != 0 ? often | half(i) : often & half(i);
    const auto quarter = half(8) & half(9);  // b / (a + b) = 1/4
    const auto from = names_(vertex);
    const auto to = quarter & (~from | often);  // d / (c + d) = 5/24 = 1/4 of 5/6
    return names_.inverse(to & (vertices_ - 1));
  }

 private:
  static constexpr std::uint64_t kSample = 16;

  std::uint64_t vertices_;
  std::uint64_t edges_ = 0;
  Permutation names_;
  std::uint64_t degree_seed_;
  std::uint64_t edge_seed_;
  std::array<std::uint64_t, 33> degrees_ = {};  ///< by ones in a number, times 2^32
  std::vector<std::uint64_t> samples_;          ///< first edge of every kSample-th vertex
};

}  // namespace eptsim::sim::generate
