#pragma once

#include <string>

#include "sim/sweep/results.hpp"

/// A sweep with results that were never run.
namespace eptsim::sim::sweep::test {

/// Two schemes, two traces and three latencies of DRAM: twelve rows.
inline constexpr const char* kTwelve =
    "title = \"Twelve <points>\"\n"
    "schemes = [\"native:4K\", \"nested:4K/4K\"]\n"
    "traces = { small = \"generate:gups,footprint=1MiB\", large = \"generate:gups\" }\n"
    "columns = [\"cycles\", \"cpi\", \"walker.cycles_per_walk\"]\n"
    "[vary]\ndram.cycles = [100, 50, 200]\n";

/// The results of `text`, as if the row with number n had taken 1000 (n + 1) cycles for 1000
/// instructions, without walks. The first `done` rows are done.
struct SmallSweep {
  explicit SmallSweep(const std::string& text, std::size_t done = 1000);
  Sweep sweep;
  Grid grid;
  Results results;
};

}  // namespace eptsim::sim::sweep::test
