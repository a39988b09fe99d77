#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

#include "sim/sweep/grid.hpp"
#include "sim/sweep/point_folder.hpp"

namespace eptsim::sim::sweep {

/// What an executor is to run: points by their numbers.
struct Work {
  const std::vector<Point>& points;
  const std::vector<PointFolder>& folders;  ///< of all points, by number
  std::vector<std::size_t> numbers;
};

/// Is told how it goes.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void began(std::size_t point) = 0;
  /// Once for each that was begun, unless the executor was stopped. `trouble` says how an attempt
  /// failed; it is empty if the point is done.
  virtual void ended(std::size_t point, const std::string& trouble) = 0;
  /// Now and then, with how many points are at work at this moment.
  virtual void time_passes(std::size_t under_way) = 0;
};

/// Where points are run.
class Executor {
 public:
  virtual ~Executor() = default;
  /// Attempts each once, and returns when all have ended; once `stop` is set, stops those under
  /// way and returns too.
  virtual void run(const Work& work, const std::atomic<bool>& stop, Watcher& watcher) = 0;
};

}  // namespace eptsim::sim::sweep
