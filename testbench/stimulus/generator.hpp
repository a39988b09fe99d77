#pragma once

#include <cstdint>

#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/reserved_bit.hpp"
#include "testbench/stimulus/sparse_memory.hpp"
#include "testbench/stimulus/table_builder.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Makes the cases of a run. Case n of seed s is the same whatever was made before it. The first
/// kDirectedCases of every run are directed: each page size on each, at each number of levels, and
/// each compare-and-swap of the longest walk made to fail; what they leave open is random.
class Generator {
 public:
  Generator(std::uint64_t seed, Features features)
      : seed_(seed), features_(features), reserved_bits_(reserved_bits()) {}

  /// `test` is made anew; its buffers are used again.
  void make(std::uint64_t number, TestCase& test);

 private:
  struct Plan;

  Plan random_plan(Random& random) const;
  Features random_features(Random& random) const;
  static void set_written_areas(Random& random, TestCase& test);
  static bool direct(std::uint64_t number, Plan& plan);
  bool allows(const Plan& plan) const;
  void aim(std::uint64_t number, Plan& plan) const;
  void aim_at_swap(Random& random, Plan& plan) const;
  void aim_at_reserved_bit(Random& random, Plan& plan) const;
  void flip_bits(Random& random, TestCase& test);
  void schedule_store(Random& random, const Plan& plan, TestCase& test);
  Timing random_timing(Random& random) const;

  std::uint64_t seed_;
  Features features_;
  std::vector<ReservedBit> reserved_bits_;
  SharedMemory memory_;  ///< of the walk that finds out which requests there are
};

/// 42 pairs of page sizes: once with the flags as they come, once with all flags clear for a write.
/// Then what another processor can do to an entry whose flags are about to be set: three ways, for
/// each of the 36 swaps of a 5-level walk.
inline constexpr std::uint64_t kPagePairs = 42;
inline constexpr std::uint64_t kMostSwaps = 36;
inline constexpr std::uint64_t kDirectedCases = 2 * kPagePairs + 3 * kMostSwaps;

}  // namespace eptsim::tb
