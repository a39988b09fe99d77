#pragma once

#include <cstdint>
#include <vector>

#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/stream.hpp"
#include "testbench/stimulus/stream_events.hpp"

namespace eptsim::tb {

enum class Theme : std::uint8_t;

/// Makes the streams of a run. Stream n of seed s is the same whatever was made before it.
class StreamGenerator {
 public:
  StreamGenerator(std::uint64_t seed, Features features) : seed_(seed), features_(features) {}

  /// `stream` is made anew; its buffers are used again.
  void make(std::uint64_t number, Stream& stream);

 private:
  struct Plan;

  Theme random_theme(Random& random) const;
  Plan random_plan(Random& random) const;
  void add_contexts(Random& random, const Plan& plan, Stream& stream);
  void add_pages(Random& random, const Plan& plan, Stream& stream);
  void follow_theme(Random& random, Theme theme, Levels levels, const std::vector<Spot>& spots);
  static void add_requests(Random& random, const std::vector<StreamPage>& pages, Stream& stream);

  std::uint64_t seed_;
  Features features_;
  std::vector<Levels> levels_;  ///< of each context
  std::vector<StreamPage> pages_;
  TestCase scratch_;
};

}  // namespace eptsim::tb
