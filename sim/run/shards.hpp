#pragma once

#include <cstdint>
#include <vector>

#include "sim/run/intervals.hpp"
#include "sim/run/simulation.hpp"

/// A run cut into parts that run side by side, each in a process of its own, and are joined to one
/// result: docs/shards.md. A part warms up on all that precedes it, and what it is depends on
/// nothing but the run's settings, its length and the number of parts.
namespace eptsim::sim {

/// The most that there can be: a long run has as many intervals at least, and parts are of whole
/// ones.
inline constexpr unsigned kMostShards = kIntervals / 2;

/// Cuts the run of `settings` over `accesses` accesses, those that are counted, into `count` parts:
/// the settings of each. They are about equally much work: a later one warms up for longer, and
/// counts less. Throws InputError if that is too few accesses, or for a run that can't be cut.
std::vector<RunSettings> cut_into_shards(const RunSettings& settings, unsigned count,
                                         std::uint64_t accesses);

/// The whole run's result, of those of its parts in their order. Counts are sums, memory is as in
/// the end, and the whole is partial if a part is.
RunResult joined(const std::vector<RunResult>& parts);

}  // namespace eptsim::sim
