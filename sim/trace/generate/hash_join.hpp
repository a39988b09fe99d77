#pragma once

#include <cstdint>

#include "sim/trace/generate/permutation.hpp"

/// The data of a hash join, computed: a primary key in one relation, a foreign one in the other.
namespace eptsim::sim::generate {

class JoinKeys {
 public:
  /// Of so many tuples on the build side. So many of a hundred probes find one.
  JoinKeys(std::uint64_t tuples, std::uint64_t match_percent, std::uint64_t seed)
      : tuples_(tuples),
        probed_(tuples * 100 / match_percent),
        order_(tuples, random_at(seed, 0)),
        seed_(random_at(seed, 1)) {}

  /// Of the i-th tuple of the build side: each number below `tuples` once, in random order.
  std::uint64_t build(std::uint64_t i) const { return order_(i); }
  /// Of the i-th tuple of the probe side: at random, often one that the build side has.
  std::uint64_t probe(std::uint64_t i) const { return below(probed_, random_at(seed_, i)); }
  /// The bucket that a key falls into; there are as many as tuples.
  std::uint64_t bucket(std::uint64_t key) const { return below(tuples_, scrambled(key + 1)); }

 private:
  std::uint64_t tuples_;
  std::uint64_t probed_;  ///< keys are drawn from the numbers below
  SizedPermutation order_;
  std::uint64_t seed_;
};

}  // namespace eptsim::sim::generate
