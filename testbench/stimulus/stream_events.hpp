#pragma once

#include <vector>

#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/stream.hpp"
#include "testbench/stimulus/table_builder.hpp"

namespace eptsim::tb {

/// An address that a stream's requests use, and the entries that translate it.
struct StreamPage {
  unsigned context = 0;
  mmu::Request request = {};
  std::uint64_t gpa = 0;  ///< that the tables gave it first
  std::vector<Spot> spots = {};
};

/// Adds stores to `stream`, most of them with the invalidation that they owe, invalidations that
/// nobody owes, and changes of the disable bits.
void add_events(Random& random, const std::vector<StreamPage>& pages, bool stores, Stream& stream);

}  // namespace eptsim::tb
