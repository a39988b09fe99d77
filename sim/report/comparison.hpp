#pragma once

#include <string>
#include <vector>

#include "sim/report/run.hpp"

/// What compares runs.
namespace eptsim::sim::report {

/// Runs of one trace. What they are held against is the first.
struct Group {
  Runs runs;

  const Run& baseline() const { return runs.front(); }
  std::string trace_name() const { return runs.front().trace_name(); }
};
using Groups = std::vector<Group>;

/// Whether cycles of the two may be set in relation: both did the same work, and some.
bool comparable(const Run& left, const Run& right);
/// "1.32 ×" of the baseline's time, "-" where the runs aren't comparable.
std::string relative_time(const Group& group, const Run& run);
/// Time lost to translation, of all.
std::string share_lost(const Run& run);

/// Where the cycles of each run went: bars on one scale, and their numbers.
Html time(const Group& group);
/// What each run took, a row each.
Html overview(const Group& group);
/// Relative times and shares lost over several traces, a column each.
Html over_traces(const Groups& groups);

}  // namespace eptsim::sim::report
