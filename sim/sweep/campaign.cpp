#include "sim/sweep/campaign.hpp"

#include <algorithm>

#include "sim/output/output_file.hpp"
#include "sim/statistics/stats_json.hpp"
#include "sim/sweep/page.hpp"
#include "sim/sweep/progress.hpp"

namespace eptsim::sim::sweep {
namespace {

using namespace std::chrono_literals;

/// Results are merged while points run too, so that there is something to look at; not so often
/// that it would take much of the time.
constexpr auto kBetweenMerges = 10s;
constexpr int kMergingAtMost = 20;  // of so many parts one

double since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Campaign::Campaign(const Sweep& sweep, const Grid& grid, const std::filesystem::path& folder)
    : sweep_(sweep), grid_(grid), folder_(folder), results_(sweep, grid) {
  remove_remains(folder);
  for (std::size_t point = 0; point < grid.points.size(); ++point) {
    folders_.emplace_back(folder, grid.points[point].id);
    if (const auto document = folders_.back().document()) results_.add(point, *document);
  }
  first_rows_.assign(grid.points.size(), grid.rows.size());
  for (std::size_t row = 0; row < grid.rows.size(); ++row) {
    std::size_t& first = first_rows_[grid.rows[row].point];
    first = std::min(first, row);
  }
}

double Campaign::seconds_per_point() const {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t point = 0; point < folders_.size(); ++point) {
    if (const auto seconds = results_.seconds(point)) {
      sum += *seconds;
      ++count;
    }
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

std::vector<std::size_t> Campaign::open_points() const {
  std::vector<std::size_t> points;
  for (std::size_t point = 0; point < folders_.size(); ++point) {
    if (!results_.done(point)) points.push_back(point);
  }
  return points;
}

std::vector<Failure> Campaign::run(Executor& executor, std::size_t at_a_time, ProgressMode mode,
                                   const std::atomic<bool>& stop) {
  SweepProgress progress(mode);
  progress_ = &progress;
  at_a_time_ = at_a_time;
  begun_.assign(folders_.size(), {});
  failed_attempts_ = 0;
  begin_ = Clock::now();
  seconds_done_ = 0;
  next_merge_ = Clock::now() + kBetweenMerges;
  for (int attempt = 0; attempt < 2 && !stop; ++attempt) {
    const std::vector<std::size_t> open = open_points();
    if (open.empty()) break;
    failures_.clear();
    executor.run({grid_.points, folders_, open}, stop, *this);
  }
  progress_ = nullptr;
  if (stop) return {};
  std::ranges::sort(failures_, {}, &Failure::point);
  for (const Failure& failure : failures_) results_.add_failed(failure.point);
  return std::move(failures_);
}

void Campaign::began(std::size_t point) { begun_[point] = Clock::now(); }

void Campaign::ended(std::size_t point, const std::string& trouble) {
  begun_[point] = {};
  if (trouble.empty()) {
    if (const auto document = folders_[point].document()) {
      results_.add(point, *document);
      seconds_done_ += results_.seconds(point).value();
      return;
    }
  }
  ++failed_attempts_;
  failures_.push_back({point, trouble.empty() ? "its stats.json can't be read" : trouble});
}

void Campaign::time_passes(std::size_t under_way) {
  const Clock::time_point now = Clock::now();
  if (now >= next_merge_) {
    write_results();
    const auto taken = Clock::now() - now;
    next_merge_ = now + std::max<Clock::duration>(kBetweenMerges, taken * kMergingAtMost);
  }
  progress_->update({.points = folders_.size(),
                     .done = results_.count_done(),
                     .under_way = under_way,
                     .failed = failed_attempts_,
                     .seconds_left = seconds_left()});
}

/// A point takes as long as others of its trace took, or as all did.
std::optional<double> Campaign::seconds_left() const {
  const auto axis = static_cast<std::size_t>(sweep_.axis(Axis::Kind::kTrace) - sweep_.axes.data());
  struct Sum {
    double seconds = 0;
    double points = 0;
  };
  std::vector<Sum> of_trace(sweep_.axes[axis].values.size());
  Sum all;
  const auto trace = [&](std::size_t point) { return grid_.rows[first_rows_[point]].at[axis]; };
  for (std::size_t point = 0; point < folders_.size(); ++point) {
    const auto seconds = results_.seconds(point);
    if (!seconds) continue;
    for (Sum* sum : {&of_trace[trace(point)], &all}) {
      sum->seconds += *seconds;
      sum->points += 1;
    }
  }
  if (all.points == 0) return std::nullopt;
  const bool known = at_a_time_ != 0;
  double left = 0;
  std::size_t open = 0;
  for (std::size_t point = 0; point < folders_.size(); ++point) {
    if (results_.done(point)) continue;
    const Sum& sum = of_trace[trace(point)].points > 0 ? of_trace[trace(point)] : all;
    double seconds = sum.seconds / sum.points;
    // Of points that wait in a queue it isn't known since when they run.
    if (known && begun_[point] != Clock::time_point()) {
      seconds = std::max(0.0, seconds - since(begun_[point]));
    }
    left += seconds;
    ++open;
  }
  if (known) return left / static_cast<double>(std::clamp<std::size_t>(open, 1, at_a_time_));
  if (seconds_done_ == 0) return std::nullopt;
  return left * since(begin_) / seconds_done_;
}

void Campaign::write_results() const {
  OutputFolder folder(folder_.string());
  folder.write("results.csv", results_.csv());
  folder.write("results.json", json_text(results_.json()));
  folder.write("sweep.html", page_html(results_));
}

}  // namespace eptsim::sim::sweep
