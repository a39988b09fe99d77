#pragma once

#include <cstdint>
#include <vector>

#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/stream.hpp"
#include "testbench/stimulus/stream_events.hpp"

namespace eptsim::tb {

/// Makes the streams of a run. Stream n of seed s is the same whatever was made before it.
class StreamGenerator {
 public:
  StreamGenerator(std::uint64_t seed, Features features) : seed_(seed), features_(features) {}

  /// `stream` is made anew; its buffers are used again.
  void make(std::uint64_t number, Stream& stream);

 private:
  struct Plan;

  Plan random_plan(Random& random) const;
  void add_contexts(Random& random, const Plan& plan, Stream& stream);
  void add_pages(Random& random, const Plan& plan, Stream& stream);
  static void add_requests(Random& random, const std::vector<StreamPage>& pages, Stream& stream);

  std::uint64_t seed_;
  Features features_;
  std::vector<Levels> levels_;  ///< of each context
  std::vector<StreamPage> pages_;
  TestCase scratch_;
};

}  // namespace eptsim::tb
