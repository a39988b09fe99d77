#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/output/progress.hpp"
#include "sim/sweep/executor.hpp"
#include "sim/sweep/results.hpp"

namespace eptsim::sim::sweep {

/// A point that was attempted twice in vain.
struct Failure {
  std::size_t point = 0;
  std::string trouble;
};

/// A sweep in its folder: runs what isn't done yet, and merges what is done into results.csv,
/// results.json and sweep.html.
class Campaign : private Watcher {
 public:
  /// Finds out what is done already. The folder must be there, and held by this process.
  Campaign(const Sweep& sweep, const Grid& grid, const std::filesystem::path& folder);

  const std::vector<PointFolder>& folders() const { return folders_; }
  const Results& results() const { return results_; }
  std::size_t points_done() const { return results_.count_done(); }
  /// Wall-clock time of a point, as far as points are done; 0 if none is.
  double seconds_per_point() const;

  /// Attempts what isn't done, and what failed once more. `at_a_time`: so many points run side by
  /// side, to tell the time left; 0: as will be seen. Returns what failed both times.
  std::vector<Failure> run(Executor& executor, std::size_t at_a_time, ProgressMode progress,
                           const std::atomic<bool>& stop);
  /// Writes the merged results. Throws InputError.
  void write_results() const;

 private:
  using Clock = std::chrono::steady_clock;

  void began(std::size_t point) override;
  void ended(std::size_t point, const std::string& trouble) override;
  void time_passes(std::size_t under_way) override;

  std::vector<std::size_t> open_points() const;
  std::optional<double> seconds_left() const;

  const Sweep& sweep_;
  const Grid& grid_;
  std::filesystem::path folder_;
  std::vector<PointFolder> folders_;
  Results results_;
  std::vector<std::size_t> first_rows_;  ///< of each point, the first row that is it
  // While it runs:
  std::vector<Failure> failures_;
  std::vector<Clock::time_point> begun_;  ///< by point; those that aren't under way have none
  Clock::time_point begin_;
  double seconds_done_ = 0;  ///< of the points that became done since
  std::size_t at_a_time_ = 0;
  std::size_t failed_attempts_ = 0;
  class SweepProgress* progress_ = nullptr;
  Clock::time_point next_merge_;
};

}  // namespace eptsim::sim::sweep
